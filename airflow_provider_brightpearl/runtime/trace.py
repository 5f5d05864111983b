"""Gathers the way of a record through all systems from the state database; asks no system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.core.kinds import is_part, kind_of, kinds_of, kinds_of_name
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.core.trace import Step, Trace, TracedRow
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.write_back import Kind
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.trace_steps import TracedRecord, intents_of, steps_of
from airflow_provider_brightpearl.stores.trace import SqlTraces
from airflow_provider_brightpearl.systems.salesforce.ids import full_id

# an instance, and the id of a record there
_Place = tuple[str, str]


@dataclass(frozen=True)
class _Flow:
    """A flow between two instances, and its objects.

    ``root`` holds those whose row is the record itself; with ``is_part`` it is part of another record.
    """

    pair: str
    name: str
    kinds: frozenset[str]
    objects: tuple[str, ...]
    root: tuple[str, ...]
    is_part: bool = False

    @property
    def source(self) -> str:
        return self.pair.partition(">")[0]

    @property
    def target(self) -> str:
        return self.pair.partition(">")[2]


def trace(environment: Environment, said: str, record_id: str) -> Trace:
    """All that is known of a record and of what it became in the other systems.

    Args:
        environment: where the flows run.
        said: the kind of the record, such as ``order``.
        record_id: its id in any of the systems.

    Raises:
        Misconfigured: there is no such kind, or nothing is known of the record.
        Unavailable: the state database does not answer.
    """
    stores = SqlTraces(environment.state())
    flows = list(_flows(stores, load_flows(environment.mappings)[0]))
    known = sorted({kind for flow in flows for kind in flow.kinds})
    kind = kind_of(said, known)
    if not kind:
        hint = did_you_mean(said, known)
        have = f"flows have run for: {', '.join(known)}" if known else "no flow has run yet"
        raise Misconfigured(f"no flow of this kind of record has run: {said!r}{hint or f'; {have}'}")
    search = _Search(stores, [flow for flow in flows if kind in flow.kinds])
    search.look(record_id)
    if not search.records:
        names = ", ".join(sorted({flow.name for flow in search.flows}))
        raise Misconfigured(
            f"nothing is known of {kind} {record_id}: no run of {names} has read or written it, or its history is "
            "older than the state database keeps; check kind and id"
        )
    # a conflict is kept with the flow that links both sides, and a link told by the other one
    records = search.records.values()
    conflicts = {row["run"] for record in records for row in record.conflicts}
    links = {
        row["run"] for record in records for row in record.events if row["outcome"] == EventOutcome.LINKED
    }
    steps = [step for record in records for step in steps_of(stores, record, conflicts, links)]
    steps.sort(key=lambda step: (step.at, step.flow, step.source_id))
    return Trace(kind, record_id, tuple(search.rows()), tuple(dict.fromkeys(steps)))


def record_steps(environment: Environment, pair: str, flow: str, source_id: str) -> list[Step]:
    """The steps of one record of one flow alone, oldest first.

    Raises:
        Unavailable: the state database does not answer.
    """
    stores = SqlTraces(environment.state())
    specs = [spec for spec in load_flows(environment.mappings)[0] if spec.flow == flow]
    mine = [each for each in _flows(stores, specs) if (each.pair, each.name) == (pair, flow)]
    search = _Search(stores, mine)
    for each in mine:
        list(search.take(each, [source_id]))
    steps = [step for record in search.records.values() for step in steps_of(stores, record)]
    return sorted(steps, key=lambda step: step.at)


def _flows(stores: SqlTraces, specs: Iterable[FlowSpec]) -> Iterator[_Flow]:
    """Every flow that has state, also one whose file is gone."""
    known = {spec.flow: spec for spec in specs}
    for pair, name in stores.flows():
        spec = known.get(name)
        if spec:
            first = spec.target_object(spec.root)
            objects = tuple(spec.objects)
            yield _Flow(pair, name, kinds_of(spec.stream, first), objects, (spec.root,), is_part(first))
        else:
            objects = tuple(stores.objects(pair, name))
            yield _Flow(pair, name, kinds_of_name(name), objects, objects)


@dataclass
class _Search:
    """Follows a record from system to system through the crosswalk."""

    stores: SqlTraces
    flows: list[_Flow]
    records: dict[tuple[str, str, str], TracedRecord] = field(default_factory=dict)
    _seen: set[_Place] = field(default_factory=set)

    def look(self, record_id: str) -> None:
        """Finds the record, and what it became, by an id of any system."""
        given = list(dict.fromkeys((record_id, full_id(record_id) or record_id)))
        waiting = [
            found for each in given for flow in self.flows for found in self._meant(flow, each, flow.root)
        ]
        if not self.records:
            # the id of a row, such as that of an order's line, leads to its record
            rows = ((flow, each) for each in given for flow in self.flows)
            waiting = [found for flow, each in rows for found in self._meant(flow, each, flow.objects)]
        if not self.records:
            waiting = [found for each in given for flow in self.flows for found in self._in_doubt(flow, each)]
        while waiting:
            place = waiting.pop()
            if place not in self._seen:
                self._seen.add(place)
                waiting += [found for flow in self.flows for found in self._found(flow, *place)]

    def _meant(self, flow: _Flow, record_id: str, objects: Iterable[str]) -> Iterator[_Place]:
        """The ids that lead on from one that a person has given: of either side, or a key."""
        ids = [record_id]
        found = self.stores.bindings(
            flow.pair, flow.name, objects, source_ids=ids, keys=ids, target_ids=ids,
            parts_of=ids if flow.is_part else [],
        )  # fmt: skip
        mentioned = self.stores.mentioned(flow.pair, flow.name, ids)
        yield from self.take(flow, {row["source_id"] for row in found} | mentioned)

    def _in_doubt(self, flow: _Flow, record_id: str) -> Iterator[_Place]:
        """The same, where all that is known is that a write was begun."""
        if any(
            intents_of(self.stores, TracedRecord(flow.pair, flow.name, record_id, flow.root, _noted(flow)))
        ):
            yield from self.take(flow, [record_id])

    def _found(self, flow: _Flow, instance: str, record_id: str) -> Iterator[_Place]:
        """The ids that lead on from an id of an instance."""
        of_source = [record_id] if instance == flow.source else []
        of_target = [record_id] if instance == flow.target else []
        if of_source or of_target:
            found = self.stores.bindings(
                flow.pair, flow.name, flow.root, source_ids=of_source, target_ids=of_target,
                parts_of=of_target if flow.is_part else [],
            )  # fmt: skip
            mentioned = self.stores.mentioned(flow.pair, flow.name, of_source)
            yield from self.take(flow, {row["source_id"] for row in found} | mentioned)

    def take(self, flow: _Flow, source_ids: Iterable[str]) -> Iterator[_Place]:
        """Keeps records of a flow that are new, and gives their ids in both instances."""
        for source_id in sorted(source_ids):
            place = (flow.pair, flow.name, source_id)
            if place in self.records:
                continue
            rows = self.stores.bindings(flow.pair, flow.name, flow.objects, source_ids=[source_id])
            conflicts = self.stores.conflicts(flow.pair, flow.name, [row["key"] for row in rows])
            events = self.stores.events(*place)
            self.records[place] = TracedRecord(*place, flow.root, _noted(flow), rows, conflicts, events)
            yield flow.source, source_id
            for row in rows:
                if row["object"] in flow.root:
                    whole = row["target_id"].partition("|")[0] if flow.is_part else row["target_id"]
                    yield flow.target, whole

    def rows(self) -> Iterator[TracedRow]:
        """The rows that the record is in each system."""
        for record in self.records.values():
            place = (record.flow, record.source, record.source_id, record.target)
            roots = [row for row in record.rows if row["object"] in record.root]
            if not roots:
                yield TracedRow(*place)
            for row in roots:
                yield TracedRow(*place, row["object"], row["target_id"])


def _noted(flow: _Flow) -> tuple[str, ...]:
    """The names under which writes and write-backs of a flow are recorded."""
    written_back: list[Any] = [f"{name}.{kind}" for name in flow.objects for kind in Kind]
    return (*flow.objects, *written_back)
