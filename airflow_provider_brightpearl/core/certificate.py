"""The certificate of a compared period: what both systems answered, line by line, and a statement of it.

A file of canonical JSON, one value a line: the statement, the entries of both sides by id, and the seal. A record whose
dead letter a person has discarded has one more entry, ``discarded``, with the amount that its side lists, if one does.
The statement holds a digest of each side's lines, the seal one of the statement; ``core.certificate_check`` verifies
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from hashlib import sha256
from typing import Any, Literal

import msgspec

from airflow_provider_brightpearl.core.compare import Comparison, Entry
from airflow_provider_brightpearl.core.reports import ReconcileReport

# ids listed of each kind of difference; all of them are counted, and all entries are in the file
LISTED = 1_000
# sums are exact, however many amounts they are of
_EXACT = Context(prec=500)


def canonical(value: Any) -> bytes:
    """A value as the one JSON text that stands for it: UTF-8, keys in order, no white space."""
    return msgspec.json.encode(value, order="sorted")


class SideTotals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one system answered: how many records, their sums by currency, and the digest of their lines.

    Of discarded records, the source's system and instance.
    """

    system: str
    instance: str
    count: int
    sums: dict[str, str]
    digest: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a certificate says of a period; instants are aware, ``previous`` is the digest of the statement before.

    ``state`` is ``closed`` only where both sides agree and nothing of the period waits; else ``reasons`` say why not.
    ``matched``, ``differing``, ``missing``, ``extra`` and ``repeated`` count ids, of which ``differences`` lists the
    first; ``findings`` counts them by what the reconciliation made of them. ``discarded`` are the records of the period
    whose letters a person has set aside; they are also among ``missing`` or ``differing`` where that is why both sides
    differ. ``constants`` are ids of records that the flow adds by itself. ``read_until`` is how far the flow had read,
    ``last_run`` the last run of this pair by then that went through.
    """

    kind: Literal["books-closed certificate"] = "books-closed certificate"
    format: Literal[1] = 1
    flow: str
    pair: str
    number: int
    previous: str
    state: Literal["closed", "open"]
    reasons: tuple[str, ...]
    period_start: datetime | None
    period_end: datetime
    compared_at: datetime
    read_until: datetime
    run: str
    last_run: str
    mapping_version: str
    amounts: bool
    tolerance: str
    fields: tuple[str, ...]
    source: SideTotals
    target: SideTotals
    discarded: SideTotals
    matched: int
    differing: int
    missing: int
    extra: int
    repeated: int
    differences: dict[str, tuple[str, ...]]
    findings: dict[str, int]
    constants: tuple[str, ...]
    note: str
    signed_by: str
    public_key: str


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: the SHA-256 of the statement's line, and a signature of that line where a key is configured."""

    digest: str
    signature: str


class SideList:
    """Counts, sums and digest of one side's lines, as they are added."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.count = 0
        self._sums: dict[str, Decimal] = {}
        self._digest = sha256()

    def add(self, entry: Entry) -> bytes:
        """Adds an entry; returns its line."""
        amount = [] if entry.amount is None else [f"{entry.amount:f}", entry.currency]
        line = canonical([entry.id, self.side, *amount]) + b"\n"
        self.count += 1
        self._digest.update(line)
        if entry.amount is not None:
            before = self._sums.get(entry.currency, Decimal(0))
            self._sums[entry.currency] = _EXACT.add(before, entry.amount)
        return line

    @property
    def sums(self) -> dict[str, str]:
        """Sums by currency, exact."""
        return {currency: f"{amount:f}" for currency, amount in self._sums.items()}

    def totals(self, system: str, instance: str) -> SideTotals:
        """The totals of what was added."""
        return SideTotals(system, instance, self.count, self.sums, self._digest.hexdigest())


class Unsettled(msgspec.Struct, frozen=True):
    """What of a flow is not settled when a period is compared: what keeps its books open.

    ``letters`` of records of the period wait; ``in_doubt`` and ``due`` are writes and write-backs, ``conflicts`` fields
    that a person has to decide. Letters that were ``discarded`` do not wait, and only explain what differs.
    """

    letters: int = 0
    in_doubt: int = 0
    due: int = 0
    conflicts: int = 0
    discarded: int = 0


_FINDINGS = {
    "missing": "{} in the source and not in the target",
    "differing": "{} in both with another amount or other fields",
    "deleted": "{} in the target whose record was deleted at the source",
    "detach": "{} deleted on one side",
    "manual": "{} differ and cannot be written again by the flow",
    "unmatched": "{} in the target that are no records of the flow and period",
    "waiting": "{} that are dead letters, or left alone since their counterpart was deleted",
    "pending": "{} changed since the flow last read",
    "unreadable": "{} that cannot be read or mapped",
    "repeated": "{} listed more than once",
}


def reasons_open(
    found: ReconcileReport,
    unsettled: Unsettled,
    constants: Sequence[str],
    asked_end: datetime | None,
    not_asked: str,
) -> tuple[str, ...]:
    """Why the books of a period are not closed, a sentence each; empty where they are.

    Args:
        found: what the comparison found.
        unsettled: what waits.
        constants: ids that the flow adds by itself: they are in the target alone.
        asked_end: the end of the period as it was asked for; None where it was not.
        not_asked: why the target's side is not the target's own answer; empty where it is.
    """
    counts = dict(found.counts)
    own = len({*found.ids.get("unmatched", ())} & {*constants})
    counts["unmatched"] = counts.get("unmatched", 0) - own
    given = [text.format(counts[name]) for name, text in _FINDINGS.items() if counts.get(name, 0) > 0]
    waiting: Mapping[str, int] = {
        "dead letters wait": unsettled.letters,
        "writes are in doubt": unsettled.in_doubt,
        "writes or write-backs are due": unsettled.due,
        "conflicts wait for a person": unsettled.conflicts,
    }
    given += [f"{count} {text}" for text, count in waiting.items() if count]
    if given and unsettled.discarded:
        given.append(f"{unsettled.discarded} dead letters of the period were discarded")
    if asked_end is not None and found.period.end < asked_end:
        given.append(f"the flow has read until {found.period.end.isoformat()}, before the end of the period")
    if not_asked:
        given.append(not_asked)
    return tuple(given)


def differing_ids(found: Comparison) -> dict[str, tuple[str, ...]]:
    """The first ids of each way in which both sides differ."""
    each = {
        "differing": found.differing,
        "extra": found.extra,
        "missing": found.missing,
        "repeated": found.repeated,
    }
    return {name: tuple(some.ids[:LISTED]) for name, some in each.items() if some.count}
