"""``brightpearl conflicts``: the fields that both systems of two-way flows have changed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, instant_text, print_json, say, show
from airflow_provider_brightpearl.core.conflicts import MANUAL
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.conflicts import FieldConflict

_SHOWN = 100


def conflicts(
    flow: Annotated[
        str,
        typer.Option(
            help="Only those of this flow: the one with `authority`, or that of the other direction."
        ),
    ] = "",
    open_only: Annotated[
        bool, typer.Option("--open", help="Only those that a person has to decide.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the fields that both systems of two-way flows had changed, and whose value counted. Asks no system."""
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.flow.load import load_flows
    from airflow_provider_brightpearl.stores.conflicts import all_conflicts

    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    linking = {
        each.flow: each.reverse.of if each.reverse else each.flow
        for each in load_flows(environment.mappings)[0]
    }
    found = all_conflicts(environment.state(), linking.get(flow, flow), open_only=open_only)
    if flow and flow not in linking and not found:
        raise Misconfigured(f"--flow: there is no flow {flow}{did_you_mean(flow, linking)}")
    if as_json:
        print_json([{**_systems(pair), "conflict": each} for pair, each in found])
        return
    if not found:
        say("no conflict is open" if open_only else "no conflicts")
        return
    _show(found)


def _systems(pair: str) -> dict[str, str]:
    source, _, target = pair.partition(">")
    return {"source": source, "target": target}


def _show(found: list[tuple[str, FieldConflict]]) -> None:
    table = Table("Found", "Field", "Record", "Source", "Target", "Counts")
    for pair, each in found[:_SHOWN]:
        systems = {side: instance.partition(":")[0] for side, instance in _systems(pair).items()}
        table.add_row(
            instant_text(each.at),
            f"{each.flow}\n{each.object}.{each.field}",
            # texts of other systems are no markup
            Text(f"{each.key}\n{each.target_id}"),
            _held(systems["source"], each.source_value, each.source_at, each.source_by),
            _held(systems["target"], each.target_value, each.target_at, each.target_by),
            _decision(each),
        )
    show(table)
    waiting = sum(each.closed_at is None for _, each in found)
    rest = f"; the newest {_SHOWN} are shown, --json shows all" if len(found) > _SHOWN else ""
    say(f"{counted(len(found), 'conflict')}, {waiting:,} of them open{rest}")
    if waiting:
        say(
            "a conflict is open until both sides hold one value: edit the field in one of the two systems, or let "
            "authority in the flow file name whose value counts, which the next runs then write"
        )


def _held(system: str, value: str | None, at: datetime | None, by: str) -> Text:
    changed = " ".join(filter(None, (instant_text(at) if at else "", f"by {by}" if by else "")))
    held = f"{system}: {'(empty)' if value is None else value}"
    return Text("\n".join(filter(None, (held, changed))))


def _decision(each: FieldConflict) -> str:
    if each.winner != MANUAL:
        return each.winner
    return (
        "a person decides" if each.closed_at is None else f"a person decided\n{instant_text(each.closed_at)}"
    )
