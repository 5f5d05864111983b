"""The steps of one record of one flow, from everything that the state database keeps of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_brightpearl.core.conflicts import MANUAL
from airflow_provider_brightpearl.core.events import REPAIR, EventOutcome
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.core.records import Stage
from airflow_provider_brightpearl.core.reports import begun_at, run_of
from airflow_provider_brightpearl.core.trace import Step
from airflow_provider_brightpearl.stores.trace import Row, SqlTraces

_OF_READINGS = (Stage.EXTRACT.value, Stage.TRANSFORM.value, Stage.GATE.value, Stage.LOAD.value)
_IN_TARGET = (Stage.LOAD.value, REPAIR)
_BOUND = (EventOutcome.CREATED.value, EventOutcome.UPDATED.value, EventOutcome.LINKED.value)
_INTENTS = {
    IntentState.DONE.value: "confirmed",
    IntentState.IN_DOUBT.value: "in doubt",
    IntentState.DUE.value: "due",
    IntentState.REFUSED.value: "refused",
}
_DONE = "done"


@dataclass(frozen=True)
class TracedRecord:
    """A record of a flow between two instances, its rows in the crosswalk, the conflicts over them, and its events.

    ``root`` are the objects whose row is the record itself, ``noted`` the names under which writes are recorded.
    """

    pair: str
    flow: str
    source_id: str
    root: Sequence[str]
    noted: Sequence[str]
    rows: Sequence[Row] = ()
    conflicts: Sequence[Row] = ()
    events: Sequence[Row] = ()

    @property
    def source(self) -> str:
        return self.pair.partition(">")[0]

    @property
    def target(self) -> str:
        return self.pair.partition(">")[2]

    def step(self, at: datetime, system: str, run: str, what: str, *details: str) -> Step:
        """A step; ``details``: object, id in the target, text."""
        return Step(at, system, self.flow, run_of(run), what, self.source_id, *details)


def steps_of(
    stores: SqlTraces, record: TracedRecord, conflicts: Collection[str] = (), links: Collection[str] = ()
) -> Iterator[Step]:
    """The steps of a record, in no order.

    Args:
        stores: the state database.
        record: the record.
        conflicts: attempts of runs whose conflicts are kept, with this record's flow or the one that links it.
        links: attempts of runs in which an event says that rows were linked.
    """
    events, letters = record.events, stores.letters(record.pair, record.flow, record.source_id)
    intents = list(intents_of(stores, record))
    # a write in doubt has no event yet
    attempts = {row["run"] for row in (*events, *intents)}
    runs = {row["run"]: row for row in stores.runs(record.flow, {run_of(each) for each in attempts})}
    yield from _readings(record, events, runs)
    yield from _events(record, events, conflicts)
    yield from _failed_runs(record, attempts, runs)
    yield from _bindings(record, {row["run"] for row in events if row["outcome"] in _BOUND} | set(links))
    for row in letters:
        yield from _letter(
            record, row, {row["run"] for row in events if row["outcome"] == EventOutcome.DISCARDED}
        )
    for row in record.conflicts:
        yield from _conflict(record, row)
    for row in intents:
        yield from _intent(record, row, events)


def _readings(record: TracedRecord, events: Sequence[Row], runs: Mapping[str, Row]) -> Iterator[Step]:
    """When the record was read: once for each run that did something with it, and the last time."""
    read: dict[str, tuple[datetime, str]] = {}
    # an answer of a person follows from no reading, a write-back from one that may be that of an earlier run
    for row in (each for each in events if each["stage"] in _OF_READINGS):
        run = runs.get(run_of(row["run"]))
        at = row["read_at"] or begun_at(row["run"]) or (run["started_at"] if run else row["at"])
        if row["run"] not in read or row["read_at"]:
            read[row["run"]] = (at, row["source_version"])
    for attempt, (at, version) in read.items():
        run = runs.get(run_of(attempt))
        said = [f"version {version}"] if version else []
        yield record.step(at, record.source, attempt, "read", "", "", ", ".join(said + _asked(run)))
    last = max((row["read_at"] for row in record.rows if row["read_at"]), default=None)
    if last and last > max((at for at, _ in read.values()), default=datetime.min.replace(tzinfo=last.tzinfo)):
        version = max(row["source_version"] for row in record.rows)
        text = f"version {version}, unchanged" if version else "unchanged"
        yield record.step(last, record.source, "", "read", "", "", text)


def _asked(run: Row | None) -> list[str]:
    """What the run was, and what it read."""
    if run is None:
        return []
    start, end = run["window_start"], run["window_end"]
    return [f"{run['kind']} run", *([f"{_text(start) or 'the beginning'} to {_text(end)}"] if end else [])]


def _events(record: TracedRecord, events: Sequence[Row], told: Collection[str]) -> Iterator[Step]:
    for row in events:
        # the conflict itself says more
        if row["outcome"] == EventOutcome.CONFLICT and row["run"] in told:
            continue
        system = record.target if row["stage"] in _IN_TARGET else record.source
        where = f"{row['stage']}: " if row["outcome"] in (EventOutcome.REJECTED, EventOutcome.PARKED) else ""
        text = f"{where}{row['note']}"
        yield record.step(
            row["at"], system, row["run"], row["outcome"], row["object"], row["target_id"], text
        )


def _failed_runs(record: TracedRecord, attempts: Iterable[str], runs: Mapping[str, Row]) -> Iterator[Step]:
    """Runs of the record that did not end as they should, as what they read is read again."""
    for attempt in attempts:
        run = runs.get(run_of(attempt))
        if run and run["state"] != _DONE and run["started_at"] == (begun_at(attempt) or run["started_at"]):
            at = run["ended_at"] or run["started_at"]
            yield record.step(at, record.source, attempt, f"run: {run['state']}", "", "", run["note"])


def _bindings(record: TracedRecord, known: Collection[str]) -> Iterator[Step]:
    """When the record was bound, where no event says so, as it is too old; ``known`` are the attempts that do."""
    for row in record.rows:
        at = begun_at(row["created_run"])
        if row["object"] in record.root and at and row["created_run"] not in known:
            text = "bound in a run that began then"
            yield record.step(
                at, record.target, row["created_run"], "linked", row["object"], row["target_id"], text
            )


def _letter(record: TracedRecord, row: Row, told: Collection[str]) -> Iterator[Step]:
    waits = ""
    if row["waits_flow"]:
        waits = f"waits for {row['waits_object']} {row['waits_key']} of {row['waits_flow']}: "
    tried = f"{row['attempts']} attempts since {_text(row['first_seen'])}"
    next_try = f", next try after {_text(row['next_try_at'])}" if row["next_try_at"] else ""
    text = f"{row['state']}, {row['stage']}: {waits}{row['reason']}; {tried}{next_try}"
    yield record.step(row["last_seen"], record.source, row["run"], "dead letter", row["object"], "", text)
    if row["closed_at"] and row["closed_run"] not in told:
        closed, said = (
            f"dead letter {row['state']}",
            f"{row['note']}, says {row['author']}" if row["author"] else "",
        )
        yield record.step(
            row["closed_at"], record.source, row["closed_run"] or "", closed, row["object"], "", said
        )


def _conflict(record: TracedRecord, row: Row) -> Iterator[Step]:
    sides = (("source", record.source), ("target", record.target))
    held = "; ".join(_side(system, row, side) for side, system in sides)
    decided = "a person decides" if row["winner"] == MANUAL else f"{row['winner']} counts"
    text = f"{row['field']}: {held}; {decided} (found by {row['found_by']})"
    place = (row["object"], row["target_id"])
    yield record.step(row["at"], record.source, row["run"], "conflict", *place, text)
    if row["winner"] == MANUAL and row["closed_at"]:
        text = f"{row['field']}: both sides agree"
        yield record.step(row["closed_at"], record.source, "", "conflict closed", *place, text)


def _side(instance: str, row: Row, side: str) -> str:
    value, at, by = (row[f"{side}_{what}"] for what in ("value", "at", "by"))
    changed = " ".join(filter(None, (_text(at), f"by {by}" if by else "")))
    held = "empty" if value is None else repr(value)
    return f"{instance.partition(':')[0]} {held}{f' ({changed})' if changed else ''}"


def intents_of(stores: SqlTraces, record: TracedRecord) -> Iterator[Row]:
    """The recorded writes of the record: under its keys, or its id within a key of which nothing is bound."""
    suffix = "" if record.rows else record.source_id
    known = {*(row["key"] for row in record.rows), record.source_id}
    for row in stores.intents(record.pair, record.flow, record.noted, known, suffix):
        before = row["key"].removesuffix(record.source_id)
        if row["key"] in known or not before[-1:].isdigit():
            yield row


def _intent(record: TracedRecord, row: Row, events: Sequence[Row]) -> Iterator[Step]:
    back = "." in row["object"]
    told = any(
        each["object"] == row["object"]
        and each["outcome"] in (EventOutcome.WRITTEN_BACK, EventOutcome.REFUSED)
        for each in events
    )
    state = _INTENTS[row["state"]]
    if back and told and state in ("confirmed", "refused"):
        return
    what = f"write {state}" if not back else "written back" if state == "confirmed" else f"write-back {state}"
    step = f"step {row['step']}" if row["step"] else ""
    text = ", ".join(
        filter(None, (step, row["reason"], "" if row["key"] == record.source_id else f"key {row['key']}"))
    )
    system = record.source if back else record.target
    yield record.step(row["changed_at"], system, row["run"], what, row["object"], row["target_id"], text)


def _text(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant else ""
