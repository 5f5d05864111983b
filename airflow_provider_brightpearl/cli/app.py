"""The command ``brightpearl``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from airflow_provider_brightpearl import __version__
from airflow_provider_brightpearl.cli import start
from airflow_provider_brightpearl.cli.account import account
from airflow_provider_brightpearl.cli.conflicts import conflicts
from airflow_provider_brightpearl.cli.connections import connections
from airflow_provider_brightpearl.cli.dead_letters import dead_letters
from airflow_provider_brightpearl.cli.dead_letters_files import export, repro
from airflow_provider_brightpearl.cli.dead_letters_replay import replay
from airflow_provider_brightpearl.cli.events import events
from airflow_provider_brightpearl.cli.mapping import mapping
from airflow_provider_brightpearl.cli.match import match
from airflow_provider_brightpearl.cli.output import ResultCommand
from airflow_provider_brightpearl.cli.plan import plan
from airflow_provider_brightpearl.cli.quota import quota
from airflow_provider_brightpearl.cli.receive import receive
from airflow_provider_brightpearl.cli.reconcile import reconcile
from airflow_provider_brightpearl.cli.run import run
from airflow_provider_brightpearl.cli.salesforce import salesforce
from airflow_provider_brightpearl.cli.schema import schema
from airflow_provider_brightpearl.cli.state import state
from airflow_provider_brightpearl.cli.subscribe import subscribe
from airflow_provider_brightpearl.cli.trace import trace
from airflow_provider_brightpearl.cli.verify import verify
from airflow_provider_brightpearl.errors import SyncError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    name="brightpearl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=ResultCommand)(start.init)
app.add_typer(start.flow, name="flow")
app.add_typer(connections, name="connections")
app.add_typer(mapping, name="mapping")
app.add_typer(salesforce, name="salesforce")
app.add_typer(account, name="account")
app.add_typer(state, name="state")
app.command(cls=ResultCommand)(plan)
app.command(cls=ResultCommand)(quota)
app.command(cls=ResultCommand)(schema)
app.command(cls=ResultCommand)(match)
app.command(cls=ResultCommand)(run)
app.command(cls=ResultCommand)(receive)
app.command(cls=ResultCommand)(subscribe)
app.command(cls=ResultCommand)(reconcile)
app.command(cls=ResultCommand)(verify)
app.command(cls=ResultCommand)(conflicts)
app.command(cls=ResultCommand)(trace)
for command in (replay, export, repro):
    dead_letters.command(cls=ResultCommand)(command)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(events, name="events")


def main(arguments: list[str] | None = None) -> None:
    """Runs one command; ends with code 1 and one plain line where it cannot do what was asked."""
    given = sys.argv[1:] if arguments is None else arguments
    # as Airflow's own commands for connections do: without it, Airflow 3 reads none from its database
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        app(["--help"] if given == ["help"] else given, prog_name="brightpearl")
    except SyncError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"airflow-provider-brightpearl {__version__}")
        raise typer.Exit


@app.callback()
def group(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Set up, check and run flows between Brightpearl, Salesforce and Infor M3."""


@app.command(context_settings=PASS_ON)
def backfill(context: typer.Context) -> None:
    """Run a DAG for past intervals: DAG -s FROM -e TO; --help lists all options."""
    from airflow_provider_brightpearl.cli.backfill import run as run_backfill

    sys.exit(run_backfill(context.args))


@app.command(context_settings=PASS_ON)
def sandbox(context: typer.Context) -> None:
    """Run simulated Brightpearl, Salesforce and Infor M3 systems on this machine; --help lists all options."""
    import runpy
    from importlib.util import find_spec

    if find_spec("uvicorn") is None or find_spec("orjson") is None:
        Console(stderr=True).print(
            "The sandbox needs more packages: pip install 'airflow-provider-brightpearl[sandbox]'",
            markup=False,
        )
        sys.exit(1)
    sys.argv = ["brightpearl sandbox", *context.args]
    # by name, since nothing of the product may import the sandbox
    runpy.run_module("airflow_provider_brightpearl.sandbox", run_name="__main__", alter_sys=False)
