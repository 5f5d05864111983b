"""Evaluates all mapped parts of a run before the first one is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from airflow_provider_brightpearl.core.ports.gate import Gate, GateResult
from airflow_provider_brightpearl.core.ports.stores import Staging
from airflow_provider_brightpearl.core.records import Money, PartRef, Rejection, Stage
from airflow_provider_brightpearl.core.reports import GateReport, TransformReport
from airflow_provider_brightpearl.flow.spec import FlowSpec, format_share
from airflow_provider_brightpearl.mapping.mapped import read_mapped, share_keys, shared_keys
from airflow_provider_brightpearl.pipeline.rejections import (
    Causes,
    Judged,
    Rejected,
    read_rejections,
    with_raw,
    write_rejections,
)

_LINES = 8


def evaluate_gate(
    flow: FlowSpec,
    mapped: Sequence[TransformReport],
    gate: Gate,
    staging: Staging,
    lost: int = 0,
    judged: Judged = lambda _: frozenset(),
) -> GateReport:
    """Evaluates the expectations of a flow, and decides whether anything may be loaded.

    ``lost`` records were found and could not be read. A few of them stop nothing, since later runs look for them; as
    many as the share is judged from count as failed. Records that are read for the sake of their dead letters alone
    do not count: they say nothing of new ones. Nor do those that are ``judged``: that failed as they are in a settled
    run, and are read again since windows overlap.
    ``closed`` is empty where the run may go on, else at most ten lines: the share, and the top reasons; where failed
    records alone are kept out, ``quarantine`` holds these. A failure of the batch always closes: nobody knows which
    records are at fault.
    """
    verdict = _Verdict()
    staged: dict[str, PartRef] = {}
    with ExitStack() as stack:
        local = [
            {name: stack.enter_context(staging.local(ref)) for name, ref in part.objects.items()}
            for part in mapped
        ]
        twins = _Twins.of(local)
        for part, paths, result in zip(mapped, local, gate.evaluate(local), strict=True):
            rejections = [*twins.rejections(paths), *result.rejections]
            verdict.take_in(result, rejections)
            by_line = _by_line(rejections, paths[flow.root])
            first_due = part.raw.records - part.raw.due
            verdict.failed_again += sum(line >= first_due for line in by_line)
            fresh = {line: each for line, each in by_line.items() if line < first_due}
            verdict.judged += len(judged(with_raw(staging, part.raw, fresh)))
            failed = with_raw(staging, part.raw, by_line)
            name = f"rejected/gate-{part.name}.jsonl"
            staged[part.name] = write_rejections(staging, name, verdict.counting(failed))
    tally = _Tally.of(mapped, verdict, lost if lost >= flow.gate.min_records else 0)
    above = not flow.gate.allows(tally.failed, tally.records)
    stops = bool(verdict.batch_failures) or (above and flow.gate.closed == "stop")
    lines = "\n".join(_lines(flow, mapped, verdict, tally, staging, stops=stops)) if stops or above else ""
    return GateReport(
        closed=lines if stops else "",
        records=sum(part.records - part.filtered for part in mapped),
        evaluated=verdict.evaluated,
        rejected=verdict.failed,
        rejections=staged,
        rejected_money=verdict.money,
        quarantine="" if stops else lines,
        judged=tally.records >= flow.gate.min_records,
    )


@dataclass(slots=True)
class _Verdict:
    """What was found in all parts, added up as they are evaluated.

    ``failed_again`` of the failed records were read for the sake of their dead letters alone, ``judged`` failed as they
    are in a settled run.
    """

    evaluated: int = 0
    failed: int = 0
    failed_again: int = 0
    judged: int = 0
    money: Money = field(default_factory=dict)
    batch_failures: list[str] = field(default_factory=list)
    causes: Causes = field(default_factory=Causes)

    def take_in(self, result: GateResult, rejections: Iterable[Rejection]) -> None:
        self.evaluated += result.evaluated
        self.batch_failures += result.batch_failures
        for each in rejections:
            self.causes.add(each)

    def counting(self, failed: Iterable[Rejected]) -> Iterator[Rejected]:
        """The same rejections, one a record, counted with their money."""
        for rejection, raw in failed:
            self.failed += 1
            if rejection.amount is not None:
                before = self.money.get(rejection.currency, Decimal(0))
                self.money[rejection.currency] = before + rejection.amount
            yield rejection, raw


@dataclass(frozen=True, slots=True)
class _Twins:
    """Rows whose key another part has too, by object; within a part, mapping has rejected them."""

    parts: Sequence[Mapping[str, Path]]
    objects: Sequence[str]

    @classmethod
    def of(cls, parts: Sequence[Mapping[str, Path]]) -> _Twins:
        names = parts[0] if len(parts) > 1 else ()
        return cls(parts, [name for name in names if share_keys([part[name] for part in parts])])

    def rejections(self, paths: Mapping[str, Path]) -> Iterator[Rejection]:
        """Those of one of the parts."""
        for name in self.objects:
            others = [part[name] for part in self.parts if part[name] != paths[name]]
            for source_id, key in shared_keys(paths[name], others):
                reason = "key: another row of this run has the same key"
                yield Rejection(source_id, Stage.GATE, reason, object=name, row=key, field="key", value=key)


def _by_line(rejections: Iterable[Rejection], roots: Path) -> dict[int, Rejection]:
    """The first rejection of each record with the record's amount, by its line in the raw part."""
    first: dict[str, Rejection] = {}
    for each in rejections:
        first.setdefault(each.source_id, each)
    if not first:
        return {}
    rows = (row for row in read_mapped(roots) if row.source_id in first)
    return {row.pos: replace(first[row.source_id], amount=row.amount, currency=row.currency) for row in rows}


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the share is taken of: wanted records, and the failed ones among them; ``again`` failed before, too.

    ``lost`` of them could not be read. Those that failed before do not count among the others.
    """

    records: int
    failed: int
    again: int
    lost: int

    @classmethod
    def of(cls, mapped: Sequence[TransformReport], verdict: _Verdict, lost: int) -> _Tally:
        again = sum(part.due_rejected for part in mapped) + verdict.failed_again + verdict.judged
        failed = sum(part.rejected for part in mapped) + verdict.failed
        wanted = sum(part.records - part.filtered - part.due for part in mapped) - verdict.judged
        return cls(wanted + lost, failed - again + lost, again, lost)


def _lines(
    flow: FlowSpec,
    mapped: Sequence[TransformReport],
    verdict: _Verdict,
    tally: _Tally,
    staging: Staging,
    *,
    stops: bool,
) -> list[str]:
    """Why the gate is closed, in at most ten lines."""
    outcome = "nothing was loaded" if stops else "these are kept out, the others are loaded"
    lines = verdict.batch_failures[:_LINES]
    if flow.gate.allows(tally.failed, tally.records):
        alone = ", and no record can be kept out for it" if flow.gate.closed == "quarantine" else ""
        return [f"the batch as a whole failed{alone}; {outcome}", *lines]
    allowed = format_share(flow.gate.max_rejected)
    lines.insert(0, f"{tally.failed} of {tally.records} records failed, the flow allows {allowed}; {outcome}")
    lines += [f"{tally.lost} were found and could not be read"] if tally.lost else []
    lines += [f"{tally.again} others failed before and do not count"] if tally.again else []
    for each, _ in (early for part in mapped for early in read_rejections(staging, part.rejections)):
        if not each.waits_for:
            verdict.causes.add(each)
    lines += [f"{each.count} times: {each.reason}" for each in verdict.causes.top(_LINES)]
    return lines[:10]
