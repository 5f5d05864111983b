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
from airflow_provider_brightpearl.receiver.asgi import PREFIX

if TYPE_CHECKING:
    from airflow_provider_brightpearl.flow.spec import FlowSpec
    from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
    from airflow_provider_brightpearl.systems.brightpearl.webhooks import HookAddress

account = typer.Typer(help="Check what the flows need in a Brightpearl account.", no_args_is_help=True)


@account.callback()
def group() -> None:
    """Check what the flows need in a Brightpearl account."""


@account.command(cls=ResultCommand)
def check(
    webhook_url: Annotated[
        str,
        typer.Option(
            help="Address of the receiver, such as https://events.example.com; if left out, webhooks are not checked."
        ),
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Create, repair and remove webhooks.")] = False,
    conn_id: Annotated[str, typer.Option(help="Connection of the account.")] = "brightpearl_default",
    as_json: Json = False,
) -> None:
    """Compare an account with the custom fields and webhooks that the flow files need."""
    from airflow_provider_brightpearl.environment import connect
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.systems.brightpearl.system import BRIGHTPEARL

    if apply and not webhook_url:
        raise Misconfigured(
            "--apply changes webhooks, so it needs --webhook-url; custom fields have to be created by hand"
        )
    folder = settings.mappings_folder(Path.cwd())
    flows = [load_flow(file) for file in sorted(folder.glob("*.yaml"))]
    if not flows:
        raise Misconfigured(f"no flow files in {folder}; `brightpearl init` copies some to start from")
    client = connect(BRIGHTPEARL, conn_id)
    fields = _fields(client, flows)
    steps = _hooks(client, flows, _address(webhook_url, conn_id), apply=apply) if webhook_url else []
    if as_json:
        print_json({"missing_fields": fields, "webhooks": steps})
    sys.exit(1 if fields or (steps and not apply) else 0)


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


def _address(webhook_url: str, conn_id: str) -> HookAddress:
    """Where the account sends its events: to the path of the connection, with its first secret."""
    from airflow_provider_brightpearl.compat import BaseHook
    from airflow_provider_brightpearl.receiver.accounts import first_secret
    from airflow_provider_brightpearl.systems.brightpearl.webhooks import HookAddress

    secret = first_secret(BaseHook.get_connection(conn_id))
    return HookAddress(f"{webhook_url.rstrip('/')}{PREFIX}/{conn_id}/", secret)


def _hooks(
    client: BrightpearlClient, flows: list[FlowSpec], address: HookAddress, *, apply: bool
) -> list[dict[str, str]]:
    """The steps to the webhooks of the flows that events run; taken one by one, or shown."""
    from airflow_provider_brightpearl.systems.brightpearl.webhooks import (
        events_wanted,
        plan_hooks,
        take_step,
    )

    wanted = events_wanted([flow for flow in flows if flow.events])
    steps = plan_hooks(client, wanted, address)
    for step in steps:
        if apply:
            take_step(client, step, address)
        say(f"{'done: ' if apply else ''}{step}")
    say(f"{counted(len(wanted), 'webhook')} compared, {len(steps)} {'changed' if apply else 'to change'}")
    if steps and not apply:
        say("--apply takes these steps")
    return [{"action": step.action, "event": step.event, "why": step.why} for step in steps]
