"""Estimates what a run costs before it starts: records, rows and calls per system, from counts and past runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from airflow_provider_brightpearl.core.estimate import ReadEstimate, SearchCounts, WriteVolume, parts
from airflow_provider_brightpearl.core.ports.estimate import EstimatesReads, EstimatesWrites
from airflow_provider_brightpearl.core.ports.source import Source
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, Selection, plan
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.extract import constants, with_due
from airflow_provider_brightpearl.runtime.target_schema import planned_schema_calls
from airflow_provider_brightpearl.runtime.wiring import Wiring

# rows of an object that has several per record, until a run has shown how many they are
ROWS = 3.0
# accounting dates of journals, where a selection has no beginning
_DAYS = 365


@dataclass(frozen=True, slots=True)
class Costs:
    """Calls to one system: that read its records, that write them, and that were made for this plan."""

    reading: int = 0
    writing: int = 0
    asked: int = 0

    @property
    def calls(self) -> int:
        return self.reading + self.writing


@dataclass(frozen=True, slots=True)
class Plan:
    """What so many runs of a flow over a selection take, if every record that is found has changed."""

    flow: str
    selection: Selection
    runs: int
    records: int
    rows: Mapping[str, int]
    measured: bool
    costs: Mapping[str, Costs]


def plan_run(wiring: Wiring, request: Request, now: datetime, runs: int = 1) -> Plan:
    """Plans a run, or a backfill of so many runs that share the records evenly.

    Asks the source how many rows each search has, in one small call each, and writes nothing.

    Raises:
        Misconfigured: a system of the flow makes no estimates.
    """
    flow = wiring.flow
    pair = wiring.planned_pair
    watermark, swept_to = wiring.ledger.watermark(flow.flow, pair), wiring.ledger.swept_to(flow.flow, pair)
    planned = plan(request, flow.window.policy, watermark, now, swept_to)
    selection = with_due(flow, planned, wiring.letters_of(pair), wiring.version)
    source, sink = wiring.source(), wiring.sink("plan")
    if not (isinstance(source, EstimatesReads) and isinstance(sink, EstimatesWrites)):
        raise Misconfigured(f"{flow.flow}: {flow.source_system} or {flow.target} makes no estimates")
    before = source.calls
    found = source.count(selection)
    asked = source.calls - before
    past = wiring.ledger.runs(flow.flow)
    rates = rows_per_record(flow, past)
    own = len(list(constants(flow, selection)))
    reads = writes = write_backs = 0
    for share, count in _shares(found, runs):
        estimate = _with(source.estimate_read(share), own)
        reads += estimate.calls * count
        writes += count * (
            _write_calls(sink, flow, estimate.records, rates, selection) + _queries(flow, estimate)
        )
        write_backs += count * _write_back_calls(wiring, estimate.records)
    records = _with(source.estimate_read(found), own).records
    rows = WriteVolume.expected(records, rates).rows
    writes += planned_schema_calls(wiring)
    costs = {flow.source_system: Costs(reads, write_backs, asked), flow.target: Costs(0, writes)}
    return Plan(flow.flow, selection, runs, records, rows, any(_moved(each) for each in past), costs)


def planned_reads(wiring: Wiring, source: Source, selection: Selection) -> int:
    """Calls to the source as planned, now that it is known how much there is; for the ledger, beside those made."""
    if not isinstance(source, EstimatesReads):
        return 0
    estimate = source.estimate_read(source.counted(selection))
    return estimate.calls + _write_back_calls(wiring, estimate.records)


def planned_writes(wiring: Wiring, sink: Sink, records: int, selection: Selection) -> int:
    """Calls that write a part of so many records, as planned; for the ledger, beside those made."""
    if not isinstance(sink, EstimatesWrites):
        return 0
    rates = rows_per_record(wiring.flow, wiring.ledger.runs(wiring.flow.flow))
    return _write_calls(sink, wiring.flow, records, rates, selection)


def rows_per_record(flow: FlowSpec, past: Sequence[RunSummary]) -> dict[str, float]:
    """Rows of each object for one written record: as in past runs, or else one, or ``ROWS`` where it has several."""
    used = [each for each in past if _moved(each)]
    records = sum(map(_moved, used))
    if records:
        return {name: sum(each.calls.rows.get(name, 0) for each in used) / records for name in flow.objects}
    return {name: ROWS if spec.rows else 1.0 for name, spec in flow.objects.items()}


def _moved(run: RunSummary) -> int:
    return run.counts.created + run.counts.updated if run.calls.rows else 0


def _with(estimate: ReadEstimate, constants: int) -> ReadEstimate:
    """The estimate with the records that the flow file holds itself."""
    return replace(estimate, records=estimate.records + constants)


def _shares(found: SearchCounts, runs: int) -> list[tuple[SearchCounts, int]]:
    """What each run finds, with how many runs there are of that kind."""
    rows = max(found.searched, default=0)
    fuller = runs if rows >= runs else rows
    return [(found.share(1, max(fuller, 1)), fuller), (found.share(0, 1), runs - fuller)]


def _write_calls(
    sink: EstimatesWrites, flow: FlowSpec, records: int, rates: Mapping[str, float], selection: Selection
) -> int:
    """Calls that write so many records, part by part."""
    days = _days(selection, records)
    volumes = (WriteVolume.expected(size, rates, days) for size in parts(records, flow.part_size))
    return sum(sink.estimate_write(volume) for volume in volumes)


def _write_back_calls(wiring: Wiring, records: int) -> int:
    """Calls that write back to the source for so many written records, where the flow does, as far as a run goes."""
    each = sum(bool(spec.fields) + bool(spec.note) for spec in wiring.flow.write_back.values())
    messages = min(each * records, wiring.environment.write_back_limit)
    return wiring.write_back().min_calls(messages) if messages else 0


def _queries(flow: FlowSpec, estimate: ReadEstimate) -> int:
    """Calls that look up translation tables in the target."""
    return sum(bool(each.query) for each in flow.lookups.values()) if estimate.records else 0


def _days(selection: Selection, records: int) -> int:
    window = selection.window
    if window is None or window.start is None or selection.full_resync:
        return min(records, _DAYS)
    return min(records, ceil((window.end - window.start).total_seconds() / 86_400) + 1)
