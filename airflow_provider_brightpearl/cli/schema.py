"""``brightpearl schema``: how the fields of a flow's target have changed, and a person's word that they may."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, print_json, say
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured


def schema(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the fields as they are now; runs go on with them.")
    ] = False,
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the fields that a flow writes with its target, as it is now and as the flow last met it.

    Ends with code 1 if a run would stop.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime import target_schema
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    wiring = Wiring.of(flow, environment, source_conn_id, target_conn_id)
    report = target_schema.read_schema(wiring)
    breaking, notes = report.breaking(wiring), report.notes(wiring)
    if accept and report.problems:
        raise Misconfigured("\n".join([*report.problems, "what the target lacks cannot be accepted"]))
    if accept:
        target_schema.accept(wiring, report)
    for line in (*report.problems, *breaking, *notes):
        say(line)
    stops = [*report.problems, *breaking]
    outcome = "accepted" if accept else f"{len(stops)} of them would stop a run"
    say(f"{counted(len(stops) + len(notes), 'change')}, {outcome}")
    if as_json:
        shown = {"problems": list(report.problems), "breaking": breaking, "notes": notes, "accepted": accept}
        print_json(shown)
    sys.exit(1 if stops and not accept else 0)
