"""``brightpearl account``: custom fields and web-hooks that the flows need, and whether the account has them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.flow.spec import FlowSpec
    from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient

account = typer.Typer(help="Check what the flows need in a Brightpearl account.", no_args_is_help=True)
console = Console()


@account.callback()
def group() -> None:
    """Check what the flows need in a Brightpearl account."""


@account.command()
def check(
    webhook_url: Annotated[
        str, typer.Option(help="Address that web-hooks are sent to; without it they are left alone.")
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Make the web-hooks that are missing.")] = False,
    conn_id: Annotated[str, typer.Option(help="Connection of the account.")] = "brightpearl_default",
) -> None:
    """Compare an account with the custom fields and web-hooks that the flow files need."""
    from airflow_provider_brightpearl.environment import connect
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.systems.brightpearl.system import BRIGHTPEARL

    if apply and not webhook_url:
        raise Misconfigured(
            "--apply makes web-hooks, so it needs --webhook-url; custom fields are made by hand"
        )
    folder = settings.mappings_folder(Path.cwd())
    flows = [load_flow(file) for file in sorted(folder.glob("*.yaml"))]
    if not flows:
        raise Misconfigured(f"there are no flow files in {folder}")
    client = connect(BRIGHTPEARL, conn_id)
    missing = _fields(client, flows)
    if webhook_url:
        missing += _hooks(client, flows, webhook_url, apply=apply)
    sys.exit(1 if missing else 0)


def _fields(client: BrightpearlClient, flows: list[FlowSpec]) -> int:
    from airflow_provider_brightpearl.systems.brightpearl.account import fields_missing, fields_needed

    needed = fields_needed(flows)
    missing = fields_missing(client, needed)
    for each in missing:
        _say(f"{each.code} of {each.flow} is not there, and the API makes no custom fields: {each.steps}")
    _say(f"{len(needed)} custom fields compared, {len(missing)} missing")
    return len(missing)


def _hooks(client: BrightpearlClient, flows: list[FlowSpec], address: str, *, apply: bool) -> int:
    from airflow_provider_brightpearl.systems.brightpearl.account import (
        events_needed,
        hooks_missing,
        subscribe,
    )

    events = events_needed(flows)
    missing = hooks_missing(client, events, address)
    for event in missing:
        _say(f"no web-hook tells of {event}")
    _say(f"{len(events)} web-hooks compared, {len(missing)} missing")
    if not apply:
        if missing:
            _say("--apply makes them")
        return len(missing)
    for event, number in subscribe(client, missing, address):
        _say(f"made  {event} (web-hook {number})")
    return 0


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
