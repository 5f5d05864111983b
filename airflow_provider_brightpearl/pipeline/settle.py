"""Ends a run: proves that counts and money add up, then writes dead letters, ledger row and watermark together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_brightpearl.core.ports.notices import Notices
from airflow_provider_brightpearl.core.ports.stores import DeadLetters, Ledger, RecordEvents, Staging
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.records import Cause, Counts, Money, PartRef, add_money
from airflow_provider_brightpearl.core.reports import (
    GateReport,
    LoadReport,
    RunInfo,
    RunSummary,
    TransformReport,
)
from airflow_provider_brightpearl.errors import GateClosed, OutOfBalance, TooManyRefused
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.history import rejection_events
from airflow_provider_brightpearl.pipeline.rejections import Causes, LocalRejections, open_rejections

_WARNINGS = 10
_REASONS = 10
# the topic of a gate that is closed while good records go through
QUARANTINE = "quarantine"
# states of runs that went through
ENDED_WELL = ("done", QUARANTINE)
# the state of a run that did not come to its end
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores to which the end of a run is written."""

    ledger: Ledger
    letters: DeadLetters
    events: RecordEvents
    staging: Staging
    notices: Notices


@dataclass(frozen=True, slots=True)
class StageReports:
    """What the stages of one run reported; ``gate`` is None where there was nothing to judge.

    ``unread`` are the rejections of records that could not be read, None where all could.
    """

    parts: Sequence[PartRef] = ()
    mapped: Sequence[TransformReport] = ()
    gate: GateReport | None = None
    loads: Sequence[LoadReport] = ()
    unread: PartRef | None = None

    @property
    def _gates(self) -> list[GateReport]:
        return [self.gate] if self.gate else []

    @property
    def counts(self) -> Counts:
        """Records by outcome, over all stages."""
        early = (
            Counts(each.records, unchanged=each.filtered, rejected=each.rejected, parked=each.parked)
            for each in self.mapped
        )
        judged = Counts(rejected=self.gate.rejected if self.gate else 0)
        unread = Counts(self._unread, rejected=self._unread)
        return sum((each.counts for each in self.loads), sum(early, judged + unread))

    @property
    def _unread(self) -> int:
        return self.unread.records if self.unread else 0

    @property
    def staged(self) -> int:
        """Records that extract staged, including those that it could not read."""
        return sum(part.records for part in self.parts) + self._unread

    @property
    def money(self) -> dict[str, Money]:
        """Totals of what was extracted, loaded (or rightly filtered), and rejected or parked."""
        stages: list[TransformReport | GateReport | LoadReport] = [*self.mapped, *self._gates, *self.loads]
        return {
            "extracted": add_money(each.extracted_money for each in self.mapped),
            "loaded": add_money(
                [*(each.loaded_money for each in self.loads), *(each.filtered_money for each in self.mapped)]
            ),
            "rejected": add_money(each.rejected_money for each in stages),
        }

    @property
    def rejections(self) -> list[PartRef]:
        """The staged rejections of all stages."""
        judged = [ref for gate in self._gates for ref in gate.rejections.values()]
        unread = [self.unread] if self.unread else []
        return [
            *unread,
            *(each.rejections for each in self.mapped),
            *judged,
            *(each.rejections for each in self.loads),
        ]


def settle_run(
    flow: FlowSpec,
    run: RunInfo,
    reports: StageReports,
    stores: Stores,
    now: datetime,
    vanished: Sequence[str] = (),
) -> RunSummary:
    """Proves that a run adds up, and records it; ``vanished`` are warnings of columns that are missing.

    Raises:
        OutOfBalance: records or money were lost; the run is in the ledger, the watermark stays.
        TooManyRefused: the target refused more than the flow allows; likewise.
    """
    lost, refused = _imbalance(reports.staged, reports), _refused(flow, reports)
    problem = lost or refused
    calls = sum((each.calls for each in reports.loads), run.calls)
    window = run.selection.window
    moves = run.selection.moves_watermark and window is not None and not problem
    with open_rejections(stores.staging, reports.rejections) as letters, stores.ledger.transaction():
        judged = bool(moves and reports.gate and reports.gate.judged)
        causes, gone = _keep_letters(flow, run, letters, stores, now, judged=judged)
        lost_rows = dict.fromkeys(text for each in reports.loads for text in each.warnings)
        warnings = (*run.warnings, *mapping_warnings(reports.mapped), *lost_rows, *gone, *vanished)
        quarantine, news = _quarantine(flow, run, reports, stores, tell=not problem)
        summary = RunSummary(
            run=run.run,
            flow=flow.flow,
            pair=run.pair,
            kind=run.kind.value,
            state=_state(lost, refused, quarantine),
            window=window,
            mapping_version=run.mapping_version,
            counts=reports.counts,
            calls=calls,
            money=reports.money,
            started_at=run.started_at,
            ended_at=now,
            reasons=_reasons_of(causes),
            causes=causes,
            note=problem or "; ".join(filter(None, (quarantine, *warnings, *run.notes))),
            warnings=warnings,
            quarantine=quarantine,
            news=news,
        )
        stores.ledger.record(summary, window.end if moves and window else None, run.selection.swept_to)
        stores.ledger.advance()
    if lost:
        raise OutOfBalance(f"{flow.flow}: {lost}")
    if refused:
        reasons = (f"{count} times: {reason}" for reason, count in summary.reasons)
        raise TooManyRefused("\n".join((refused, *reasons)), system=flow.target, operation=flow.flow)
    return summary


