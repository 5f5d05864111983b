"""``brightpearl trace``: the way of a record through all systems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, instant_text, print_json, say, show
from airflow_provider_brightpearl.core.progress import counted

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.trace import Step, Trace


def trace(
    kind: Annotated[
        str, typer.Argument(help="Customer, product, order, credit, shipment, payment, stock, invoice …")
    ],
    record_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Its id in Brightpearl, Salesforce or M3 (such as ORNO, CUNO, ITNO)."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show the way of a record: every read, decision, write, refusal and conflict, over all flows. Asks no system."""
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.trace import trace as gather

    found = gather(airflow_environment(settings.mappings_folder(Path.cwd())), kind, record_id)
    if as_json:
        print_json(found)
        return
    _show(found)


def _show(found: Trace) -> None:
    ids: dict[str, dict[str, None]] = {}
    for row in found.rows:
        for instance, record_id in ((row.source, row.source_id), (row.target, row.target_id)):
            if record_id:
                ids.setdefault(instance, {})[record_id] = None
    for instance, known in ids.items():
        say(f"{instance or found.kind}  {', '.join(known)}")
    table = Table("Time (UTC)", "System", "Flow, run", "Step", "Record", "Details")
    for step in found.steps:
        system = step.system.partition(":")[0]
        # texts of other systems are no markup
        flow = "\n".join(filter(None, (step.flow, step.run)))
        table.add_row(
            instant_text(step.at), system, Text(flow), step.what, Text(_record(step)), Text(step.text)
        )
    show(table)
    say(f"{counted(len(found.steps), 'step')} of {found.kind} {found.id}")


def _record(step: Step) -> str:
    target = " ".join(filter(None, (step.object, step.target_id)))
    return "\n".join(filter(None, (step.source_id, f"→ {target}" if target else "")))
