"""``brightpearl plan``: what a run or a backfill will cost, before it is started."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, print_json, say, show
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.window import Request
    from airflow_provider_brightpearl.flow.spec import FlowSpec
    from airflow_provider_brightpearl.runtime.estimate import Costs, Plan
    from airflow_provider_brightpearl.systems.system import Quota


def plan(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    start: Annotated[
        str, typer.Option("--from", help="Records created or changed from this instant on.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Up to this instant; now if left out.")] = "",
    last: Annotated[str, typer.Option("--last", help="A span up to now instead, such as 7d or 12h.")] = "",
    ids: Annotated[str, typer.Option("--ids", help="Only these records: source ids with commas.")] = "",
    full_resync: Annotated[
        bool, typer.Option("--full-resync", help="All records, whenever changed.")
    ] = False,
    backfill: Annotated[
        bool,
        typer.Option("--backfill", help="One run for each interval of the schedule, as a backfill does."),
    ] = False,
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a run will cost in records, calls and minutes; without options, the next run. Writes nothing."""
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.estimate import plan_run
    from airflow_provider_brightpearl.runtime.wiring import Wiring
    from airflow_provider_brightpearl.systems.registry import find_system

    now = datetime.now(UTC)
    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    wiring = Wiring.of(flow, environment, source_conn_id, target_conn_id)
    asked = {"from": start, "to": end, "ids": ids, "full_resync": full_resync}
    request = _request(asked, last, backfill, now)
    found = plan_run(wiring, request, now, _runs(request, wiring.flow))
    clients = {wiring.flow.source_system: wiring.source_client, wiring.flow.target: wiring.target_client}
    quotas = {name: find_system(name).quota(client) for name, client in clients.items()}
    if as_json:
        print_json({"plan": found, "quotas": quotas})
        return
    _show(found, quotas)


def _request(asked: dict[str, Any], last: str, backfill: bool, now: datetime) -> Request:
    from airflow_provider_brightpearl.core.window import Request, RunKind, Window
    from airflow_provider_brightpearl.flow.durations import parse_duration
    from airflow_provider_brightpearl.runtime.request import request_from

    if last:
        asked["from"] = now - parse_duration("--last", last)
    request = request_from(asked)
    begin, end = request.start, request.end or now
    if begin and begin >= end:
        raise Misconfigured("--from must be before --to")
    if not backfill:
        return request
    if begin is None or request.ids or request.full_resync:
        raise Misconfigured("--backfill goes with --from and --to, or --last, and nothing else")
    return Request(RunKind.BACKFILL, Window(begin, end))


def _runs(request: Request, flow: FlowSpec) -> int:
    from airflow_provider_brightpearl.core.window import fires_between

    if request.interval is None:
        return 1
    return max(1, fires_between(flow.schedule, request.interval, ZoneInfo(flow.timezone)))


def _show(plan: Plan, quotas: dict[str, Quota]) -> None:
    say(f"{plan.flow}: {_words(plan)}")
    rows = ", ".join(f"{count:,} {name}" for name, count in plan.rows.items())
    basis = "as in past runs" if plan.measured else "estimated, no past runs"
    say(f"{counted(plan.records, 'record')}, at most {rows} ({basis})")
    table = Table("System", "Calls", "to read", "to write", "Minutes", "Left today", "Share of the day")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for system, costs in plan.costs.items():
        table.add_row(system, *_cells(costs, quotas[system]))
    show(table)
    asked = sum(costs.asked for costs in plan.costs.values())
    say(f"This plan took {counted(asked, 'call')} to the source and wrote nothing.")


def _words(plan: Plan) -> str:
    window = plan.selection.window
    runs = f"{plan.runs:,} runs, " if plan.runs > 1 else ""
    if plan.selection.full_resync:
        return f"{runs}full resync"
    if window is None:
        return f"{runs}{counted(len(plan.selection.ids), 'id')}"
    end = window.end.isoformat(timespec="minutes")
    if window.start is None:
        return f"{runs}all changes up to {end}"
    return f"{runs}{window.start.isoformat(timespec='minutes')} to {end}"


def _cells(costs: Costs, quota: Quota) -> list[str]:
    minutes = f"{ceil(10 * costs.calls / quota.per_minute) / 10:,.1f}" if quota.per_minute else "no limit"
    share = f"{costs.calls / quota.per_day:.1%}" if quota.per_day else "no limit"
    left = (
        f"{quota.left_today:,}"
        if quota.left_today is not None
        else "unknown"
        if quota.per_day
        else "no limit"
    )
    return [f"{costs.calls:,}", f"{costs.reading:,}", f"{costs.writing:,}", minutes, left, share]