def _state(lost: str, refused: str, quarantine: str) -> str:
    if lost or refused:
        return "out of balance" if lost else "too many refused"
    return QUARANTINE if quarantine else "done"


def _quarantine(
    flow: FlowSpec, run: RunInfo, reports: StageReports, stores: Stores, *, tell: bool
) -> tuple[str, bool]:
    """Why failed records are kept out, in a line, and whether people are to hear of it; a gate that opens ends it."""
    gate = reports.gate
    if gate and gate.quarantine:
        news = tell and stores.notices.is_news(flow.flow, QUARANTINE, run.run)
        return gate.quarantine.partition("\n")[0], news
    if gate and gate.judged:
        stores.notices.forget(flow.flow, QUARANTINE)
    return "", False


def mapping_warnings(mapped: Iterable[TransformReport]) -> list[str]:
    """The mapping's warnings over all parts, with the number of rows they concern."""
    found: Counter[str] = Counter()
    for part in mapped:
        found.update(part.warnings)
    return [f"{text} ({count} rows)" for text, count in found.most_common(_WARNINGS)]


def gate_closed_error(
    flow: FlowSpec, run: RunInfo, reports: StageReports, stores: Stores, now: datetime
) -> GateClosed:
    """The error of a run whose gate is closed, after its dead letters and ledger row are written."""
    gate = reports.gate
    closed = gate.closed if gate else ""
    counts = reports.counts
    with open_rejections(stores.staging, reports.rejections) as letters, stores.ledger.transaction():
        causes, _ = _keep_letters(flow, run, letters, stores, now)
        summary = RunSummary(
            run=run.run,
            flow=flow.flow,
            pair=run.pair,
            kind=run.kind.value,
            state="gate closed",
            window=run.selection.window,
            mapping_version=run.mapping_version,
            counts=Counts(counts.extracted, rejected=counts.rejected, parked=counts.parked),
            calls=run.calls,
            money={"extracted": reports.money["extracted"]},
            started_at=run.started_at,
            ended_at=now,
            reasons=_reasons_of(causes),
            note=closed,
        )
        stores.ledger.record(summary)
        stores.ledger.advance()
    return GateClosed(closed, causes=causes)


def failed_run(flow: str, run: RunInfo, written: Counts, note: str, now: datetime) -> RunSummary:
    """The ledger's row of a run that failed before its end, with what it had written until then."""
    return RunSummary(
        run=run.run, flow=flow, pair=run.pair, kind=run.kind.value, state=FAILED, window=run.selection.window,
        mapping_version=run.mapping_version, counts=written, calls=run.calls, money={},
        started_at=run.started_at, ended_at=now, note=note,
    )  # fmt: skip


def _refused(flow: FlowSpec, reports: StageReports) -> str:
    """The problem if the target refused too many records over all parts, else empty."""
    counts = sum((each.counts for each in reports.loads), Counts())
    sent = counts.created + counts.updated + counts.rejected
    if flow.load.allows(counts.rejected, sent):
        return ""
    return (
        f"{flow.target} refused {counts.rejected} of {sent} records, the flow allows {flow.load.limit}; "
        "the others were written, and the watermark stays"
    )


def _imbalance(staged: int, reports: StageReports) -> str:
    counts, money = reports.counts, reports.money
    if staged != counts.extracted or counts.extracted != counts.settled:
        return f"{staged} records were staged, {counts.extracted} mapped and {counts.settled} accounted for"
    return _money_gap(money["extracted"], add_money([money["loaded"], money["rejected"]]))


def _money_gap(extracted: Mapping[str, object], ended: Mapping[str, object]) -> str:
    for currency in sorted({*extracted, *ended}):
        before, after = extracted.get(currency, 0), ended.get(currency, 0)
        if before != after:
            return f"{before} {currency} were extracted, {after} {currency} loaded or rejected"
    return ""


def _keep_letters(
    flow: FlowSpec,
    run: RunInfo,
    letters: LocalRejections,
    stores: Stores,
    now: datetime,
    *,
    judged: bool = False,
) -> tuple[tuple[Cause, ...], list[str]]:
    """Stores the dead letters of a run; returns their most common causes, and which letters are closed as gone."""
    causes = Causes()
    rejected = causes.counting(letters)
    gone = stores.letters.keep(
        flow.flow, run.run, run.mapping_version, rejected, run.started_at, judged=judged
    )
    stores.events.record(flow.flow, rejection_events(run.attempt, (each for each, _ in letters), now))
    return causes.top(_REASONS), list(_gone(flow, gone))


def _gone(flow: FlowSpec, source_ids: Sequence[str]) -> Iterator[str]:
    if source_ids:
        named = ", ".join(source_ids[:_REASONS]) + (" …" if len(source_ids) > _REASONS else "")
        records = counted(len(source_ids), "record")
        yield f"{records} of {flow.source} not found in repeated looks, dead letters closed as gone: {named}"


def _reasons_of(causes: Iterable[Cause]) -> tuple[tuple[str, int], ...]:
    return tuple((each.reason, each.count) for each in causes)
