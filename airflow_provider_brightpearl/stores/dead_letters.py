"""Records that did not go through, kept with payload and reason until they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.letters import LetterPolicy, judged_digest
from airflow_provider_brightpearl.core.ports.stores import swapped
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.core.records import Rejection
from airflow_provider_brightpearl.core.reports import run_of
from airflow_provider_brightpearl.stores.engine import CHUNK, fenced, reading
from airflow_provider_brightpearl.stores.tables import binding, dead_letter, upsert

letter = dead_letter.c


class LetterState(StrEnum):
    """The state of a dead letter; in the first four its record is still to go through.

    A letter is ``gone`` when its record was looked for long enough, and the source does not have it.
    """

    OPEN = "open"
    PARKED = "parked"
    MISSING = "missing"
    RETRY = "retry"
    RESOLVED = "resolved"
    DISCARDED = "discarded"
    GONE = "gone"


# the kind of letters that ask a person which row of the target their record is
REVIEW = "review"
# tried again by later runs, at growing distance
_TRIED_AGAIN = (LetterState.MISSING.value, LetterState.RETRY.value)
WAITING = (LetterState.OPEN.value, LetterState.PARKED.value, *_TRIED_AGAIN)
# of a record that did not go through, whether it is tried again or set aside
UNRESOLVED = (*WAITING, LetterState.DISCARDED.value)
# a run sets both instants at once, a person the first one alone
_DECIDED = letter.state_since > letter.last_seen


class SqlDeadLetters:
    """Dead letters on the state database, one per pair, flow and source record; see ``core.ports.stores.DeadLetters``.

    Args:
        engine: the state database.
        now: the clock, for first and last seen.
        pair: the pair of instances whose records these are.
        policy: when letters are tried again.
    """

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pair: str = "",
        policy: LetterPolicy | None = None,
    ) -> None:
        self._engine = engine
        self._now = now
        self.pair = pair
        self._policy = policy or LetterPolicy()

    def keep(
        self,
        flow: str,
        run: str,
        mapping_version: str,
        letters: Iterable[tuple[Rejection, bytes]],
        read_since: datetime | None = None,
        *,
        judged: bool = False,
    ) -> list[str]:
        """Opens or refreshes one letter per record; the payload is the raw record.

        Of several rejections of one record the first counts, a refusal before a wait. A repeat of the
        same run (a retried task) is one attempt; attempts are counted anew when the state changes. A discarded letter
        stays discarded until its payload changes. A record that another run has read since this one began is tried
        again, as is one that a person has decided about since.
        """
        shared = {
            "pair": self.pair,
            "flow": flow,
            "run": run,
            "mapping_version": mapping_version,
            "seen": self._now(),
        }
        closed: list[str] = []
        with fenced(self._engine) as connection:
            self._alone(connection, flow)
            statement = _statement(connection)
            for some in _one_each(letters):
                decided: set[str] = set()
                if read_since:
                    these = [each for each, _ in some]
                    decided = self._decided(connection, flow, run, read_since, these)
                    again = decided | self._read_by_others(connection, flow, run, read_since, these)
                    some = [
                        (replace(each, passing=each.passing or storable(each.source_id) in again), raw)
                        for each, raw in some
                    ]
                known = self._tried_before(connection, flow, [each for each, _ in some])
                rows = []
                for rejection, payload in some:
                    row = _row(rejection, payload, shared)
                    row["judged"] = judged_digest(mapping_version, payload) if judged else ""
                    tries = self._tries(row, known.get(row["source_id"]), rejection.gone)
                    rows.append(row | tries | _at_once(row, tries, decided))
                connection.execute(statement, rows)
                closed += [row["source_id"] for row in rows if row["closed_at"]]
        return sorted(closed)

    def _read_by_others(
        self, connection: Connection, flow: str, run: str, since: datetime, rejections: Sequence[Rejection]
    ) -> set[str]:
        """Those of these records that other runs have bound, or kept or closed a letter of, since then."""
        ids = [storable(each.source_id) for each in rejections]
        row, mine = binding.c, (*self._mine(flow), letter.source_id.in_(ids))
        bound = (row.pair == self.pair, row.flow == flow, row.source_id.in_(ids), row.read_at > since)
        found = sa.union(
            sa.select(row.source_id, row.written_run).where(*bound),
            sa.select(letter.source_id, letter.run).where(*mine, letter.last_seen > since),
            sa.select(letter.source_id, letter.closed_run).where(*mine, letter.closed_at > since),
        )
        return {name for name, attempt in connection.execute(found) if run_of(attempt or "") != run_of(run)}

    def _decided(
        self, connection: Connection, flow: str, run: str, since: datetime, rejections: Sequence[Rejection]
    ) -> set[str]:
        """Those of these records that a person has had tried again since then, which the run cannot know of."""
        ids = [storable(each.source_id) for each in rejections]
        mine = (*self._mine(flow), letter.source_id.in_(ids), letter.state == LetterState.RETRY.value)
        # kept by this run already, as its task was tried again
        by_person = sa.or_(_DECIDED, letter.run == run)
        query = sa.select(letter.source_id).where(*mine, letter.state_since > since, by_person)
        return set(connection.execute(query).scalars())

    def _tried_before(
        self, connection: Connection, flow: str, rejections: Sequence[Rejection]
    ) -> dict[str, Any]:
        """The letters of these records that are, or were, looked for again."""
        ids = [storable(each.source_id) for each in rejections if each.missing or each.passing]
        columns = (letter.source_id, letter.state, letter.state_since, letter.attempts, letter.run)
        states = letter.state.in_([*_TRIED_AGAIN, LetterState.GONE.value])
        query = sa.select(*columns).where(*self._mine(flow), letter.source_id.in_(ids), states)
        return {row.source_id: row for row in connection.execute(query)} if ids else {}

    def _tries(self, row: Mapping[str, Any], earlier: Any, gone: bool) -> dict[str, Any]:
        """The columns that say when a letter is tried again, or that it is closed since its record is gone."""
        now, run = row["last_seen"], row["run"]
        if row["state"] not in _TRIED_AGAIN:
            return {"next_try_at": None, "closed_at": None, "closed_run": None}
        repeated = earlier is not None and earlier.run == run
        if gone and earlier and earlier.state == row["state"]:
            closes = self._policy.is_gone(earlier.attempts + (not repeated), earlier.state_since, now)
        else:
            closes = gone and repeated and earlier.state == LetterState.GONE.value
        if closes:
            state = LetterState.GONE.value
            return {"state": state, "next_try_at": None, "closed_at": now, "closed_run": run}
        since = earlier.state_since if earlier and earlier.state == row["state"] else now
        return {"next_try_at": self._policy.next_try(since, now), "closed_at": None, "closed_run": None}

    def resolve(
        self, flow: str, run: str, source_ids: Sequence[str], read_since: datetime | None = None
    ) -> int:
        """Closes the letters of records that went through.

        Those that another run has kept since, or a person has had tried again, are tried again. One that was discarded
        is closed too: its record has changed, was replayed, or was being written when a person set it aside.
        """
        now = self._now()
        closing = {
            "state": LetterState.RESOLVED.value, "next_try_at": None, "closed_at": now, "closed_run": run, "author": "",
            "note": "",
        }  # fmt: skip
        trying = {"state": LetterState.RETRY.value, "next_try_at": now, "state_since": now, "attempts": 1}
        unresolved = letter.state.in_([*UNRESOLVED, LetterState.GONE.value])
        stuck = letter.state.in_([LetterState.OPEN.value, LetterState.PARKED.value])
        since = sa.false() if read_since is None else letter.last_seen > read_since
        others = sa.and_(since, letter.run != run_of(run))
        if read_since is not None:
            retried = (letter.state == LetterState.RETRY.value, letter.state_since > read_since)
            others = sa.or_(others, sa.and_(*retried, _DECIDED))
        closed = 0
        with fenced(self._engine) as connection:
            self._alone(connection, flow)
            for ids in chunked(sorted(set(source_ids)), CHUNK):
                update = dead_letter.update().where(*self._mine(flow), letter.source_id.in_(ids))
                closed += connection.execute(
                    update.where(unresolved, sa.not_(others)).values(**closing)
                ).rowcount
                if read_since is not None:
                    connection.execute(update.where(stuck, others).values(**trying))
        return closed

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        """Ids to read again: parent bound now, mapping changed since, or time to try again.

        The least recently tried goes first, and kinds of letters take turns, one kind for each parent that was waited
        for: what fails again goes to the end, so that every letter gets its turn however many there are.
        """
        parent = (binding.c.flow == letter.waits_flow, binding.c.object == letter.waits_object)
        # a flow has one direction, so a letter can wait for only one of both
        parent_bound = sa.or_(
            sa.exists().where(binding.c.pair == self.pair, *parent, binding.c.key == letter.waits_key),
            sa.exists().where(
                binding.c.pair == swapped(self.pair), *parent, binding.c.target_id == letter.waits_key
            ),
        )
        mapped_anew = letter.mapping_version != mapping_version
        ready = sa.or_(
            sa.and_(letter.state == LetterState.PARKED.value, parent_bound),
            sa.and_(letter.state.in_([LetterState.OPEN.value, LetterState.PARKED.value]), mapped_anew),
            sa.and_(letter.state.in_(_TRIED_AGAIN), letter.next_try_at <= self._now()),
        )
        order = (sa.func.coalesce(letter.next_try_at, letter.last_seen), letter.source_id)
        kind = (letter.state, letter.waits_flow, letter.waits_object, letter.waits_key)
        turn = sa.func.row_number().over(partition_by=kind, order_by=order)
        query = sa.select(letter.source_id).where(*self._mine(flow), ready).order_by(turn, *order)
        with reading(self._engine) as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def judged(self, flow: str, digests: Mapping[str, str]) -> set[str]:
        """Those of the records whose letters a settled run has kept with this digest."""
        found: set[str] = set()
        states = letter.state.in_(UNRESOLVED)
        with reading(self._engine) as connection:
            for ids in chunked(sorted(digests), CHUNK):
                mine = (*self._mine(flow), letter.source_id.in_(list(map(storable, ids))), states)
                query = sa.select(letter.source_id, letter.judged).where(*mine)
                known = {row.source_id: row.judged for row in connection.execute(query)}
                found.update(each for each in ids if known.get(storable(each)) == digests[each])
        return found

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

    def _alone(self, connection: Connection, flow: str) -> None:
        lock_letters(connection, flow, self.pair)

    def _mine(self, flow: str) -> tuple[Any, Any]:
        return letter.pair == self.pair, letter.flow == flow


def lock_letters(connection: Connection, flow: str, pair: str) -> None:
    """Lets one transaction at a time change the letters of a flow, which come in any order: two could deadlock."""
    if connection.dialect.name == "postgresql":
        lock = sa.func.hashtext(f"dead letters of {flow}, {pair}")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))


def _topic(row: Any) -> str:
    if row.state == LetterState.PARKED.value:
        return f"waits for {row.waits_object} of {row.waits_flow}"
    return str(row.reason.removesuffix(f", got {row.value}"))


def _one_each(letters: Iterable[tuple[Rejection, bytes]]) -> Iterator[list[tuple[Rejection, bytes]]]:
    """Chunks in which each record stands once; again in a later one if it was to wait and is refused after all."""
    # by record, whether it waits
    seen: dict[str, bool] = {}
    for some in chunked(letters, CHUNK):
        chosen: dict[str, tuple[Rejection, bytes]] = {}
        for rejection, payload in some:
            waits, waited = bool(rejection.waits_for), seen.get(rejection.source_id)
            if waited is None or (waited and not waits):
                seen[rejection.source_id] = waits
                chosen[rejection.source_id] = rejection, payload
        if chosen:
            yield list(chosen.values())


def _row(rejection: Rejection, payload: bytes, shared: dict[str, Any]) -> dict[str, Any]:
    waits_flow, waits_object, waits_key = rejection.waits_for or (None, None, None)
    texts = ("object", "row", "field", "value", "reason", "currency")
    return {
        **{name: shared[name] for name in ("pair", "flow", "run", "mapping_version")},
        **{name: storable(getattr(rejection, name)) for name in texts},
        "source_id": storable(rejection.source_id),
        "state": _state(rejection).value,
        "stage": rejection.stage.value,
        "kind": REVIEW if rejection.review else "",
        "waits_flow": waits_flow,
        "waits_object": waits_object,
        "waits_key": None if waits_key is None else storable(waits_key),
        "amount": None if rejection.amount is None else str(rejection.amount),
        "payload": storable(payload.decode("utf-8", "replace")),
        "attempts": 1,
        "author": "",
        "note": "",
        "first_seen": shared["seen"],
        "last_seen": shared["seen"],
        "state_since": shared["seen"],
    }


def _at_once(row: Mapping[str, Any], tries: Mapping[str, Any], decided: set[str]) -> dict[str, Any]:
    return {"next_try_at": row["last_seen"]} if row["source_id"] in decided and not tries["closed_at"] else {}


def _state(rejection: Rejection) -> LetterState:
    if rejection.missing:
        return LetterState.MISSING
    if rejection.passing:
        return LetterState.RETRY
    return LetterState.PARKED if rejection.waits_for else LetterState.OPEN


_REPLACED = (
    "stage", "reason", "object", "row", "field", "value", "waits_flow", "waits_object", "waits_key", "amount",
    "currency", "kind",
)  # fmt: skip
_SEEN = ("mapping_version", "run", "last_seen")


def _statement(connection: Connection) -> Any:
    statement = upsert(connection, dead_letter)
    new = statement.excluded
    waiting = letter.state.in_([sa.literal_column(f"'{state}'") for state in WAITING])
    same = letter.payload.in_([new.payload, payload_digest(connection.dialect.name, new.payload)])
    put_aside = sa.and_(letter.state == sa.literal_column("'discarded'"), same)
    missing: Any = sa.literal_column("'missing'")
    gone: Any = sa.literal_column("'gone'")
    closing = sa.and_(letter.state.in_([missing, gone]), new.state == gone)
    same_state = sa.or_(sa.and_(waiting, letter.state == new.state), closing)
    return statement.on_conflict_do_update(
        index_elements=["pair", "flow", "source_id"],
        set_={
            **{name: new[name] for name in _SEEN},
            # the run that holds a discarded record back has no reason of its own
            **{name: sa.case((put_aside, letter[name]), else_=new[name]) for name in _REPLACED},
            "payload": sa.case((put_aside, letter.payload), else_=new.payload),
            "state": sa.case((put_aside, letter.state), else_=new.state),
            "attempts": sa.case(
                (sa.and_(same_state, letter.run == new.run), letter.attempts),
                (same_state, letter.attempts + sa.literal_column("1")),
                else_=new.attempts,
            ),
            "first_seen": sa.case((sa.or_(waiting, closing), letter.first_seen), else_=new.first_seen),
            "state_since": sa.case((same_state, letter.state_since), else_=new.state_since),
            "next_try_at": sa.case((put_aside, sa.null()), else_=new.next_try_at),
            # what a settled run has judged stays so where a later one stops
            "judged": sa.case(
                (sa.and_(sa.or_(waiting, put_aside), new.judged == sa.literal_column("''")), letter.judged),
                else_=new.judged,
            ),
            "closed_at": sa.case((put_aside, letter.closed_at), else_=new.closed_at),
            "closed_run": sa.case((put_aside, letter.closed_run), else_=new.closed_run),
            **{name: sa.case((put_aside, letter[name]), else_=new[name]) for name in ("author", "note")},
        },
    )


def payload_digest(dialect: str, payload: Any) -> Any:
    """What retention leaves of a discarded payload, as SQL: enough to see whether the record has changed."""
    if dialect != "postgresql":
        return sa.func.bp_digest(payload)
    digest = sa.func.sha256(sa.func.convert_to(payload, sa.text("'UTF8'")))
    return sa.func.concat(sa.text("'sha256:'"), sa.func.encode(digest, sa.text("'hex'")))
