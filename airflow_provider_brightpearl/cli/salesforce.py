"""``brightpearl salesforce``: what the flows need in an org, and whether it is there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from airflow_provider_brightpearl.errors import Misconfigured

salesforce = typer.Typer(help="Check what the flows need in a Salesforce org.", no_args_is_help=True)
console = Console()


@salesforce.callback()
def group() -> None:
    """Check what the flows need in a Salesforce org."""


@salesforce.command()
def deploy(
    check: Annotated[
        bool, typer.Option("--check", help="Compare an org with the shipped source; change nothing.")
    ] = False,
    conn_id: Annotated[
        str, typer.Option(help="Connection of the org; its user is the one that syncs.")
    ] = "salesforce_default",
) -> None:
    """Compare an org with the custom fields and objects that the flows need, and say what is missing."""
    from airflow_provider_brightpearl.endpoints.salesforce_schema import SOURCE, compare, wanted_fields
    from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook

    if not check:
        raise Misconfigured(
            f"say --check to compare an org; `sf project deploy start` in {SOURCE} deploys what it lacks"
        )
    wanted = wanted_fields()
    findings = compare(wanted, SalesforceHook(conn_id).get_client().describe)
    for finding in findings:
        console.print(str(finding), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(wanted)} fields compared, {len(findings)} things missing")
    if findings:
        console.print(f"deploy them with `sf project deploy start` in {SOURCE}", markup=False, soft_wrap=True)
    sys.exit(1 if findings else 0)
