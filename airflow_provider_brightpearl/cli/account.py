"""``brightpearl account``: custom fields and webhooks that the flows need, and whether the account has them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, ResultCommand, print_json, say
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.flow.spec import FlowSpec
    from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient

account = typer.Typer(help="Check what the flows need in a Brightpearl account.", no_args_is_help=True)


@account.callback()
def group() -> None:
    """Check what the flows need in a Brightpearl account."""


@account.command(cls=ResultCommand)
def check(
    webhook_url: Annotated[
        str, typer.Option(help="Address that webhooks are sent to; if left out, webhooks are not checked.")
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Create the missing webhooks.")] = False,
    conn_id: Annotated[str, typer.Option(help="Connection of the account.")] = "brightpearl_default",
    as_json: Json = False,
) -> None:
    """Compare an account with the custom fields and webhooks that the flow files need."""
    from airflow_provider_brightpearl.environment import connect
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.systems.brightpearl.system import BRIGHTPEARL

    if apply and not webhook_url:
        raise Misconfigured(
            "--apply creates webhooks, so it needs --webhook-url; custom fields have to be created by hand"
        )
    folder = settings.mappings_folder(Path.cwd())
    flows = [load_flow(file) for file in sorted(folder.glob("*.yaml"))]
    if not flows:
        raise Misconfigured(f"no flow files in {folder}; `brightpearl init` copies some to start from")
    client = connect(BRIGHTPEARL, conn_id)
    fields = _fields(client, flows)
    webhooks = _hooks(client, flows, webhook_url, apply=apply) if webhook_url else []
    if as_json:
        print_json({"missing_fields": fields, "missing_webhooks": webhooks})
    sys.exit(1 if fields or webhooks else 0)


def _fields(client: BrightpearlClient, flows: list[FlowSpec]) -> list[dict[str, str]]:
    """The custom fields that the account lacks, or has as another type."""
    from airflow_provider_brightpearl.systems.brightpearl.account import fields_missing, fields_needed

    needed = fields_needed(flows)
    missing = fields_missing(client, needed)
    for each in missing:
        problem = "" if each.kind else f" needs custom field {each.code}, which the API cannot create"
        say(f"{each.flow}{problem}: {each.steps}")
    say(f"{counted(len(needed), 'custom field')} compared, {len(missing)} missing or of another type")
    return [{"flow": each.flow, "field": each.code, "to_do": each.steps} for each in missing]


def _hooks(client: BrightpearlClient, flows: list[FlowSpec], address: str, *, apply: bool) -> list[str]:
    """The events without a webhook, after those that were created."""
    from airflow_provider_brightpearl.systems.brightpearl.account import (
        events_needed,
        hooks_missing,
        subscribe,
    )

    events = events_needed(flows)
    missing = hooks_missing(client, events, address)
    for event in missing:
        say(f"no webhook for {event}")
    say(f"{counted(len(events), 'webhook')} compared, {len(missing)} missing")
    if not apply:
        if missing:
            say("--apply creates them")
        return list(missing)
    for event, number in subscribe(client, missing, address):
        say(f"created  {event} (webhook {number})")
    return []
