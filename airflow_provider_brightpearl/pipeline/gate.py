"""Evaluates all mapped parts of a run before the first one is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from airflow_provider_brightpearl.core.ports.gate import Gate, GateResult
from airflow_provider_brightpearl.core.ports.stores import Staging
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.core.reports import GateReport, TransformReport
from airflow_provider_brightpearl.flow.spec import FlowSpec, format_share
from airflow_provider_brightpearl.mapping.mapped import read_mapped, repeated_keys
from airflow_provider_brightpearl.pipeline.rejections import (
    Rejected,
    money_of,
    raw_lines,
    read_rejections,
    top_reasons,
    write_rejections,
)

_LINES = 8


def evaluate_gate(
    flow: FlowSpec, mapped: Sequence[TransformReport], gate: Gate, staging: Staging, lost: int = 0
) -> GateReport:
    """Evaluates the expectations of a flow, and decides whether anything may be loaded.

    ``lost`` records were found and could not be read. A few of them stop nothing, since later runs look for them; as
    many as the share is judged from count as failed.
    ``closed`` is empty where the run may go on, else at most ten lines: the share, and the top reasons.
    """
    with ExitStack() as stack:
        local = [
            {name: stack.enter_context(staging.local(ref)) for name, ref in part.objects.items()}
            for part in mapped
        ]
        result = gate.evaluate(local)
        result = replace(result, rejections=(*_repeated(local), *result.rejections))
        failed = list(_with_records(flow, mapped, local, result, staging))
    early = [each for part in mapped for each, _ in read_rejections(staging, part.rejections)]
    records = sum(part.records - part.filtered for part in mapped)
    return GateReport(
        closed=_closed(flow, records, result, early, lost),
        records=records,
        evaluated=result.evaluated,
        rejected=len(failed),
        rejections=write_rejections(staging, "rejected/gate.jsonl", failed),
        rejected_money=money_of(each for each, _ in failed),
    )


def _repeated(local: Sequence[Mapping[str, Path]]) -> Iterator[Rejection]:
    """Records with a key that a record of another part has too; within a part, mapping has rejected them."""
    for name in local[0] if len(local) > 1 else ():
        for source_id, key in repeated_keys([part[name] for part in local]):
            reason = "key: another row of this run has the same key"
            yield Rejection(source_id, Stage.GATE, reason, object=name, row=key, field="key", value=key)


def _with_records(
    flow: FlowSpec,
    mapped: Sequence[TransformReport],
    local: Sequence[Mapping[str, Path]],
    result: GateResult,
    staging: Staging,
) -> Iterator[Rejected]:
    """The first rejection of each record with the record's amount and raw line."""
    first: dict[str, Rejection] = {}
    for each in result.rejections:
        first.setdefault(each.source_id, each)
    if not first:
        return
    for part, paths in zip(mapped, local, strict=True):
        rows = [row for row in read_mapped(paths[flow.root]) if row.source_id in first]
        lines = raw_lines(staging, part.raw, (row.pos for row in rows))
        for row in rows:
            yield replace(first[row.source_id], amount=row.amount, currency=row.currency), lines[row.pos]


def _closed(flow: FlowSpec, records: int, result: GateResult, early: Iterable[Rejection], lost: int) -> str:
    refused = [each for each in early if not each.waits_for] + list(result.rejections)
    lost = lost if lost >= flow.gate.min_records else 0
    failed, records = len({each.source_id for each in refused}) + lost, records + lost
    lines = list(result.batch_failures[:_LINES])
    if records >= flow.gate.min_records and failed > records * flow.gate.max_rejected:
        allowed = format_share(flow.gate.max_rejected)
        lines.insert(
            0, f"{failed} of {records} records failed, the flow allows {allowed}; nothing was loaded"
        )
        lines += [f"{lost} were found and could not be read"] if lost else []
        lines += [f"{count} times: {reason}" for reason, count in top_reasons(refused, _LINES)]
    elif lines:
        lines.insert(0, "the batch as a whole failed; nothing was loaded")
    return "\n".join(lines[:10])
