"""``brightpearl state check``: verify the state database against both systems of each flow."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, print_json, say, show
from airflow_provider_brightpearl.core.progress import counted

if TYPE_CHECKING:
    from airflow_provider_brightpearl.runtime.state_check import StateReport

_SHOWN = 20


def check(
    flows: Annotated[
        list[str] | None, typer.Argument(help="Names of flows; all that have run if left out.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Links of each object, and letters, of a flow that are looked up.")
    ] = 20,
    whole: Annotated[bool, typer.Option("--all", help="Look all of them up.")] = False,
    as_json: Json = False,
) -> None:
    """Check the state database: by itself, and a sample of its links against both systems. Writes nothing.

    Ends with code 1 if something is wrong; each finding says what to do.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.flow.load import load_flows
    from airflow_provider_brightpearl.runtime.state_check import check_state
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    names = flows or [each.flow for each in load_flows(environment.mappings)[0]]
    wirings = [replace(Wiring.of(name, environment), read_only=True) for name in names]
    found = check_state(environment, wirings, None if whole else sample)
    if as_json:
        print_json(found)
    else:
        _show(found)
    sys.exit(1 if found.findings else 0)


def _show(found: StateReport) -> None:
    shown: Counter[tuple[str, str]] = Counter()
    table = Table("Check", "Flow", "What is wrong", "What to do")
    for each in found.findings:
        shown[each.check, each.flow] += 1
        if shown[each.check, each.flow] <= _SHOWN:
            table.add_row(each.check, each.flow, each.what, each.remedy)
    if table.row_count:
        show(table)
    for (name, flow), count in shown.items():
        if count > _SHOWN:
            say(f"{count - _SHOWN:,} more of {name}, {flow}; --json lists them")
    for flow, why in found.not_asked.items():
        say(f"{flow}: not asked: {why}")
    calls = ", ".join(f"{counted(made, 'call')} to {system}" for system, made in found.calls.items())
    say(
        f"{counted(found.checked.total(), 'link')} and letters looked up, "
        f"{calls or 'no calls'}: {counted(len(found.findings), 'finding')}"
    )
