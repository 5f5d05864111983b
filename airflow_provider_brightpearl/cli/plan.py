"""``brightpearl plan``: what a run or a back-fill will cost, before it is started."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.window import Request
    from airflow_provider_brightpearl.endpoints.quotas import Quota
    from airflow_provider_brightpearl.mapping.spec import FlowSpec
    from airflow_provider_brightpearl.operators.planning import Costs, Plan

console = Console()


def plan(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    start: Annotated[str, typer.Option("--from", help="Records created or changed from here on.")] = "",
    end: Annotated[str, typer.Option("--to", help="Up to here; now if left out.")] = "",
    last: Annotated[str, typer.Option("--last", help="A time up to now instead, such as 7d, 12h.")] = "",
    ids: Annotated[str, typer.Option("--ids", help="These records, by ids with commas.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="All records.")] = False,
    backfill: Annotated[
        bool,
        typer.Option("--backfill", help="One run for each interval of the schedule, as a back-fill does."),
    ] = False,
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
) -> None:
    """Say what a run would read and write, in how many calls and minutes; the next run if nothing is chosen."""
    from airflow_provider_brightpearl.core.window import parse_instant
    from airflow_provider_brightpearl.endpoints.quotas import quota_of
    from airflow_provider_brightpearl.operators.planning import plan_run
    from airflow_provider_brightpearl.operators.wiring import Wiring

    now = datetime.now(UTC)
    wiring = Wiring.of(flow, str(settings.mappings_folder(Path.cwd())), source_conn_id, target_conn_id)
    begin = now - _span(last) if last else _instant(start, parse_instant)
    request = _request(begin, _instant(end, parse_instant), ids, everything, backfill, now)
    runs = _runs(request, wiring.flow)
    found = plan_run(wiring, request, now, runs)
    clients = {wiring.flow.source_system: wiring.source_client, wiring.flow.target: wiring.target_client}
    _show(found, {system: quota_of(system, client) for system, client in clients.items()})


def _span(text: str) -> timedelta:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[-1:] not in units or not text[:-1].isdigit():
        raise Misconfigured(f"--last {text!r} is no time; write a whole number and m, h or d, such as 7d")
    return timedelta(**{units[text[-1]]: int(text[:-1])})


def _instant(text: str, parse: Any) -> datetime | None:
    try:
        instant: datetime | None = parse(text) if text else None
    except ValueError:
        raise Misconfigured(f"{text!r} is no instant; write one such as 2026-01-31T00:00") from None
    return instant


def _request(
    begin: datetime | None, end: datetime | None, ids: str, everything: bool, backfill: bool, now: datetime
) -> Request:
    from airflow_provider_brightpearl.core.window import Request, RunKind, Window

    chosen = tuple(filter(None, (each.strip() for each in ids.split(","))))
    if begin and begin >= (end or now):
        raise Misconfigured("the beginning has to lie before the end")
    if not backfill:
        return Request(RunKind.MANUAL, None, begin, end, chosen, everything)
    if begin is None or chosen or everything:
        raise Misconfigured("--backfill goes with --from and --to, or --last, and nothing else")
    return Request(RunKind.BACKFILL, Window(begin, end or now))


def _runs(request: Request, flow: FlowSpec) -> int:
    from airflow_provider_brightpearl.core.window import fires_between

    if request.interval is None:
        return 1
    return max(1, fires_between(flow.schedule, request.interval, ZoneInfo(flow.timezone)))


def _show(plan: Plan, quotas: dict[str, Quota]) -> None:
    console.print(f"{plan.flow}: {_words(plan)}", highlight=False, markup=False)
    rows = ", ".join(f"{count:,} {name}" for name, count in plan.rows.items())
    told = "as in past runs" if plan.measured else "no past run: reckoned"
    console.print(f"{plan.records:,} records, at most {rows} ({told})", highlight=False, markup=False)
    table = Table("System", "Calls", "to read", "to write", "Minutes", "Left today", "Share of the day")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for system, costs in plan.costs.items():
        table.add_row(system, *_cells(costs, quotas[system]))
    console.print(table)
    asked = sum(costs.asked for costs in plan.costs.values())
    console.print(f"This plan took {asked} calls to the source and wrote nothing.", highlight=False)


def _words(plan: Plan) -> str:
    window = plan.selection.window
    runs = f"{plan.runs:,} runs, " if plan.runs > 1 else ""
    if plan.selection.everything:
        return f"{runs}everything"
    if window is None:
        return f"{runs}{len(plan.selection.ids):,} ids"
    begin = window.start.isoformat(timespec="minutes") if window.start else "the beginning"
    return f"{runs}{begin} to {window.end.isoformat(timespec='minutes')}"


def _cells(costs: Costs, quota: Quota) -> list[str]:
    minutes = f"{ceil(10 * costs.calls / quota.a_minute) / 10:,.1f}" if quota.a_minute else "no limit"
    share = f"{costs.calls / quota.a_day:.1%}" if quota.a_day else "no limit"
    left = f"{quota.left:,}" if quota.left is not None else "unknown" if quota.a_day else "no limit"
    return [f"{costs.calls:,}", f"{costs.reading:,}", f"{costs.writing:,}", minutes, left, share]
