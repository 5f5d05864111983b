"""``brightpearl state``: looks after the state database."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, ResultCommand, past_instant, print_json, say, show
from airflow_provider_brightpearl.cli.state_check import check
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.pipeline.rebuild import RebuildReport

state = typer.Typer(help="Look after the state database.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, only count.")]


@state.callback()
def group() -> None:
    """Look after the state database."""


@state.command(cls=ResultCommand)
def clean(
    before: Annotated[
        str,
        typer.Option(
            help="Remove state older than this, such as 2026-01-31 or 90d; as the settings say if left out."
        ),
    ] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove staging files and state that are no longer needed, as the DAG brightpearl_maintenance does.

    Never removes bindings, watermarks, dead letters that wait, writes in doubt, or a flow's newest run.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.maintenance import clean as clean_up
    from airflow_provider_brightpearl.runtime.state_guard import current_state
    from airflow_provider_brightpearl.stores.ledger import SqlLedger

    environment, oldest = airflow_environment(), past_instant("--before", before)
    if oldest and oldest > environment.now():
        raise Misconfigured(f"--before: {before} is in the future")
    if not dry_run:
        current_state(SqlLedger(environment.state()), environment)
    removed = clean_up(environment, oldest, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "removed": removed})
        return
    for name, count in removed.items():
        say(f"{count:>9,} {_KINDS[name]}")
    say("dry run: nothing was removed" if dry_run else "removed")


_KINDS = {
    "payloads": "payloads of closed dead letters, conflicts and received events",
    "dead_letters": "closed dead letters",
    "runs": "runs",
    "reconciliations": "reconciliations",
    "events": "events of records",
    "intents": "settled intents",
    "queued": "places of runs that waited for a system and never came back",
    "outages": "outages that nobody looks at any more",
    "conflicts": "closed conflicts",
    "inbox": "processed records of the inbox",
    "inbox_events": "received events",
    "staging": "staging folders",
}


state.command(cls=ResultCommand)(check)


@state.command(cls=ResultCommand)
def rebuild(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Add to a crosswalk that is not empty; bindings in it stay.")
    ] = False,
    dry_run: DryRun = False,
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
    as_json: Json = False,
) -> None:
    """Fill the crosswalk of a flow by reading its target, after state was lost. Writes to neither system.

    Flows that it refers to come first. Ends with code 1 if rows need a look, or records wait for such a flow.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.rebuild import rebuild as rebuild_crosswalk
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    wiring = Wiring.of(flow, environment, source_conn_id, target_conn_id)
    name = f"rebuild__{datetime.now(UTC).isoformat(timespec='seconds')}"
    found = rebuild_crosswalk(wiring, name, merge=merge, dry_run=dry_run)
    if as_json:
        print_json(found)
    else:
        _show_found(found, list(wiring.flow.objects))
    sys.exit(1 if found.problems or found.waiting else 0)


def _show_found(found: RebuildReport, objects: list[str]) -> None:
    counts = {
        "bound before": found.bound, "found": found.found, "not in the target": found.missing,
        "cannot be looked up": found.not_searched,
    }  # fmt: skip
    table = Table("Object", *counts)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in objects:
        table.add_row(name, *(f"{count[name]:,}" for count in counts.values()))
    show(table)
    for each in found.problems[:_PROBLEMS]:
        say(f"record {each.source_id}, {each.object} {each.key}: {each.reason}")
    if len(found.problems) > _PROBLEMS:
        say(f"and {len(found.problems) - _PROBLEMS:,} more; --json shows all")
    unmapped = f", {found.not_mapped:,} of them not mapped, so not looked for" if found.not_mapped else ""
    say(f"{found.records:,} records{unmapped}")
    for parent, count in sorted(found.waiting.items()):
        say(
            f"{count:,} wait for records of {parent} that are not bound: rebuild {parent} first, then this flow again"
        )
    say(
        "dry run: nothing was bound"
        if found.dry_run
        else f"{counted(found.found.total(), 'row')} bound; the next run writes again what it may change"
    )


_PROBLEMS = 20


