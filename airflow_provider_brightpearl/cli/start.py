"""``brightpearl init`` and ``brightpearl flow new``: files to start from."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import ResultCommand, say
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.cli.starter import Copied

flow = typer.Typer(help="Start flows of your own.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Argument(help="Folder that holds dags and include; AIRFLOW_HOME if left out.")
]


def init(
    folder: Folder = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Only the flows into this system: salesforce, infor or brightpearl; else those out of Brightpearl."
        ),
    ] = None,
) -> None:
    """Copy DAGs and flow files to start from. Existing files are never changed."""
    from airflow_provider_brightpearl.cli.starter import copy_starter

    copied = copy_starter(folder or settings.airflow_home(), target)
    for file in copied.written:
        say(f"written  {file}")
    for yours, shipped in copied.differing:
        say(f"kept     {yours}")
        say(f"         differs from the one of this release: diff -u {_quoted(yours)} {_quoted(shipped)}")
    counts = [f"{counted(len(copied.written), 'file')} written", f"{len(copied.same):,} already up to date"]
    if copied.differing:
        counts.append(f"{len(copied.differing):,} kept that differ")
    say(", ".join(counts))
    if copied.written:
        _next_steps(copied)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _next_steps(copied: Copied) -> None:
    steps = [
        f"Add the connections {', '.join(f'{name}_default' for name in copied.systems)}.",
        f"brightpearl connections check {' '.join(copied.systems)}",
        "brightpearl mapping check",
    ]
    if "salesforce" in copied.systems:
        steps.append("brightpearl salesforce deploy --check     # does the org have the custom fields?")
    if "infor" in copied.systems:
        steps.append("Replace the constants in lookups/m3_*.csv and in the flows to M3 by yours.")
    if copied.flows[0].endswith("_to_brightpearl"):
        steps.append("Replace the ids in lookups/brightpearl_*.csv by those of your account.")
    steps += [
        f"brightpearl match {each}     # what it would link, create or ask; see Adopting records in the docs"
        for each in copied.creates_after.values()
    ]
    steps.append(f"brightpearl plan {copied.flows[0]}     # what the first run will cost")
    steps += [f"airflow dags unpause {name}" for name in copied.flows[:1]]
    say("\nNext steps. New DAGs are paused until you unpause them.")
    for number, step in enumerate(steps, start=1):
        say(f"  {number}. {step}")
    rest = ", ".join((*copied.flows[1:], "brightpearl_reconcile", "brightpearl_maintenance"))
    say(f"     Then, in this order: {rest}")
    for creating, matching in copied.creates_after.items():
        text = f"Leave {creating} paused until {matching} has run: where both systems hold a customer or product,"
        say(f"     {text} it would create a second one.")


@flow.callback()
def group() -> None:
    """Start flows of your own."""


@flow.command(cls=ResultCommand)
def new(
    name: Annotated[str, typer.Argument(help="Its name, such as web_orders_to_salesforce.")],
    folder: Folder = None,
    source: Annotated[
        str, typer.Option(help="What it reads, such as brightpearl.products.")
    ] = "brightpearl.sales_orders",
    target: Annotated[str, typer.Option(help="The system it writes to.")] = "salesforce",
    object_name: Annotated[
        str, typer.Option("--object", help="The object it writes, such as Order.")
    ] = "Order",
) -> None:
    """Write a flow file with one object and its DAG file. Existing files are never changed."""
    from airflow_provider_brightpearl.cli.starter import PREFIX, write_new
    from airflow_provider_brightpearl.systems.registry import find_system, stream_schema

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Misconfigured(f"{name!r} is not a name for a flow; use lower case letters, digits and _")
    if not re.fullmatch(r"[A-Za-z]\w*", object_name):
        raise Misconfigured(f"--object: {object_name!r} is not the name of an object")
    find_system(target)
    root = folder or settings.airflow_home()
    mapping, dag = root / "include/mappings" / f"{name}.yaml", root / "dags" / f"{PREFIX}{name}.py"
    taken = [path for path in (mapping, dag) if path.exists()]
    if taken:
        raise Misconfigured(f"{taken[0]} already exists and is left as it is; choose another name")
    column = stream_schema(source).id_column
    key = f"Brightpearl_Id__c: {column}" if target == "salesforce" else f"{column}: {column}"
    text = _FLOW.format(name=name, source=source, target=target, object=object_name, key=key)
    write_new(mapping, text.encode())
    write_new(dag, _DAG.format(name=name).encode())
    for file in (mapping, dag):
        say(f"written  {file}")
    say(f"""
Next steps. The DAG is paused until you unpause it.
  1. brightpearl mapping columns {source}     # what expressions can use
  2. Add fields to {mapping}.
  3. brightpearl mapping check {_quoted(mapping)}
  4. brightpearl mapping preview {_quoted(mapping)} --id ID
  5. airflow dags unpause {name}""")


_FLOW = """\
# yaml-language-server: $schema=./flow.schema.json
flow: {name}
description: What this flow does, for people who look at its DAG.
source: {source}
target: {target}
schedule: "7-59/15 * * * *"
timezone: UTC

objects:
  {object}:
    # what the target finds a record again by; in Salesforce an external id
    key: {{{key}}}
    fields: {{}}
      # Field__c: an expression over the columns of the source
"""
_DAG = """\
from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag("{name}", is_paused_upon_creation=True)
"""
