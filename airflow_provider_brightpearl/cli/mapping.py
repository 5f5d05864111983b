"""``brightpearl mapping``: check flow files, try one on a record, list columns, export the schema for editors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, ResultCommand, print_json, say, show
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

SCHEMA_FILE = "flow.schema.json"

mapping = typer.Typer(help="Check flow files and try them out.", no_args_is_help=True)

FlowName = Annotated[str, typer.Argument(metavar="FLOW", help="Name of a flow, or its file.")]


@mapping.command(cls=ResultCommand)
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Flow files; all of the mappings folder if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile flow files and show what is wrong with them."""
    folder = settings.mappings_folder(Path.cwd())
    chosen = files or sorted(folder.glob("*.yaml"))
    if not chosen:
        raise Misconfigured(f"no flow files in {folder}; `brightpearl init` copies some to start from")
    problems = {str(file): found for file in chosen if (found := _problems(file))}
    for file, text in _between_flows(chosen):
        problems.setdefault(str(file), []).append(text)
    notes = [note for file in chosen if str(file) not in problems for note in _notes(file)]
    for note in notes:
        say(note)
    if as_json:
        print_json({"files": [str(file) for file in chosen], "problems": problems, "notes": notes})
    else:
        for problem in (line for found in problems.values() for line in found):
            say(problem)
        count = sum(map(len, problems.values()))
        say(f"{counted(len(chosen), 'flow file')}, {counted(count, 'problem')}")
    sys.exit(1 if problems else 0)


def _between_flows(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """What is wrong between flows of one folder, each at the first of the files that it is about."""
    from airflow_provider_brightpearl.flow.disjoint import disjoint_problems
    from airflow_provider_brightpearl.flow.load import load_flows
    from airflow_provider_brightpearl.flow.writers import writer_problems
    from airflow_provider_brightpearl.mapping.references import reference_problems

    for folder in dict.fromkeys(file.parent for file in files):
        here = [file for file in files if file.parent == folder]
        flows, unreadable = load_flows(folder)
        faulty = {file.stem for file in folder.glob("*.yaml")} - {flow.flow for flow in flows}
        for problem in (*writer_problems(flows, faulty), *disjoint_problems(flows, folder)):
            if about := [file for file in here if file.stem in problem.flows]:
                yield about[0], problem.text
        # flows run from the mappings folder; what an unreadable file holds is not known
        complete = not unreadable and folder.resolve() == settings.mappings_folder(Path.cwd()).resolve()
        for name, text in reference_problems(flows, complete=complete):
            yield from ((file, text) for file in here if file.stem == name)


def _notes(file: Path) -> Sequence[str]:
    """What one flow file does that its author may not expect."""
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.systems.registry import find_system

    flow = load_flow(file)
    return find_system(flow.source_system).notes(flow)


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


@mapping.command(cls=ResultCommand)
def preview(
    flow: FlowName,
    record: Annotated[
        Path | None, typer.Option(help="File with one source record as JSON; - reads standard input.")
    ] = None,
    source_id: Annotated[
        str | None, typer.Option("--id", help="Id of a record that is read from the source now.")
    ] = None,
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source, for --id.")] = None,
    as_json: Json = False,
) -> None:
    """Map one source record and show what would be written. Nothing is written."""
    from airflow_provider_brightpearl.mapping.check import preview as mapped
    from airflow_provider_brightpearl.systems.registry import stream_schema

    if (record is None) == (source_id is None):
        raise Misconfigured("pass either --id with a source id, or --record with a file")
    file = _file_of(flow)
    raw = _read_live(file, source_id, source_conn_id) if source_id else _read_file(record or Path("-"))
    shown = mapped(file, raw, stream_schema)
    if as_json:
        print_json(shown)
        return
    for name, rows in shown.items():
        _show(name, rows)


def _file_of(flow: str) -> Path:
    named = Path(flow)
    return named if named.suffix == ".yaml" else settings.mappings_folder(Path.cwd()) / f"{flow}.yaml"


def _read_live(file: Path, source_id: str, conn_id: str | None) -> bytes:
    """One record as the flow's source gives it now."""
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    wiring = Wiring.of(file.stem, airflow_environment(file.parent), conn_id)
    for found, raw in wiring.source().read_ids([source_id]):
        if found == source_id and isinstance(raw, bytes):
            return raw
    raise Misconfigured(f"{wiring.flow.source} has no record {source_id}")


def _read_file(file: Path) -> bytes:
    text = sys.stdin.read() if str(file) == "-" else _text(file)
    try:
        record = json.loads(text)
    except ValueError as error:
        raise Misconfigured(f"{file} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Misconfigured(f"{file} holds a {type(record).__name__}; one record is one JSON object")
    return text.encode()


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
        show(table)
    if not entries:
        say(f"{name}: no rows")


@mapping.command(cls=ResultCommand)
def columns(
    stream: Annotated[
        str, typer.Argument(help="Such as brightpearl.sales_orders; a flow's name stands for its source.")
    ],
    as_json: Json = False,
) -> None:
    """List the columns of a stream, with types, as expressions name them."""
    from airflow_provider_brightpearl.core.schema import expression_columns
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.systems.registry import stream_schema

    source = stream if "." in stream and not stream.endswith(".yaml") else load_flow(_file_of(stream)).source
    schema = stream_schema(source)
    found = list(expression_columns(schema.columns))
    if as_json:
        print_json({"stream": source, "id": schema.id_column, "columns": dict(found)})
        return
    width = max(len(path) for path, _ in found)
    for path, kind in found:
        say(f"{path:<{width}}  {kind}")
    say(f"{source}: {counted(len(found), 'column')}; the id is {schema.id_column}")


@mapping.command(cls=ResultCommand)
def schema(
    write: Annotated[
        bool, typer.Option("--write", help=f"Write it to {SCHEMA_FILE} in the mappings folder.")
    ] = False,
) -> None:
    """Show the JSON schema of flow files, which editors complete from."""
    from airflow_provider_brightpearl.flow.spec import FlowSpec

    text = json.dumps(FlowSpec.model_json_schema(), indent=2, ensure_ascii=False)
    if not write:
        say(text)
        return
    target = settings.mappings_folder(Path.cwd()) / SCHEMA_FILE
    target.write_text(text + "\n", encoding="utf-8")
    say(f"written  {target}")
