"""Writes that their target would repeat if they were sent again: recorded before they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.ports.stores import Intent, IntentState
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores.engine import CHUNK, fenced, reading
from airflow_provider_brightpearl.stores.tables import beginning, claimed, intent, unsettled, upsert

_NAMES = (
    "flow", "object", "key", "digest", "run", "state", "step", "reference", "target_id", "reason", "attempt",
    "changed_at",
)  # fmt: skip
_COLUMNS = [intent.c[name] for name in _NAMES]
_KEY = ("pair", "flow", "object", "key")


class SqlIntents:
    """Intents on the state database; see ``core.ports.stores.Intents``.

    Args:
        engine: the state database.
        now: the clock, for when an intent changed.
        pair: the pair of instances between which records are written.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC), pair: str = ""
    ) -> None:
        self._engine = engine
        self._now = now
        self.pair = pair

    def of(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, Intent]:
        """What is known of these keys."""
        found: dict[str, Intent] = {}
        with reading(self._engine) as connection:
            for some in chunked(sorted(set(keys)), CHUNK):
                query = sa.select(*_COLUMNS).where(
                    *self._mine(flow), intent.c.object == object_name, intent.c.key.in_(some)
                )
                found.update((row.key, _intent(row)) for row in connection.execute(query))
        return found

    def start(self, flow: str) -> None:
        """Records that the state of a flow begins now, unless it has."""
        with fenced(self._engine) as connection:
            begun = upsert(connection, beginning).values(pair=self.pair, flow=flow, at=self._now())
            connection.execute(begun.on_conflict_do_nothing())

    def began(self, flow: str) -> datetime | None:
        """When the state of a flow began; see ``core.ports.stores.Intents``."""
        query = sa.select(beginning.c.at).where(beginning.c.pair == self.pair, beginning.c.flow == flow)
        with reading(self._engine) as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def restored(self) -> datetime | None:
        """When a backup was taken into use; see ``core.ports.stores.Intents``."""
        query = sa.select(beginning.c.at).where(beginning.c.pair == "", beginning.c.flow == "")
        with reading(self._engine) as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def in_doubt(self, flow: str = "", limit: int = 100) -> list[Intent]:
        """The oldest intents whose outcome is not known, of one flow or of all."""
        mine = self._mine(flow) if flow else [intent.c.pair == self.pair]
        doubtful = intent.c.state == IntentState.IN_DOUBT.value
        query = sa.select(*_COLUMNS).where(doubtful, *mine).order_by(intent.c.changed_at).limit(limit)
        with reading(self._engine) as connection:
            return [_intent(row) for row in connection.execute(query)]

    def begin(self, intents: Sequence[Intent]) -> list[Intent]:
        """Records intents as in doubt, all or none, before their call; returns their current state.

        Raises:
            Unavailable: another worker has recorded one of them since it was read.
        """
        claim = uuid4().hex
        now = self._now()
        begun = [
            replace(each, state=IntentState.IN_DOUBT, attempt=each.attempt + 1, changed_at=now)
            for each in intents
        ]
        with fenced(self._engine) as connection:
            _write(connection, self.pair, begun, claim)
            _check_claim(connection, begun, claim)
        return begun

    def confirm(self, intents: Sequence[Intent]) -> None:
        """Records that these happened; each holds the ``target_id`` it got."""
        self._answered(intents, IntentState.DONE)

    def fail(self, intents: Sequence[Intent]) -> None:
        """Records that these were refused and did not happen; each may hold a ``reason``."""
        self._answered(intents, IntentState.REFUSED)

    def plan(self, intents: Sequence[Intent]) -> None:
        """Records that these are due: still, or once more, to be sent; each may hold a ``reason``."""
        self._answered(intents, IntentState.DUE)

    def unsettled(self, flow: str, objects: Iterable[str], records: int | None = None) -> list[Intent]:
        """Those of these objects that are due or in doubt, by key; see ``core.ports.stores.Intents``."""
        where = self._unsettled(flow, objects)
        if records is not None:
            longest = sa.select(intent.c.key).where(*where).group_by(intent.c.key)
            longest = longest.order_by(sa.func.min(intent.c.changed_at), intent.c.key).limit(records)
            where = (*where, intent.c.key.in_(longest))
        query = sa.select(*_COLUMNS).where(*where).order_by(intent.c.key, intent.c.object)
        with reading(self._engine) as connection:
            return [_intent(row) for row in connection.execute(query)]

    def waiting(self, flow: str, objects: Iterable[str]) -> int:
        """How many keys of these objects have an intent that is due or in doubt."""
        query = sa.select(sa.func.count(intent.c.key.distinct())).where(*self._unsettled(flow, objects))
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar() or 0)

    def made(self, flow: str, object_name: str, target_ids: Iterable[str]) -> set[str]:
        """Those of these ids that writes of a flow have got from its target."""
        found: set[str] = set()
        done = (intent.c.object == object_name, intent.c.state == IntentState.DONE.value)
        with reading(self._engine) as connection:
            for some in chunked(sorted(set(target_ids)), CHUNK):
                query = sa.select(intent.c.target_id).where(
                    *self._mine(flow), *done, intent.c.target_id.in_(some)
                )
                found.update(connection.execute(query).scalars())
        return found

    def _unsettled(self, flow: str, objects: Iterable[str]) -> tuple[Any, ...]:
        return (*self._mine(flow), intent.c.object.in_(sorted(objects)), unsettled)

    def _answered(self, intents: Sequence[Intent], state: IntentState) -> None:
        now = self._now()
        answered = [replace(each, state=state, attempt=each.attempt + 1, changed_at=now) for each in intents]
        with fenced(self._engine) as connection:
            _write(connection, self.pair, answered, "")

    def _mine(self, flow: str) -> tuple[Any, Any]:
        return intent.c.pair == self.pair, intent.c.flow == flow


def _write(connection: Connection, pair: str, intents: Sequence[Intent], claim: str) -> None:
    # in one order everywhere: two workers that write the same rows must not wait for each other
    ordered = sorted(intents, key=lambda each: (each.flow, each.object, each.key))
    rows = [
        {
            **{name: getattr(each, name) for name in _NAMES},
            "pair": pair,
            "state": each.state.value,
            "claim": claim,
        }
        for each in ordered
    ]
    for some in chunked(rows, CHUNK):
        connection.execute(_statement(connection), list(some))


def _statement(connection: Connection) -> Any:
    statement = upsert(connection, intent)
    new = statement.excluded
    changed = [column.name for column in intent.c if column.name not in _KEY]
    return statement.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={name: getattr(new, name) for name in changed},
        # a worker that has read an older state must not overwrite the current one
        where=intent.c.attempt == new.attempt - 1,
    )


def _check_claim(connection: Connection, intents: Sequence[Intent], claim: str) -> None:
    query = sa.select(sa.func.count()).select_from(intent).where(claimed, intent.c.claim == claim)
    got = connection.execute(query).scalar() or 0
    if got < len({(each.flow, each.object, each.key) for each in intents}):
        raise Unavailable(
            "another worker is writing some of the same records; backing off",
            system="state database",
            operation="begin intents",
        )


def _intent(row: Any) -> Intent:
    values = {name: getattr(row, name) for name in _NAMES}
    return Intent(**{**values, "state": IntentState(values["state"])})
