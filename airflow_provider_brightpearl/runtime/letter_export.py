"""Dead letters in a file for a spreadsheet: CSV, or JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.desk import Letter
from airflow_provider_brightpearl.core.patches import EXACT, decode
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.anonymise import anonymised
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.stores.desk import SqlDesk
from airflow_provider_brightpearl.stores.files import as_path, whole_file


class Payload(StrEnum):
    """What an export holds of the records themselves: nothing, no personal data, or all."""

    NONE = "none"
    ANONYMISED = "anonymised"
    WHOLE = "whole"


# what a target or mapping has said may name a person
_VALUES = ("value", "reason")


def export_letters(
    environment: Environment,
    letters: Iterable[Letter],
    file: Path,
    payload: Payload,
    cell: Callable[[object], str] = str,
) -> int:
    """Writes letters to a file, which takes its place once it is whole; returns how many.

    Args:
        environment: where the flows run.
        letters: those meant.
        file: ending with ``.csv`` or ``.jsonl``.
        payload: what of the records goes with them. Without whole records, refused values stay away too: ``cause``
            says why without them.
        cell: makes a cell of a value.

    Raises:
        Misconfigured: the file ends otherwise, or cannot be written.
        Unavailable: the state database does not answer.
    """
    if file.suffix not in (".csv", ".jsonl"):
        raise Misconfigured(f"{file.name}: name the file .csv or .jsonl")
    desk, count = SqlDesk(environment.state()), 0
    names = [*_row(desk, None, payload)]
    try:
        with whole_file(as_path(file)) as part, part.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            if file.suffix == ".csv":
                writer.writerow(names)
            for letter in letters:
                row = _row(desk, letter, payload)
                if file.suffix == ".csv":
                    writer.writerow(["" if value is None else cell(_text(value)) for value in row.values()])
                else:
                    opened.write(msgspec.json.encode(row).decode() + "\n")
                count += 1
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written: {error.strerror}") from error
    return count


def _row(desk: SqlDesk, letter: Letter | None, payload: Payload) -> dict[str, Any]:
    """The columns of a letter; with None, their names."""
    fields = [name for name in Letter.__struct_fields__ if payload is Payload.WHOLE or name not in _VALUES]
    row: dict[str, Any] = {"id": letter and letter.id, "group": letter and letter.group}
    row |= {name: letter and getattr(letter, name) for name in fields}
    if payload is not Payload.NONE:
        row["payload"] = letter and _payload(desk, letter, payload)
    return row


def _payload(desk: SqlDesk, letter: Letter, payload: Payload) -> str:
    raw = desk.payload(letter)
    if payload is Payload.WHOLE:
        return raw
    try:
        return EXACT.encode(anonymised(decode(raw), (), letter.id)).decode()
    except msgspec.DecodeError:
        return ""


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
