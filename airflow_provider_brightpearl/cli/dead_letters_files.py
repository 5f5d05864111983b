"""``brightpearl dead-letters export | repro``: letters that leave for a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from airflow_provider_brightpearl.cli.dead_letters import (
    Cause,
    Flow,
    Pair,
    Since,
    State,
    environment,
    filter_of,
)
from airflow_provider_brightpearl.cli.output import Json, cell_text, print_json, say
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured


def export(
    file: Annotated[Path, typer.Argument(help="The file: .csv for a spreadsheet, or .jsonl.")],
    flow: Flow = "",
    state: State = None,
    cause: Cause = "",
    since: Since = "",
    pair: Pair = "",
    payload: Annotated[
        str, typer.Option(help="Of the records: none, anonymised (without personal data), or whole.")
    ] = "none",
    as_json: Json = False,
) -> None:
    """Write letters to a file; without options all that wait, without their records and values."""
    from airflow_provider_brightpearl.runtime.desk import find_letters
    from airflow_provider_brightpearl.runtime.letter_export import Payload, export_letters

    known = [each.value for each in Payload]
    if payload not in known:
        raise Misconfigured(
            f"--payload: {payload!r} is none of {', '.join(known)}{did_you_mean(payload, known)}"
        )
    where = environment()
    letters = find_letters(where, filter_of(flow, state, since, pair), cause)
    count = export_letters(where, letters, file, Payload(payload), cell_text)
    if as_json:
        print_json({"file": str(file), "letters": count})
        return
    personal = "; it holds personal data" if payload == Payload.WHOLE.value else ""
    say(f"{counted(count, 'letter')} written to {file}{personal}")


def repro(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="A letter, or the id of its record.")],
    output: Annotated[
        Path | None, typer.Option("--output", help="The test to write; test_<letter>.py here if left out.")
    ] = None,
    personal_data: Annotated[
        bool, typer.Option("--with-personal-data", help="Leave names, addresses and the like as they are.")
    ] = False,
    pair: Pair = "",
    as_json: Json = False,
) -> None:
    """Write a test of a letter's record for pytest: it fails until the flow file or its lookups are mended."""
    from airflow_provider_brightpearl.runtime.desk import find_letter
    from airflow_provider_brightpearl.runtime.repro import write_repro

    where = environment()
    letter = find_letter(where, letter_id, pair)
    name = re.sub(r"\W+", "_", f"{letter.flow}_{letter.source_id}").strip("_").lower()
    file = write_repro(where, letter, output or Path(f"test_{name}.py"), personal_data=personal_data)
    if as_json:
        print_json({"file": str(file), "letter": letter.id})
        return
    say(f"written; it fails now: pytest {file}")
