"""Commands in Airflow's own command line, where it takes any from providers (3.2 and newer).

``airflow brightpearl ...`` is the console script ``brightpearl``. ``airflow dags backfill``, which Airflow 3
dropped, is put back for DAGs of this package, by adding to a list that Airflow does not document; so it is guarded, and
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
    """Runs the native command that does what the arguments of Airflow 2 ask for, if the DAG is of this package."""
    from airflow.cli.cli_parser import get_parser

    from airflow_provider_brightpearl.compat import AirflowException

    if not _is_ours(args.dag_id):
        sys.exit(
            f"airflow dags backfill: error: DAG {args.dag_id} has no task of airflow-provider-brightpearl, or has not "
            f"been read yet; use `airflow backfill create --dag-id {args.dag_id} --from-date … --to-date …`"
        )
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


def _is_ours(dag_id: str) -> bool:
    """Whether the DAG, as Airflow has last read it, has a task of this package."""
    from airflow.models.serialized_dag import SerializedDagModel

    dag = SerializedDagModel.get_dag(dag_id)
    modules = [str(getattr(task, "_task_module", "")) for task in dag.tasks] if dag else []
    return any(module.partition(".")[0] == __name__.partition(".")[0] for module in modules)


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
        help="Run a DAG of airflow-provider-brightpearl for a range of dates (as on Airflow 2)",
        description=backfill.DESCRIPTION,
        func=run_dags_backfill,
        args=[Arg(names, **options) for names, options in backfill.ARGUMENTS],
    )
