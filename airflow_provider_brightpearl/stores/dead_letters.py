"""Records that did not go through, kept with payload and reason until they do."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.records import Rejection
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, writing
from airflow_provider_brightpearl.stores.tables import binding, dead_letter, upsert

letter = dead_letter.c


class LetterState(StrEnum):
    """The state of a dead letter; in the first four its record is still to go through."""

    OPEN = "open"
    PARKED = "parked"
    MISSING = "missing"
    RETRY = "retry"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


# tried again by later runs, at growing distance
_TRIED_AGAIN = (LetterState.MISSING.value, LetterState.RETRY.value)
WAITING = (LetterState.OPEN.value, LetterState.PARKED.value, *_TRIED_AGAIN)


class SqlDeadLetters:
    """Dead letters on the state database, one per pair, flow and source record; see ``core.ports.stores.DeadLetters``.

    Args:
        engine: the state database.
        now: the clock, for first and last seen.
        pair: the pair of instances whose records these are.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC), pair: str = ""
    ) -> None:
        self._engine = engine
        self._now = now
        self.pair = pair

    def keep(
        self, flow: str, run: str, mapping_version: str, letters: Sequence[tuple[Rejection, bytes]]
    ) -> None:
        """Opens or refreshes one letter per record; the payload is the raw record.

        Of several rejections of one record the first counts, a refusal before a wait. A repeat of the
        same run (a retried task) is one attempt. A discarded letter stays discarded until its payload changes.
        """
        shared = {
            "pair": self.pair,
            "flow": flow,
            "run": run,
            "mapping_version": mapping_version,
            "seen": self._now(),
        }
        rows = [_row(rejection, payload, shared) for rejection, payload in _one_each(letters)]
        with writing(self._engine) as connection:
            statement = _statement(connection)
            for some in chunked(rows, CHUNK):
                connection.execute(statement, list(some))

    def resolve(self, flow: str, run: str, source_ids: Sequence[str]) -> int:
        """Closes the open and parked letters of records that went through; returns how many there were."""
        change = {"state": LetterState.RESOLVED.value, "closed_at": self._now(), "closed_run": run}
        closed = 0
        with writing(self._engine) as connection:
            for ids in chunked(sorted(set(source_ids)), CHUNK):
                where = (*self._mine(flow), letter.source_id.in_(ids), letter.state.in_(WAITING))
                closed += connection.execute(dead_letter.update().where(*where).values(**change)).rowcount
        return closed

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        """Ids to read again, oldest first: parent bound now, mapping changed since, or time to try again.

        A missing one is retried by the next run, then at doubling intervals, each as long as it has been missing.
        So is one that was refused for a passing reason.
        """
        parent_bound = sa.exists().where(
            binding.c.pair == letter.pair,
            binding.c.flow == letter.waits_flow,
            binding.c.object == letter.waits_object,
            binding.c.key == letter.waits_key,
        )
        mapped_anew = letter.mapping_version != mapping_version
        ready = sa.or_(
            sa.and_(letter.state == LetterState.PARKED.value, parent_bound),
            sa.and_(letter.state.in_([LetterState.OPEN.value, LetterState.PARKED.value]), mapped_anew),
        )
        columns = (letter.first_seen, letter.source_id, letter.last_seen)
        query = sa.select(*columns).where(*self._mine(flow)).order_by(*columns[:2])
        now = self._now()
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(ready).limit(limit)).all()
            waiting = connection.execute(query.where(letter.state.in_(_TRIED_AGAIN)))
            tried_again = (row for row in waiting if now - row.last_seen >= row.last_seen - row.first_seen)
            merged = heapq.merge(rows, tried_again, key=lambda row: (row.first_seen, row.source_id))
            return [row.source_id for row in islice(merged, limit)]

    def waiting(self, flow: str, source_ids: Sequence[str]) -> set[str]:
        """Those of the records that are rejected or parked."""
        found: set[str] = set()
        with reading(self._engine) as connection:
            for ids in chunked(sorted(set(source_ids)), CHUNK):
                query = sa.select(letter.source_id).where(
                    *self._mine(flow), letter.source_id.in_(ids), letter.state.in_(WAITING)
                )
                found.update(row.source_id for row in connection.execute(query))
        return found

    def count_open(self, flow: str) -> int:
        """How many records of a flow are pending: rejected or parked."""
        query = sa.select(sa.func.count()).where(*self._mine(flow), letter.state.in_(WAITING))
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar() or 0)

    def top_reasons(self, flow: str, run: str | None = None, limit: int = 10) -> list[tuple[str, int]]:
        """The most common reasons and their counts, without the value at fault, so that equal reasons add up.

        With ``run``, only letters which that run opened or refreshed.
        """
        columns = (letter.state, letter.reason, letter.value, letter.waits_flow, letter.waits_object)
        where = [*self._mine(flow), letter.state.in_(WAITING), *([letter.run == run] if run else [])]
        tally: Counter[str] = Counter()
        with reading(self._engine) as connection:
            grouped = sa.select(*columns, sa.func.count()).where(*where).group_by(*columns)
            for row in connection.execute(grouped):
                tally[_topic(row)] += row[-1]
        return sorted(tally.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def _mine(self, flow: str) -> tuple[Any, Any]:
        return letter.pair == self.pair, letter.flow == flow


def _topic(row: Any) -> str:
    if row.state == LetterState.PARKED.value:
        return f"waits for {row.waits_object} of {row.waits_flow}"
    return str(row.reason.removesuffix(f", got {row.value}"))


def _one_each(letters: Sequence[tuple[Rejection, bytes]]) -> list[tuple[Rejection, bytes]]:
    chosen: dict[str, tuple[Rejection, bytes]] = {}
    for rejection, payload in letters:
        earlier = chosen.get(rejection.source_id)
        if earlier is None or (earlier[0].waits_for and not rejection.waits_for):
            chosen[rejection.source_id] = (rejection, payload)
    # in one order everywhere: two workers that keep the same records must not wait for each other
    return [chosen[source_id] for source_id in sorted(chosen)]


def _row(rejection: Rejection, payload: bytes, shared: dict[str, Any]) -> dict[str, Any]:
    waits_flow, waits_object, waits_key = rejection.waits_for or (None, None, None)
    texts = ("object", "row", "field", "value", "reason", "currency")
    return {
        **{name: shared[name] for name in ("pair", "flow", "run", "mapping_version")},
        **{name: _storable(getattr(rejection, name)) for name in texts},
        "source_id": _storable(rejection.source_id),
        "state": _state(rejection).value,
        "stage": rejection.stage.value,
        "waits_flow": waits_flow,
        "waits_object": waits_object,
        "waits_key": None if waits_key is None else _storable(waits_key),
        "amount": None if rejection.amount is None else str(rejection.amount),
        "payload": _storable(payload.decode("utf-8", "replace")),
        "attempts": 1,
        "first_seen": shared["seen"],
        "last_seen": shared["seen"],
    }


def _state(rejection: Rejection) -> LetterState:
    if rejection.missing:
        return LetterState.MISSING
    if rejection.passing:
        return LetterState.RETRY
    return LetterState.PARKED if rejection.waits_for else LetterState.OPEN


def _storable(text: str) -> str:
    # PostgreSQL refuses NUL, and UTF-8 has no lone surrogates; both come out of JSON escapes
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


_REPLACED = (
    "stage", "reason", "object", "row", "field", "value", "waits_flow", "waits_object", "waits_key", "amount",
    "currency", "mapping_version", "run", "last_seen",
)  # fmt: skip


def _statement(connection: Connection) -> Any:
    statement = upsert(connection, dead_letter)
    new = statement.excluded
    waiting = letter.state.in_([sa.literal_column(f"'{state}'") for state in WAITING])
    same = letter.payload.in_([new.payload, payload_digest(connection.dialect.name, new.payload)])
    put_aside = sa.and_(letter.state == sa.literal_column("'discarded'"), same)
    again = sa.and_(waiting, letter.run == new.run)
    return statement.on_conflict_do_update(
        index_elements=["pair", "flow", "source_id"],
        set_={
            **{name: new[name] for name in _REPLACED},
            "payload": sa.case((put_aside, letter.payload), else_=new.payload),
            "state": sa.case((put_aside, letter.state), else_=new.state),
            "attempts": sa.case(
                (again, letter.attempts),
                (waiting, letter.attempts + sa.literal_column("1")),
                else_=new.attempts,
            ),
            "first_seen": sa.case((waiting, letter.first_seen), else_=new.first_seen),
            "closed_at": sa.case((put_aside, letter.closed_at), else_=sa.null()),
            "closed_run": sa.case((put_aside, letter.closed_run), else_=sa.null()),
        },
    )


def payload_digest(dialect: str, payload: Any) -> Any:
    """What retention leaves of a discarded payload, as SQL: enough to see whether the record has changed."""
    if dialect != "postgresql":
        return sa.func.bp_digest(payload)
    digest = sa.func.sha256(sa.func.convert_to(payload, sa.text("'UTF8'")))
    return sa.func.concat(sa.text("'sha256:'"), sa.func.encode(digest, sa.text("'hex'")))
