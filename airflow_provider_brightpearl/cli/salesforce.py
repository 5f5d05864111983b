"""``brightpearl salesforce``: compare an org with what the flows need, and deploy what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, ResultCommand, print_json, say, show
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured, SyncError

if TYPE_CHECKING:
    from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
    from airflow_provider_brightpearl.systems.salesforce.metadata.compare import Finding
    from airflow_provider_brightpearl.systems.salesforce.metadata.deploy import Deployed

salesforce = typer.Typer(
    help="Check and deploy what the flows need in a Salesforce org.", no_args_is_help=True
)


@salesforce.callback()
def group() -> None:
    """Check and deploy what the flows need in a Salesforce org."""


@salesforce.command(cls=ResultCommand)
def deploy(
    check: Annotated[
        bool, typer.Option("--check", help="Compare an org with the shipped source; change nothing.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Deploy what the org lacks.")] = False,
    assign_to: Annotated[
        str, typer.Option(help="User who gets the permission set; that of the connection if left out.")
    ] = "",
    conn_id: Annotated[
        str, typer.Option(help="Connection of the org; its user is the one that syncs.")
    ] = "salesforce_default",
    as_json: Json = False,
) -> None:
    """Compare an org with the custom fields and objects that the flows need, and deploy what is missing.

    The flow files of the mappings folder are compared with the org, too.
    """
    from airflow_provider_brightpearl.environment import connect
    from airflow_provider_brightpearl.systems.salesforce.system import SALESFORCE

    if check == apply:
        raise Misconfigured("pass --check to compare an org, or --apply to deploy what it lacks")
    client: SalesforceClient = connect(SALESFORCE, conn_id)
    findings = _compared(client)
    if apply:
        _applied(client, findings, assign_to)
        findings = _compared(client)
    elif findings:
        say("--apply deploys what is missing")
    problems = _flows_compared(client)
    if as_json:
        print_json({"org": findings, "flow_files": problems})
    sys.exit(1 if findings or problems else 0)


def _compared(client: SalesforceClient) -> list[Finding]:
    from airflow_provider_brightpearl.systems.salesforce.address_codes import has_picklists
    from airflow_provider_brightpearl.systems.salesforce.metadata.compare import compare, wanted_fields

    wanted = wanted_fields()
    findings = compare(wanted, client.describe)
    for finding in findings:
        say(str(finding))
    say(f"{counted(len(wanted), 'field')} compared, {counted(len(findings), 'problem')}")
    kinds = {True: "on, flows write codes", False: "off, flows write text", None: "not visible to this user"}
    say(f"state and country picklists: {kinds[has_picklists(client.described('Account'))]}")
    return findings


def _flows_compared(client: SalesforceClient) -> list[str]:
    """What the org lacks of what the user's own flow files write."""
    from airflow_provider_brightpearl.flow.load import load_flows
    from airflow_provider_brightpearl.systems.salesforce.schema import object_names, problems_of

    flows, problems = load_flows(settings.mappings_folder(Path.cwd()))
    writing = [flow for flow in flows if flow.target == "salesforce"]
    for flow in writing:
        problems += problems_of(flow, client.described, lambda: object_names(client))
    for problem in problems:
        say(problem)
    say(f"{counted(len(writing), 'flow file')} compared, {counted(len(problems), 'problem')}")
    return problems


def _applied(client: SalesforceClient, findings: list[Finding], user: str) -> None:
    from airflow_provider_brightpearl.systems.salesforce.metadata.deploy import (
        assigned,
        deploy,
        deployable,
        package,
    )

    wanted, others = deployable(findings)
    has_set = assigned(client, user)
    if not wanted and has_set:
        say("nothing to deploy" + ("; change what is named above by hand" if others else ""))
        return
    if wanted or has_set is None:
        say(f"deploying {counted(len(wanted), 'object')} and the permission set …")
        done = deploy(client, package(wanted))
        _show(done)
        if not done.success:
            raise Misconfigured(
                f"Salesforce: deployment {done.id} ended as {done.status}; nothing was changed"
            )
    _assign(client, user)


def _assign(client: SalesforceClient, user: str) -> None:
    from airflow_provider_brightpearl.systems.salesforce.metadata.compare import PERMISSION_SET
    from airflow_provider_brightpearl.systems.salesforce.metadata.deploy import assign

    whom = user or "the user of the connection"
    try:
        assign(client, user)
    except SyncError as error:
        say(
            f"{error}\nassign it by hand: Setup, Permission Sets, {PERMISSION_SET}, Manage Assignments, {whom}"
        )
        return
    say(f"permission set {PERMISSION_SET} is assigned to {whom}")


def _show(done: Deployed) -> None:
    table = Table(
        "Component", "Kind", "Outcome", title=f"Deployment {done.id}: {done.status}", title_justify="left"
    )
    for each in done.outcomes:
        table.add_row(each.name, each.kind, f"{each.word}: {each.problem}" if each.problem else each.word)
    show(table)
    if done.error:
        say(done.error)
