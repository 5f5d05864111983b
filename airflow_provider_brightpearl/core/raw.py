"""Whether the bytes of a record can be used at all: text in UTF-8, without NUL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

# an escape whose backslash is not itself escaped
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_AROUND = 30


def unusable(record: bytes) -> str:
    """What is wrong with a raw record, as a sentence that names the place; empty where nothing is.

    Databases and targets take neither bytes that are no UTF-8 nor NUL (PostgreSQL: text, section 8.3).
    """
    try:
        record.decode()
    except UnicodeDecodeError as error:
        before = record[max(0, error.start - _AROUND) : error.start].decode("utf-8", "replace")
        return f"byte {record[error.start]:#04x} at {error.start} is not UTF-8, after {before!r}: correct the text"
    if b"\\u0000" in record and _NUL.search(record):
        return f"{_place_of_nul(record) or 'a text'} has a NUL character: remove it"
    return ""


def _place_of_nul(record: bytes) -> str:
    try:
        return next(_paths_with_nul(msgspec.json.decode(record), ""), "")
    except (msgspec.DecodeError, RecursionError):
        return ""


def _paths_with_nul(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and "\x00" in value:
        yield path
    elif isinstance(value, dict):
        for name, each in value.items():
            if "\x00" in name:
                yield f"a name in {path or 'the record'}"
            yield from _paths_with_nul(each, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _paths_with_nul(each, f"{path}[{place}]")
