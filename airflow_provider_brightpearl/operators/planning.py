"""What a run will cost before it is started: records, rows and calls per system, from counts and past runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from airflow_provider_brightpearl.core.ports import RunEntry, Sink, Source
from airflow_provider_brightpearl.core.window import Request, Selection, plan
from airflow_provider_brightpearl.core.work import Found, Outlook, Work, parts
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.operators.wiring import Wiring
from airflow_provider_brightpearl.pipeline.extract import DUE_LIMIT, constants

# rows of an object that has several a record, until a run has shown how many they are
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
    """What so many runs of a flow over a selection will do at most: if every record that is found has changed."""

    flow: str
    selection: Selection
    runs: int
    records: int
    rows: Mapping[str, int]
    measured: bool
    costs: Mapping[str, Costs]


def plan_run(wiring: Wiring, request: Request, now: datetime, runs: int = 1) -> Plan:
    """The plan of a run, or of a back-fill of so many runs that share the records evenly.

    Asks the source how many rows each search has, in one small call each, and writes nothing.
    """
    flow = wiring.flow
    selection = plan(request, flow.window.policy, wiring.ledger.watermark(flow.flow), now)
    if selection.moves_watermark:
        selection = replace(selection, ids=_due(wiring))
    source, sink = wiring.source(), wiring.sink("plan")
    before = source.calls
    found = source.find(selection)
    asked = source.calls - before
    past = wiring.ledger.runs(flow.flow)
    rates = rows_per_record(flow, past)
    own = len(list(constants(flow, selection)))
    read = written = told = 0
    for share, count in _shares(found, runs):
        outlook = _with(source.foresee(share), own)
        read += outlook.calls * count
        written += count * (write_calls(sink, flow, outlook, rates, selection) + _queries(flow, outlook))
        told += count * tell_calls(wiring, outlook.records)
    records = _with(source.foresee(found), own).records
    rows = Work.expected(records, rates).rows
    costs = {flow.source_system: Costs(read, told, asked), flow.target: Costs(0, written)}
    return Plan(flow.flow, selection, runs, records, rows, any(_moved(each) for each in past), costs)


def _with(outlook: Outlook, constants: int) -> Outlook:
    """The outlook with the records that the flow file holds itself."""
    return replace(outlook, records=outlook.records + constants)


def read_calls(wiring: Wiring, source: Source, selection: Selection) -> int:
    """Calls to the source as planned, once it has told how much there is; for the ledger, beside those made."""
    if selection.moves_watermark:
        selection = replace(selection, ids=_due(wiring))
    outlook = source.foresee(source.found(selection))
    return outlook.calls + tell_calls(wiring, outlook.records)


def part_calls(wiring: Wiring, sink: Sink, records: int, selection: Selection) -> int:
    """Calls that write a part of so many records, as planned; for the ledger, beside those made."""
    rates = rows_per_record(wiring.flow, wiring.ledger.runs(wiring.flow.flow))
    return write_calls(sink, wiring.flow, Outlook(records, 0), rates, selection)


def _due(wiring: Wiring) -> tuple[str, ...]:
    return tuple(wiring.letters.due(wiring.flow.flow, wiring.version, DUE_LIMIT))


def _shares(found: Found, runs: int) -> list[tuple[Found, int]]:
    """What each run finds, with how many runs there are of that kind."""
    rows = max(found.searched, default=0)
    fuller = runs if rows >= runs else rows
    return [(found.share(1, max(fuller, 1)), fuller), (found.share(0, 1), runs - fuller)]


def rows_per_record(flow: FlowSpec, past: Sequence[RunEntry]) -> dict[str, float]:
    """Rows of each object for one written record: as in past runs, or else one, or ``ROWS`` where it has several."""
    used = [each for each in past if _moved(each)]
    records = sum(map(_moved, used))
    if records:
        return {name: sum(each.calls.rows.get(name, 0) for each in used) / records for name in flow.objects}
    return {name: ROWS if spec.rows else 1.0 for name, spec in flow.objects.items()}


def _moved(entry: RunEntry) -> int:
    return entry.counts.created + entry.counts.updated if entry.calls.rows else 0


def write_calls(
    sink: Sink, flow: FlowSpec, outlook: Outlook, rates: Mapping[str, float], selection: Selection
) -> int:
    """Calls that write so many records, part by part."""
    days = _days(selection, outlook.records)
    return sum(
        sink.calls_for(Work.expected(size, rates, days)) for size in parts(outlook.records, flow.part_size)
    )


def tell_calls(wiring: Wiring, records: int) -> int:
    """Calls that tell the source of so many written records, where the flow does."""
    messages = sum(bool(spec.fields) + bool(spec.note) for spec in wiring.flow.write_back.values())
    return wiring.write_back().fewest_calls(messages * records) if messages and records else 0


def _queries(flow: FlowSpec, outlook: Outlook) -> int:
    """Calls that look up translation tables in the target."""
    return sum(bool(each.query) for each in flow.lookups.values()) if outlook.records else 0


def _days(selection: Selection, records: int) -> int:
    window = selection.window
    if window is None or window.start is None or selection.everything:
        return min(records, _DAYS)
    return min(records, ceil((window.end - window.start).total_seconds() / 86_400) + 1)