@state.command(cls=ResultCommand)
def copy(
    source: Annotated[
        str,
        typer.Option("--from", help="Where the state is: a SQLite file, a connection id, or a URL."),
    ],
    as_json: Json = False,
) -> None:
    """Copy all state into the database in use, which has to be empty: SQLite to PostgreSQL, or back.

    Pause the DAGs first and let their runs end: a run that began on the old database stops on the new one.
    """
    from airflow_provider_brightpearl.environment import state_engine
    from airflow_provider_brightpearl.stores.moving import copy_state

    copied = copy_state(_source_url(source), state_engine())
    if as_json:
        print_json({"copied": copied})
        return
    for name, count in copied.items():
        say(f"{count:>9,} {name}")
    say("copied and counted; the database they came from is as it was")


def _source_url(source: str) -> str:
    from airflow_provider_brightpearl.environment import connection_url

    if "://" in source:
        return source
    file = Path(source).expanduser()
    return f"sqlite:///{file.resolve()}" if file.is_file() else connection_url(source, "--from")


@state.command(cls=ResultCommand)
def rename(
    old: Annotated[str, typer.Argument(help="The flow's name so far.")],
    new: Annotated[str, typer.Argument(help="Its new name.")],
    as_json: Json = False,
) -> None:
    """Give all state of a flow to its new name; without that, a renamed flow starts anew.

    Rename its flow file first, and its DAG and its name in the other flow files before its next run.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.state_guard import current_state
    from airflow_provider_brightpearl.stores.ledger import SqlLedger
    from airflow_provider_brightpearl.stores.moving import rename_flow

    if not re.fullmatch(r"[a-z][a-z0-9_]*", new):
        raise Misconfigured(f"{new!r} is not a name for a flow; use lower case letters, digits and _")
    _refuse_beside_dag(old)
    _refuse_beside_dag(new)
    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    _check_files(environment.mappings, old, new)
    current_state(SqlLedger(environment.state()), environment)
    renamed = rename_flow(environment.state(), old, new)
    if as_json:
        print_json({"renamed": renamed})
        return
    for name, count in renamed.items():
        if count:
            say(f"{count:>9,} {_LETTERS_OF_OTHERS if name == 'waiting' else name}")
    say(f"{old} is {new} now")


def _refuse_beside_dag(flow: str) -> None:
    """Raises ``Misconfigured`` while a run of the flow's DAG is going on.

    Its next task would go on under the old name.
    """
    from airflow.models.dagrun import DagRun
    from sqlalchemy.exc import SQLAlchemyError

    try:
        going = DagRun.find(dag_id=flow, state="running")
    except SQLAlchemyError as error:
        raise Misconfigured(
            f"Airflow's database does not say whether DAG {flow} is running: {type(error).__name__}; "
            "run this where `airflow dags list-runs` works"
        ) from error
    if going:
        raise Misconfigured(f"DAG {flow} is running ({going[0].run_id}); wait for it to end")


def _check_files(folder: Path, old: str, new: str) -> None:
    """Refuses names that the flow files do not bear out: state under a mistyped name is found by no run."""
    if not (folder / f"{new}.yaml").is_file():
        raise Misconfigured(f"there is no {new}.yaml in {folder}; rename the flow file first")
    if (folder / f"{old}.yaml").is_file():
        raise Misconfigured(
            f"{old}.yaml is still in {folder}, and would start anew; rename the flow file first"
        )


@state.command(cls=ResultCommand)
def restored(as_json: Json = False) -> None:
    """Say that the state database was restored from a backup: every flow begins anew, with the bindings it has.

    The next run of each flow reads everything, sends what has changed, and looks in its target before it creates what
    the backup does not know of. Pause the DAGs first and let their runs end.
    """
    from airflow_provider_brightpearl.environment import state_engine
    from airflow_provider_brightpearl.stores.restored import accept_restored

    flows = accept_restored(state_engine())
    if as_json:
        print_json({"flows": flows})
        return
    say(f"the next run of each flow reads everything: {', '.join(flows) or 'none has run'}")


_LETTERS_OF_OTHERS = "dead letters of other flows that wait for it"
