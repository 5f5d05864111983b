"""``brightpearl state``: looks after the state database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from airflow_provider_brightpearl.cli.output import Json, ResultCommand, print_json, say

state = typer.Typer(help="Look after the state database.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, only count.")]


@state.callback()
def group() -> None:
    """Look after the state database."""


@state.command(cls=ResultCommand)
def clean(
    before: Annotated[
        str,
        typer.Option(
            help="Remove state older than this, such as 2026-01-31 or 90d; as the settings say if left out."
        ),
    ] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove staging files and state that are no longer needed, as the DAG brightpearl_maintenance does.

    Never removes bindings, watermarks, dead letters that wait, writes in doubt, or a flow's newest run.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.maintenance import clean as clean_up

    removed = clean_up(airflow_environment(), _instant(before), dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "removed": removed})
        return
    for name, count in removed.items():
        say(f"{count:>9,} {_KINDS[name]}")
    say("dry run: nothing was removed" if dry_run else "removed")


_KINDS = {
    "payloads": "payloads of closed dead letters",
    "dead_letters": "closed dead letters",
    "runs": "runs",
    "reconciliations": "reconciliations",
    "intents": "settled intents",
    "staging": "staging folders",
}


def _instant(text: str) -> datetime | None:
    """An instant as given, or so long ago; None where none is given."""
    from airflow_provider_brightpearl.flow.durations import parse_duration
    from airflow_provider_brightpearl.runtime.request import read_instant

    if text and text[:-1].isdigit() and not text.isdigit():
        return datetime.now(UTC) - parse_duration("--before", text)
    return read_instant({"--before": text}, "--before")
