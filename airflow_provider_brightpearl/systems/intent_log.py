"""A sink's writes that its target would repeat if they were sent again.

Every call is recorded before it is sent and confirmed after its answer; a call without an answer is in doubt,
and is looked for in the target before it may be sent again.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from airflow_provider_brightpearl.core.beginning import may_be_written
from airflow_provider_brightpearl.core.changes import Change
from airflow_provider_brightpearl.core.ports.stores import Intent, Intents, IntentState
from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.errors import TimedOut, Unavailable

log = logging.getLogger(__name__)

# how long after an intent its call is still begun just now
_FRESH = timedelta(seconds=10)


def digest_of(changes: Iterable[Change]) -> str:
    """Digest of what is written for one record, the same for the same rows."""
    parts = sorted(f"{change.object}\0{change.key}\0{change.fingerprint}" for change in changes)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(slots=True)
class IntentLog:
    """The intents of one object of a flow, as one run sees them.

    Args:
        intents: the store.
        flow, object_name, run: recorded with every intent.
        settle_seconds: how long after its call a write may still arrive.
        sleep, now: seconds to sleep, and an aware clock.
        dry_run: whether answers are not recorded.
    """

    intents: Intents
    flow: str
    object_name: str
    run: str
    settle_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    known: dict[str, Intent] = field(default_factory=dict)
    dry_run: bool = False
    began: datetime | None = field(init=False)
    restored: datetime | None = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.intents.began(self.flow)
        self.restored = self.intents.restored()

    def may_be_written(self, created_at: datetime | None, key: str = "") -> bool:
        """Whether the target may have a record of which nothing is known since the state of the flow began.

        Without its key, by when it was created alone: also if it was looked for by now.
        """
        known = self.known.get(key)
        return may_be_written(self.began, created_at, known.changed_at if known else None)

    def may_be_forgotten(self, created_at: datetime | None, key: str) -> bool:
        """Whether the target may have a record that a restored backup does not know of, by when it was created."""
        known = self.known.get(key)
        return self.restored is not None and may_be_written(
            self.restored, created_at, known.changed_at if known else None
        )

    def load(self, digests: Mapping[str, str]) -> None:
        """Reads what is known of these keys; unknown ones get an intent that was never started."""
        found = self.intents.of(self.flow, self.object_name, digests)
        for key, digest in digests.items():
            fresh = Intent(self.flow, self.object_name, key, digest, self.run, IntentState.REFUSED)
            self.known[key] = found.get(key, fresh)

    def wait_until_quiet(self) -> None:
        """Waits until no call in doubt can still arrive, so that a missing row was not written."""
        doubtful = [each for each in self.known.values() if each.state is IntentState.IN_DOUBT]
        last = max((each.changed_at for each in doubtful if each.changed_at), default=None)
        if last is not None:
            left = self.settle_seconds - (self.now() - last).total_seconds()
            if left > 0:
                with current().waiting("a call without an answer may still arrive", left):
                    self.sleep(left)

    def begin(
        self, digests: Mapping[str, str], step: str = "", references: Mapping[str, str] | None = None
    ) -> None:
        """Records that these keys are about to be written; ``references``: the target's names for them."""
        begun = [
            replace(
                self.known[key], digest=digest, run=self.run, step=step, target_id="", reason="",
                reference=(references or {}).get(key, ""),
            )
            for key, digest in digests.items()
        ]  # fmt: skip
        self._keep(self.intents.begin(begun) if begun else ())

    def renew(self, keys: Iterable[str]) -> None:
        """Records, right before a call, that these keys are written now; where that was recorded just before, nothing.

        A call may have waited for its turn, and after a while another run takes its write for lost.

        Raises:
            Unavailable: another run has begun one of them meanwhile.
        """
        stale = [
            each
            for each in map(self.known.__getitem__, keys)
            if each.changed_at is None or self.now() - each.changed_at > _FRESH
        ]
        if stale and not self.dry_run:
            self._keep(self.intents.begin(stale))

    def confirm(self, targets: Mapping[str, str]) -> None:
        """Records that these keys were written, as these target ids."""
        answered = [replace(self.known[key], target_id=target_id) for key, target_id in targets.items()]
        if answered and not self.dry_run:
            self.intents.confirm(answered)
        self._keep(self._after(answered, IntentState.DONE))

    def fail(self, reasons: Mapping[str, str], step: str | None = None) -> None:
        """Records that these keys were refused and not written; ``step`` if it has changed."""
        answered = [
            replace(self.known[key], reason=reason, step=self.known[key].step if step is None else step)
            for key, reason in reasons.items()
        ]
        if answered:
            self.intents.fail(answered)
        self._keep(self._after(answered, IntentState.REFUSED))

    def leave(self, reasons: Mapping[str, str]) -> None:
        """Records what stays in the target and cannot be removed from here, by its name there, with what to do."""
        kind = f"{self.object_name} left behind"
        left = [
            Intent(self.flow, kind, name, "", self.run, IntentState.REFUSED, reference=name, reason=reason)
            for name, reason in reasons.items()
        ]
        if left:
            log.warning("%s", "; ".join(reasons.values()))
            self.intents.fail(left)

    @staticmethod
    def _after(answered: Sequence[Intent], state: IntentState) -> list[Intent]:
        return [replace(each, state=state, attempt=each.attempt + 1) for each in answered]

    def _keep(self, intents: Iterable[Intent]) -> None:
        self.known.update((each.key, each) for each in intents)


@dataclass(slots=True)
class PendingRows:
    """Rows whose answer was lost, or that were not processed; raised when everything else is done."""

    lost: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)

    def check(self, system: str) -> None:
        """Raises ``TimedOut`` for lost answers, else ``Unavailable`` for rows that were not reached."""
        if self.lost:
            raise TimedOut(
                f"{_named(self.lost)}: no answer, so they are in doubt until they are found", system=system
            )
        if self.unreached:
            raise Unavailable(
                f"{_named(self.unreached)}: not processed: the target ended the job before them",
                system=system,
            )


def _named(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:5])
    return f"{shown} and {len(keys) - 5} more" if len(keys) > 5 else shown
