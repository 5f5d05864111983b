"""Ends a run: proves that counts and money add up, keeps dead letters, writes the ledger and moves the watermark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from airflow_provider_brightpearl.core.ports import DeadLetters, Ledger, RunEntry, Staging
from airflow_provider_brightpearl.core.records import Calls, Counts, Money, add_money
from airflow_provider_brightpearl.core.run import RunFacts
from airflow_provider_brightpearl.errors import GateClosed, OutOfBalance
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.pipeline import rejected
from airflow_provider_brightpearl.pipeline.gate import top_reasons

Plain = Mapping[str, Any]

_WARNINGS = 10


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a run's end is written."""

    ledger: Ledger
    letters: DeadLetters
    staging: Staging


def settle(
    flow: FlowSpec,
    facts: RunFacts,
    parts: Sequence[Plain],
    mapped: Sequence[Plain],
    verdict: Plain | None,
    loads: Sequence[Plain],
    stores: Stores,
    now: datetime,
    told: Plain | None = None,
) -> dict[str, Any]:
    """The summary of a run, as plain values: counts, calls, money and top reasons.

    ``verdict`` is None where there was nothing to judge; ``told`` is what came of the write-backs to the source.

    Raises:
        OutOfBalance: records or money were lost on the way; the run is in the ledger, the watermark stays.
    """
    verdicts = [verdict] if verdict else []
    counts = _counts(mapped, verdicts, loads)
    money = {
        "extracted": _money(mapped, "extracted"),
        "loaded": add_money([_money(loads, "loaded"), _money(mapped, "left_out")]),
        "rejected": _money([*mapped, *verdicts, *loads], "rejected"),
    }
    problem = _imbalance(sum(part["records"] for part in parts), counts, money)
    state = "out of balance" if problem else "done"
    warnings = [*warned(mapped), *(told or {}).get("warnings", ())]
    kept = _keep(flow, facts, [*mapped, *verdicts, *loads], stores)
    entry = RunEntry(
        facts.run, flow.flow, facts.kind.value, state, facts.selection.window, facts.mapping_version, counts,
        _calls(flow, facts, loads, told), money, facts.started_at, now, kept,
        problem or "; ".join(warnings),
    )  # fmt: skip
    window = facts.selection.window
    moves = facts.selection.moves_watermark and window is not None and not problem
    stores.ledger.record(entry, window.end if moves and window else None)
    if problem:
        raise OutOfBalance(f"{flow.flow}: {problem}")
    written_back = {name: told[name] for name in ("told", "waiting", "given_up")} if told else {}
    return summary(entry) | {"warnings": warnings, "write_back": written_back}


def warned(mapped: Iterable[Plain]) -> list[str]:
    """What the mapping warns of, over all parts, with the number of rows it is about."""
    found: Counter[str] = Counter()
    for part in mapped:
        found.update(part.get("warnings", {}))
    return [f"{text} ({count} rows)" for text, count in found.most_common(_WARNINGS)]


def refuse(
    flow: FlowSpec, facts: RunFacts, mapped: Sequence[Plain], verdict: Plain, stores: Stores, now: datetime
) -> GateClosed:
    """The error of a run whose gate is closed, after its dead letters and ledger row are written."""
    money = {"extracted": _money(mapped, "extracted")}
    kept = _keep(flow, facts, [*mapped, verdict], stores)
    entry = RunEntry(
        facts.run, flow.flow, facts.kind.value, "gate closed", facts.selection.window, facts.mapping_version,
        Counts(extracted=verdict["records"]), facts.calls, money, facts.started_at, now, kept,
        verdict["closed"],
    )  # fmt: skip
    stores.ledger.record(entry)
    return GateClosed(verdict["closed"], system=flow.source_system, operation=flow.flow)


def summary(entry: RunEntry) -> dict[str, Any]:
    """A ledger row as plain values, for XCom, alerts and reports."""
    return {
        "flow": entry.flow,
        "run": entry.run,
        "kind": entry.kind,
        "state": entry.state,
        "window": entry.window.as_dict() if entry.window else None,
        "mapping_version": entry.mapping_version,
        **asdict(entry.counts),
        "calls": entry.calls.made,
        "fewest_calls": entry.calls.fewest,
        "planned_calls": entry.calls.planned,
        "money": {stage: rejected.money_as_text(dict(total)) for stage, total in entry.money.items()},
        "reasons": [list(pair) for pair in entry.reasons],
        "seconds": (entry.ended_at - entry.started_at).total_seconds() if entry.ended_at else None,
    }


def _counts(mapped: Sequence[Plain], verdicts: Sequence[Plain], loads: Sequence[Plain]) -> Counts:
    early = sum(
        (Counts(part["records"], unchanged=part["left_out"], rejected=part["rejected"], parked=part["parked"])
         for part in mapped),
        Counts(),
    )  # fmt: skip
    judged = sum((Counts(rejected=verdict["rejected"]) for verdict in verdicts), early)
    return sum((Counts(**load["counts"]) for load in loads), judged)


def _money(reports: Iterable[Plain], stage: str) -> Money:
    return add_money(rejected.money_from_text(report["money"][stage]) for report in reports)


def _imbalance(staged: int, counts: Counts, money: Mapping[str, Money]) -> str:
    if staged != counts.extracted or counts.extracted != counts.settled:
        return f"{staged} records were staged, {counts.extracted} mapped and {counts.settled} accounted for"
    ended = add_money([money["loaded"], money["rejected"]])
    for currency in sorted({*money["extracted"], *ended}):
        before, after = money["extracted"].get(currency, 0), ended.get(currency, 0)
        if before != after:
            return f"{before} {currency} were extracted, {after} {currency} loaded or rejected"
    return ""


def _calls(flow: FlowSpec, facts: RunFacts, loads: Sequence[Plain], told: Plain | None) -> Calls:
    reports = [(flow.target, load["calls"], load["rows_written"]) for load in loads]
    reports += [(flow.source_system, told["calls"], {})] if told else []
    return sum((_calls_of(*report) for report in reports), facts.calls)


def _calls_of(system: str, calls: Plain, rows: Mapping[str, int]) -> Calls:
    return Calls(
        {system: calls["made"]}, {system: calls["fewest"]}, {system: calls.get("planned", 0)}, dict(rows)
    )


def _keep(
    flow: FlowSpec, facts: RunFacts, reports: Iterable[Plain], stores: Stores
) -> tuple[tuple[str, int], ...]:
    """Keeps the dead letters of a run and gives their commonest reasons."""
    letters = [pair for report in reports for pair in rejected.read(stores.staging, report["rejections"])]
    stores.letters.keep(flow.flow, facts.run, facts.mapping_version, letters)
    return tuple(top_reasons((each for each, _ in letters), 10))
