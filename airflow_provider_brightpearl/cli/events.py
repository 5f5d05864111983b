"""``brightpearl events``: what was received, what waits, how late flows were, and what events missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from airflow_provider_brightpearl.cli.output import Json, ResultCommand, print_json, say, show
from airflow_provider_brightpearl.core.inbox import InboxState
from airflow_provider_brightpearl.core.latency import percentile
from airflow_provider_brightpearl.core.progress import counted, duration
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.inbox import EventDay, InboxCount, Received

events = typer.Typer(
    help="Show what events did, and process those of a span of time again.", no_args_is_help=True
)
_PERCENTS = (50, 95, 99)


@events.command(cls=ResultCommand)
def status(
    days: Annotated[int, typer.Option(min=1, help="Days of UTC to show, today among them.")] = 7,
    as_json: Json = False,
) -> None:
    """Show the inbox as it stands, and day by day what events did for each flow. Asks no system."""
    from airflow_provider_brightpearl.environment import state_engine
    from airflow_provider_brightpearl.stores.event_days import SqlEventDays
    from airflow_provider_brightpearl.stores.inbox import SqlInbox

    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    inbox, kept = SqlInbox(state_engine()), SqlEventDays(state_engine())
    waiting = [each for each in inbox.counts() if each.state not in (InboxState.DONE, InboxState.IGNORED)]
    received, by_day = kept.received(since), kept.days(since)
    if as_json:
        plain = {"received": received, "waiting": waiting, "days": [_plain(each) for each in by_day]}
        print_json(plain)
        return
    if not (received or waiting or by_day):
        say("no events were received")
        return
    _show_received(received)
    _show_waiting(waiting)
    _show_days(by_day)


@events.command(cls=ResultCommand)
def replay(
    start: Annotated[str, typer.Option("--from", help="First instant; UTC if it has no offset.")],
    end: Annotated[
        str, typer.Option("--to", help="Instant up to which, itself left out; now if left out.")
    ] = "",
) -> None:
    """Have all records processed again that an event named in a span of time, those that are set aside among them."""
    from airflow_provider_brightpearl.environment import state_engine
    from airflow_provider_brightpearl.runtime.request import request_from
    from airflow_provider_brightpearl.stores.inbox import SqlInbox

    span = request_from({"from": start, "to": end or datetime.now(UTC)})
    if span.start is None or span.end is None:
        raise Misconfigured("--from names no instant; write one such as 2026-01-31T09:00")
    due = SqlInbox(state_engine()).replay(span.start, span.end)
    say(f"{counted(due, 'record')} will be processed again by the DAG of their flows")


def _show_received(received: list[Received]) -> None:
    table = Table("Day", "System", "Connection", "Events", title="Received")
    table.columns[3].justify = "right"
    for each in received:
        table.add_row(each.day.isoformat(), each.source, each.connection, f"{each.events:,}")
    show(table)


def _show_waiting(waiting: list[InboxCount]) -> None:
    table = Table("Stream", "Flow", "State", "Records", "Oldest (UTC)", title="Waiting")
    table.columns[3].justify = "right"
    for each in waiting:
        stream = f"{each.topic.source}.{each.topic.stream}"
        flow = each.topic.flow or "not spread yet"
        table.add_row(stream, flow, each.state.value, f"{each.records:,}", f"{each.oldest:%Y-%m-%d %H:%M:%S}")
    show(table) if waiting else say("nothing waits")


def _show_days(days: list[EventDay]) -> None:
    names = ("Processed", *(f"p{percent}" for percent in _PERCENTS), "Written by schedule", "Missed")
    table = Table("Day", "Flow", *names, title="Flows")
    table.columns[1].no_wrap = True
    for column in table.columns[2:]:
        column.justify = "right"
    for each in days:
        late = [percentile(each.latency, percent) for percent in _PERCENTS]
        took = ["" if time is None else _short(time) for time in late]
        missed = f"{each.missed:,}" + (f" ({each.missed_share:.1%})" if each.missed else "")
        table.add_row(
            each.day.isoformat(), each.flow, f"{each.processed:,}", *took, f"{each.changed:,}", missed
        )
    show(table)
    if days:
        say("p50, p95, p99: from the receipt of a record's first event to the end of its run; missed: records that "
            "a scheduled run has written and no event had told of, as a share of all that changed")  # fmt: skip


def _short(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _plain(day: EventDay) -> dict[str, Any]:
    late = {f"p{percent}_seconds": percentile(day.latency, percent) for percent in _PERCENTS}
    return {
        "day": day.day.isoformat(), "flow": day.flow, "processed": day.processed, "changed": day.changed,
        "missed": day.missed,
        **{name: time and round(time.total_seconds(), 3) for name, time in late.items()},
    }  # fmt: skip
