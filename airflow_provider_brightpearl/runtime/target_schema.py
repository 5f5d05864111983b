"""Compares what a flow writes with what its target has, before a run: what is missing, and what has changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_brightpearl.core.drift import Drift, ObjectSchema, compare_fields
from airflow_provider_brightpearl.core.ports.seen_fields import SeenObject
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.flow.lookups import load_lookups
from airflow_provider_brightpearl.flow.places import place_of
from airflow_provider_brightpearl.flow.written import written_values
from airflow_provider_brightpearl.pipeline.settle import ENDED_WELL
from airflow_provider_brightpearl.runtime.wiring import Wiring

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """What a target lacks of what a flow writes, and how it differs from what the flow last met.

    ``drifts`` are by object of the flow file, or by object and call; ``objects`` the fields as they are now. Both are
    empty where nothing was asked or has changed. ``unread`` says what could not be compared.
    """

    problems: Sequence[str] = ()
    drifts: Mapping[str, Sequence[Drift]] = field(default_factory=dict)
    objects: Mapping[str, ObjectSchema] = field(default_factory=dict)
    unread: Sequence[str] = ()

    def breaking(self, wiring: Wiring) -> list[str]:
        """The changes with which the flow cannot go on, each with file, line, object and field."""
        return [line for line, breaking in _lines(wiring, self.drifts) if breaking]

    def notes(self, wiring: Wiring) -> list[str]:
        """The other changes, likewise, and what could not be compared."""
        changes = [line for line, breaking in _lines(wiring, self.drifts) if not breaking]
        return [*changes, *self.unread]


def _lines(wiring: Wiring, drifts: Mapping[str, Sequence[Drift]]) -> Iterator[tuple[str, bool]]:
    """Each change with file, line, object or call, and field; and whether it is breaking."""
    file = wiring.environment.mappings / f"{wiring.flow.flow}.yaml"
    for place, found in drifts.items():
        name, _, call = place.partition(" ")
        where = call or wiring.flow.target_object(name)
        for each in found:
            whole = f"{where}.{each.field}" if each.field else where
            yield f"{place_of(file, name, each.field)}: {whole}: {each.text}", each.breaking


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check before a run took and found that stops nothing."""

    calls: Calls = field(default_factory=Calls)
    notes: tuple[str, ...] = ()


def check_schema(wiring: Wiring) -> Checked:
    """Compares what a flow writes with what its target has, and keeps what it has now.

    Asks only where the flow is new or changed, did not end well last time, or has not asked for long.

    Raises:
        SchemaMismatch: names file, line, object and field, for each that the target lacks, or that has changed so
            that the flow can no longer write it.
    """
    flow = wiring.flow
    if not _is_due(wiring, wiring.pair):
        return Checked()
    seen = wiring.seen_fields_of(wiring.pair).of(flow.flow)
    before = wiring.target_client.calls
    if _ended_well(wiring, wiring.pair) and _is_unchanged(wiring, seen):
        wiring.seen_fields_of(wiring.pair).confirm(flow.flow)
        return Checked(_calls(wiring, before))
    report = read_schema(wiring)
    if problems := [*report.problems, *report.breaking(wiring)]:
        if not report.problems:
            problems.append(
                "correct the target or the flow file; where it may stay so: "
                f"brightpearl schema {flow.flow} --accept"
            )
        raise SchemaMismatch("\n".join(problems), system=flow.target)
    accept(wiring, report)
    notes = report.notes(wiring)
    for note in notes:
        log.info("%s", note)
    return Checked(_calls(wiring, before), tuple(notes))


def read_schema(wiring: Wiring) -> SchemaReport:
    """Asks the target for its fields, and compares them with those that the flow last met."""
    flow, system = wiring.flow, wiring.target_system
    problems = system.schema_problems(wiring.target_client, flow) if system.schema_problems else ()
    if problems or system.read_fields is None:
        return SchemaReport(problems)
    found = system.read_fields(wiring.target_client, flow)
    written = written_values(flow, load_lookups(flow, wiring.environment.mappings))
    seen = {name: each.fields for name, each in wiring.seen_fields_of(wiring.pair).of(flow.flow).items()}
    objects = {name: now or seen.get(name, now) for name, now in found.objects.items()}
    drifts = {
        name: compare_fields(seen[name], now, written[name.partition(" ")[0]])
        for name, now in objects.items()
        if seen.get(name)
    }
    problems = [line for line, _ in _lines(wiring, found.missing)]
    return SchemaReport(problems, drifts, objects, found.notes)


def accept(wiring: Wiring, report: SchemaReport) -> None:
    """Keeps the fields as they are now: the next run finds nothing changed."""
    wiring.seen_fields_of(wiring.pair).keep(wiring.flow.flow, report.objects)


def planned_schema_calls(wiring: Wiring) -> int:
    """Calls that ``check_schema`` will take in the next run."""
    if not _is_due(wiring, wiring.planned_pair):
        return 0
    return wiring.target_system.schema_calls(wiring.target_client, wiring.flow)


def _is_due(wiring: Wiring, pair: str) -> bool:
    system = wiring.target_system
    if system.schema_problems is None and system.read_fields is None:
        return False
    if not _ended_well(wiring, pair):
        return True
    if system.read_fields is None:
        return False
    seen = wiring.seen_fields_of(pair).of(wiring.flow.flow).values()
    oldest = min((each.at for each in seen), default=None)
    return oldest is None or wiring.environment.now() - oldest >= system.schema_every


def _is_unchanged(wiring: Wiring, seen: Mapping[str, SeenObject]) -> bool:
    asks = wiring.target_system.is_unchanged
    if asks is None or not seen:
        return False
    return asks(wiring.target_client, wiring.flow, min(each.at for each in seen.values()))


def _ended_well(wiring: Wiring, pair: str) -> bool:
    """Whether the last run between this very pair of instances was one of this very mapping, and went through."""
    last = next(iter(wiring.ledger.runs(wiring.flow.flow, 1, pair)), None)
    ended = last and (last.state in ENDED_WELL, last.mapping_version)
    return ended == (True, wiring.version)


def _calls(wiring: Wiring, before: int) -> Calls:
    made = wiring.target_client.calls - before
    return Calls.of(wiring.flow.target, made, made, made) if made else Calls()
