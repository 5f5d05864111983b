"""``brightpearl run``: a flow in this process, without a DAG."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, print_json, say
from airflow_provider_brightpearl.errors import RetryLater

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary

# as of sendmail and others: what failed now may succeed later
SYSTEM_DOWN = 75
# how long a command waits for another run of a flow
PATIENCE = timedelta(minutes=10)


def run(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    ids: Annotated[str, typer.Option("--ids", help="Only these records: source ids with commas.")] = "",
    start: Annotated[
        str, typer.Option("--from", help="Only changes from this instant on, such as 2026-01-31.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Only changes before this instant; now if left out.")] = "",
    full_resync: Annotated[bool, typer.Option("--full-resync", help="All records.")] = False,
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
    wait: Annotated[
        int | None,
        typer.Option(
            "--wait",
            min=0,
            help="Minutes to wait for a system that is down (0 if left out), or for another run of the flow (10).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a flow now, in this process; without options, everything new since its last run.

    Same settings, state database and ledger as its DAG. While another run of the flow writes, this one waits for its
    turn. Ends with code 75 while a system is down.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.request import request_from
    from airflow_provider_brightpearl.runtime.run import run_flow
    from airflow_provider_brightpearl.runtime.run_summary import summary_lines
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    request = request_from({"from": start, "to": end, "ids": ids, "full_resync": full_resync})
    usual = airflow_environment(settings.mappings_folder(Path.cwd()))
    environment = replace(usual, lease_wait=PATIENCE if wait is None else timedelta(minutes=wait))
    Wiring.of(flow, environment, source_conn_id, target_conn_id)
    name = f"command__{datetime.now(UTC).isoformat(timespec='milliseconds')}"
    limit = time.monotonic() + (wait or 0) * 60
    # what a run that met an outage has opened leads nowhere, so the next try begins anew
    summary: RunSummary = _until_it_answers(
        lambda: run_flow(Wiring.of(flow, environment, source_conn_id, target_conn_id), request, name), limit
    )
    if as_json:
        print_json(summary.as_dict())
        return
    for line in summary_lines(summary):
        say(line)


def _until_it_answers(attempt: Callable[[], RunSummary], limit: float) -> RunSummary:
    """What an attempt gives, made anew after each look at a system that is down; the process ends at the limit."""
    from airflow_provider_brightpearl.environment import breakers

    while True:
        try:
            return attempt()
        except RetryLater as error:
            if error.outage is None:
                raise
            say(str(error.outage))
            pause = max(1.0, (error.outage.next_look - breakers().now()).total_seconds())
            if time.monotonic() + pause > limit:
                sys.exit(SYSTEM_DOWN)
            time.sleep(pause)
