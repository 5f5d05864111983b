"""Judges all mapped parts of a run before the first one is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.ports import Gate, Staging, Verdict
from airflow_provider_brightpearl.core.records import PartRef, Rejection
from airflow_provider_brightpearl.mapping.mapped import read_mapped
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.pipeline import rejected

_LINES = 8


def judge(
    flow: FlowSpec, mapped: Sequence[Mapping[str, Any]], gate: Gate, staging: Staging
) -> dict[str, Any]:
    """The verdict on a run, as plain values: ids that failed, and under ``closed`` why nothing may be loaded.

    ``closed`` is empty where the run may go on, else at most ten lines: the share, and the top reasons.
    """
    with ExitStack() as stack:
        local = [_local(stack, staging, part) for part in mapped]
        verdict = gate.judge(local)
        failed = list(_with_records(flow, mapped, local, verdict, staging))
    early = [each for part in mapped for each, _ in rejected.read(staging, part["rejections"])]
    records = sum(part["records"] for part in mapped)
    return {
        "closed": _closed(flow, records, verdict, early),
        "records": records,
        "evaluated": verdict.evaluated,
        "rejected": len(failed),
        "money": {"rejected": rejected.money_as_text(rejected.money_of(each for each, _ in failed))},
        "rejections": rejected.write(staging, "rejected/gate.jsonl", failed),
    }


def _with_records(
    flow: FlowSpec,
    mapped: Sequence[Mapping[str, Any]],
    local: Sequence[Mapping[str, Path]],
    verdict: Verdict,
    staging: Staging,
) -> Iterator[rejected.Rejected]:
    """The first rejection of each record with the record's amount and raw line."""
    first: dict[str, Rejection] = {}
    for each in verdict.rejections:
        first.setdefault(each.source_id, each)
    if not first:
        return
    for part, paths in zip(mapped, local, strict=True):
        rows = [row for row in read_mapped(paths[flow.root]) if row.source_id in first]
        lines = rejected.raw_lines(staging, part["raw"], (row.pos for row in rows))
        for row in rows:
            yield replace(first[row.source_id], amount=row.amount, currency=row.currency), lines[row.pos]


def _local(stack: ExitStack, staging: Staging, part: Mapping[str, Any]) -> dict[str, Path]:
    refs = {name: PartRef.from_dict(ref) for name, ref in part["objects"].items()}
    return {name: stack.enter_context(staging.local(ref)) for name, ref in refs.items()}


def _closed(flow: FlowSpec, records: int, verdict: Verdict, early: Iterable[Rejection]) -> str:
    refused = [each for each in early if not each.waits_for] + list(verdict.rejections)
    failed = len({each.source_id for each in refused})
    lines = list(verdict.batch_failures[:_LINES])
    if records >= flow.gate.min_records and failed > records * flow.gate.max_rejected:
        allowed = (
            f"{flow.gate.max_rejected:.0%}" if flow.gate.max_rejected >= 0.01 else str(flow.gate.max_rejected)
        )
        lines.insert(
            0, f"{failed} of {records} records failed, the flow allows {allowed}; nothing was loaded"
        )
        lines += [f"{count} times: {reason}" for reason, count in top_reasons(refused, _LINES)]
    elif lines:
        lines.insert(0, "the batch as a whole failed; nothing was loaded")
    return "\n".join(lines[:10])


def top_reasons(refused: Iterable[Rejection], limit: int) -> list[tuple[str, int]]:
    """The commonest reasons and how often, values left out so that the same cause counts together."""
    causes = Counter(_cause(each) for each in refused)
    return causes.most_common(limit)


def _cause(rejection: Rejection) -> str:
    reason = rejection.reason
    if rejection.waits_for:
        reason = f"waits for {rejection.waits_for[0]} {rejection.waits_for[1]}"
    elif rejection.value and f"{rejection.value!r} " not in reason:
        reason = reason.removesuffix(f", got {rejection.value}")
    return f"{rejection.object}.{rejection.field}: {reason}" if rejection.field not in reason else reason
