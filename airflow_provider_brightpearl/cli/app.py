"""The command ``brightpearl``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.account import account
from airflow_provider_brightpearl.cli.mapping import mapping
from airflow_provider_brightpearl.cli.plan import plan
from airflow_provider_brightpearl.cli.reconcile import reconcile
from airflow_provider_brightpearl.cli.salesforce import salesforce
from airflow_provider_brightpearl.errors import SyncError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    name="brightpearl",
    help="Set up, check and backfill flows between Brightpearl, Salesforce and Infor M3.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(mapping, name="mapping")
app.add_typer(salesforce, name="salesforce")
app.add_typer(account, name="account")
app.command()(reconcile)
app.command()(plan)
console = Console()


def main(arguments: list[str] | None = None) -> None:
    """Runs one command; ends with code 1 and one plain line where it cannot do what was asked."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(["--help"] if given == ["help"] else given, prog_name="brightpearl")
    except SyncError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        sys.exit(1)


@app.command()
def init(
    dest: Annotated[
        Path | None, typer.Option(help="Folder that holds dags and include; AIRFLOW_HOME if left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there and differ.")] = False,
) -> None:
    """Copy the DAGs and the flow files to start from."""
    from airflow_provider_brightpearl.cli.starter import copy_starter

    copied = copy_starter(dest or settings.airflow_home(), force=force)
    for label, files in (("written", copied.written), ("kept   ", copied.kept), ("same   ", copied.same)):
        for file in files:
            console.print(f"{label}  {file}", markup=False, highlight=False, soft_wrap=True)
    if copied.kept:
        console.print(f"{len(copied.kept)} files were there and differ; --force replaces them")
    console.print(f"{len(copied.written)} files written")


@app.command(context_settings=PASS_ON)
def backfill(context: typer.Context) -> None:
    """Run a flow for past intervals: DAG -s FROM -e TO; --help lists all options."""
    from airflow_provider_brightpearl.cli.backfill import run

    sys.exit(run(context.args))


@app.command(context_settings=PASS_ON)
def sandbox(context: typer.Context) -> None:
    """Run simulated Brightpearl, Salesforce and Infor M3 systems on this machine; --help lists all options."""
    import runpy
    from importlib.util import find_spec

    if find_spec("uvicorn") is None or find_spec("orjson") is None:
        console.print(
            "The sandbox needs more packages: pip install 'airflow-provider-brightpearl[sandbox]'",
            markup=False,
        )
        sys.exit(1)
    sys.argv = ["brightpearl sandbox", *context.args]
    # by name, since nothing of the product may import the sandbox
    runpy.run_module("airflow_provider_brightpearl.sandbox", run_name="__main__", alter_sys=False)
