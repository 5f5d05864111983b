"""Commands in Airflow's own command line, where it takes any from providers (3.2 and newer).

``airflow brightpearl ...`` is the console script ``brightpearl``. ``airflow dags backfill``, which Airflow 3
dropped, is put back by adding to a list that Airflow does not document; so it is guarded, and
``[brightpearl] dags_backfill_command = False`` leaves it out.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from typing import Any

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli import backfill
from airflow_provider_brightpearl.compat import airflow_version

log = logging.getLogger(__name__)


def get_cli_commands() -> list[Any]:
    """The commands of this provider."""
    from airflow.cli.cli_config import ActionCommand, Arg

    if settings.switch("dags_backfill_command"):
        _put_back_dags_backfill()
    return [
        ActionCommand(
            name="brightpearl",
            help="Set up, check and backfill flows between Brightpearl and other systems",
            description="The same as the command `brightpearl`; `airflow brightpearl help` lists it all.",
            func=run_brightpearl,
            args=(Arg(("arguments",), nargs=argparse.REMAINDER, help="Command and its options"),),
        )
    ]


def run_brightpearl(args: argparse.Namespace) -> None:
    """Runs the console script with what follows ``airflow brightpearl``."""
    from airflow_provider_brightpearl.cli.app import main

    main(args.arguments)


def run_dags_backfill(args: argparse.Namespace) -> None:
    """Runs the native command that does what the arguments of Airflow 2 ask for."""
    from airflow.cli.cli_parser import get_parser

    from airflow_provider_brightpearl.compat import AirflowException

    try:
        native = backfill.native_arguments(args, airflow_version())
    except ValueError as error:
        sys.exit(f"airflow dags backfill: error: {error}")
    parsed = get_parser().parse_args(native)
    try:
        parsed.func(parsed)
    except AirflowException as error:
        sys.exit(f"airflow dags backfill: error: {error}")
    if not args.dry_run:
        sys.stdout.write(
            f"The runs are queued; the scheduler executes them once DAG {args.dag_id} is unpaused.\n"
        )


def _put_back_dags_backfill() -> None:
    try:
        # this runs while cli_parser is being imported, so its list of commands can still be changed
        commands = sys.modules["airflow.cli.cli_parser"].airflow_commands
        place = next(index for index, command in enumerate(commands) if command.name == "dags")
        group = commands[place]
        if all(command.name != "backfill" for command in group.subcommands):
            commands[place] = _with(group, [*group.subcommands, _backfill_command()])
    except (KeyError, StopIteration, AttributeError, TypeError) as error:
        log.warning(
            "`airflow dags backfill` is not offered on this Airflow, use `brightpearl backfill`: %s", error
        )


def _with(group: Any, subcommands: list[Any]) -> Any:
    if dataclasses.is_dataclass(group):
        return dataclasses.replace(group, subcommands=subcommands)  # type: ignore[type-var]
    return group._replace(subcommands=subcommands)


def _backfill_command() -> Any:
    from airflow.cli.cli_config import ActionCommand, Arg

    return ActionCommand(
        name="backfill",
        help="Run a DAG for a range of dates (as on Airflow 2)",
        description=backfill.DESCRIPTION,
        func=run_dags_backfill,
        args=[Arg(names, **options) for names, options in backfill.ARGUMENTS],
    )
