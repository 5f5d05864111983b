"""``brightpearl mapping``: check flow files, try one on a record, export the schema for editors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.words import plural
from airflow_provider_brightpearl.errors import Misconfigured

SCHEMA_FILE = "flow.schema.json"

mapping = typer.Typer(help="Check flow files and try them out.", no_args_is_help=True)
console = Console()


@mapping.command()
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Flow files; all of the mappings folder if left out.")
    ] = None,
) -> None:
    """Compile flow files and say what is wrong with them."""
    chosen = files or sorted(settings.mappings_folder(Path.cwd()).glob("*.yaml"))
    if not chosen:
        raise Misconfigured(f"there are no flow files in {settings.mappings_folder(Path.cwd())}")
    problems = [problem for file in chosen for problem in _problems(file)]
    for problem in problems:
        console.print(problem, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{plural(len(chosen), 'flow file')}, {plural(len(problems), 'problem')}")
    sys.exit(1 if problems else 0)


def _problems(file: Path) -> list[str]:
    """What is wrong with one flow file: its expressions, or else its target and expectations."""
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.gates.rules import rules_of
    from airflow_provider_brightpearl.mapping.check import check_mapping
    from airflow_provider_brightpearl.systems.registry import check_flow, stream_schema

    if problems := check_mapping(file, stream_schema):
        return problems
    flow = load_flow(file)
    try:
        check_flow(flow)
        rules_of(flow)
    except Misconfigured as error:
        return [str(error)]
    return []


@mapping.command()
def preview(
    flow: Annotated[str, typer.Argument(help="Name of a flow, or its file.")],
    record: Annotated[
        Path, typer.Option(help="File with one source record as JSON; - reads standard input.")
    ],
) -> None:
    """Map one source record and show what would be written."""
    from airflow_provider_brightpearl.mapping.check import preview as mapped
    from airflow_provider_brightpearl.systems.registry import stream_schema

    shown = mapped(_file_of(flow), _record(record), stream_schema)
    if not sys.stdout.isatty():
        console.print_json(json.dumps(shown, default=str))
        return
    for name, rows in shown.items():
        _show(name, rows)


def _file_of(flow: str) -> Path:
    named = Path(flow)
    return named if named.suffix == ".yaml" else settings.mappings_folder(Path.cwd()) / f"{flow}.yaml"


def _record(file: Path) -> dict[str, Any]:
    text = sys.stdin.read() if str(file) == "-" else _text(file)
    try:
        record = json.loads(text)
    except ValueError as error:
        raise Misconfigured(f"{file} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Misconfigured(f"{file} holds a {type(record).__name__}; one record is one JSON object")
    return record


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from error


def _show(name: str, rows: Any) -> None:
    entries = rows if isinstance(rows, list) else [rows]
    for entry in entries:
        table = Table("Field", "Value", title=name, title_justify="left")
        for field, value in entry.items() if isinstance(entry, dict) else [("", entry)]:
            table.add_row(field, str(value))
        console.print(table)


@mapping.command()
def schema(
    write: Annotated[
        bool, typer.Option("--write", help=f"Write it to {SCHEMA_FILE} in the mappings folder.")
    ] = False,
) -> None:
    """Show the JSON schema of flow files, which editors complete from."""
    from airflow_provider_brightpearl.flow.spec import FlowSpec

    text = json.dumps(FlowSpec.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
    if not write:
        sys.stdout.write(text)
        return
    target = settings.mappings_folder(Path.cwd()) / SCHEMA_FILE
    target.write_text(text, encoding="utf-8")
    console.print(f"written  {target}", markup=False, highlight=False, soft_wrap=True)
