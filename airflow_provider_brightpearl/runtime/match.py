"""The dry run of the first sync of two systems that both hold data: what would be linked, created or asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory

from airflow_provider_brightpearl.core.matched import Found, MatchReport, MatchRow
from airflow_provider_brightpearl.core.ports.matching import MatchesRows
from airflow_provider_brightpearl.core.ports.target import FindsRows
from airflow_provider_brightpearl.core.window import Request, Selection, plan
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.pipeline.extract import extract_parts
from airflow_provider_brightpearl.pipeline.match_part import MatchPorts, look_of, match_part
from airflow_provider_brightpearl.pipeline.rejections import read_rejections
from airflow_provider_brightpearl.pipeline.transform import map_part
from airflow_provider_brightpearl.runtime.progress import logged_progress
from airflow_provider_brightpearl.runtime.two_way import open_two_way
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.claims import FileClaims
from airflow_provider_brightpearl.stores.staging import FileStaging
from airflow_provider_brightpearl.systems import registry

_RUN = "match"


def match_records(wiring: Wiring, request: Request, report: MatchReport) -> Iterator[MatchRow]:
    """Reads the source, maps it, and says of each record what the next run would make of it.

    Writes to no system and no state; files of the work are in a temporary folder, and memory does not grow with the
    records.

    Args:
        wiring: the flow; ``read_only``.
        request: what is read; everything where it names nothing.
        report: counts the rows.

    Raises:
        Misconfigured: the target cannot be searched for the rows of this flow.
        SyncError: a system does not answer as it should.
    """
    flow = wiring.flow
    sink = _sink(wiring)
    with TemporaryDirectory(prefix="match-") as folder, FileClaims() as claims:
        linked = wiring.linked_rows(claims)
        if isinstance(sink, MatchesRows):
            sink.linked = linked
        staging = FileStaging(folder, flow.flow, _RUN)
        look = look_of(flow, sink, linked)
        with logged_progress(f"{flow.flow} match") as progress:
            source = wiring.source()
            before = source.calls
            staged = extract_parts(flow, _selection(wiring, request), source, staging, wiring.environment.now)
            lookups = wiring.lookups() if staged.parts else {}
            if staged.unread:
                report.records += staged.unread.records
                yield from report.counting(
                    MatchRow(Found.REJECTED, each.source_id, reason=each.reason)
                    for each, _ in read_rejections(staging, staged.unread)
                )
            for part in staged.parts:
                mapped = map_part(
                    part, partial(wiring.open_mapper, lookups), staging, patches=wiring.patches()
                )
                report.records += mapped.records
                report.left_out += mapped.filtered
                progress.begin(f"matching {mapped.records:,} records", calls=lambda: sink.calls)
                merge = open_two_way(wiring, mapped, staging)
                ports = MatchPorts(look, wiring.crosswalk, staging, merge if merge and merge.pairs else None)
                yield from report.counting(match_part(flow, mapped, ports))
                linked.unfound.clear()
            report.calls = {flow.source_system: source.calls - before, flow.target: sink.calls}
            progress.result = (
                f"{report.counts[Found.LINK]:,} found, {report.counts[Found.REVIEW]:,} to review"
            )


def _sink(wiring: Wiring) -> MatchesRows | FindsRows:
    """The sink of a flow whose rows can be looked for."""
    flow, sink = wiring.flow, wiring.sink(_RUN)
    if isinstance(sink, MatchesRows) and not sink.looks_for_rows:
        able = registry.find_system(flow.target).match_objects
        raise Misconfigured(
            f"{flow.flow}: {flow.target} is not searched for each {flow.target_object(flow.root)}, only for "
            f"{' and '.join(able)}; a run finds it by its key"
        )
    if not isinstance(sink, (MatchesRows, FindsRows)):
        raise Misconfigured(f"{flow.flow}: {flow.target} cannot be searched for rows by their keys")
    return sink


def _selection(wiring: Wiring, request: Request) -> Selection:
    if request.start is None and request.end is None:
        return Selection(None, full_resync=True)
    selected = plan(request, wiring.flow.window.policy, None, wiring.environment.now())
    return replace(selected, moves_watermark=False)
