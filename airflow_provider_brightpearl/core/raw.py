"""Whether the bytes of a record can be used at all: one JSON object in UTF-8."""

from __future__ import annotations

import msgspec

_AROUND = 30


class _Object(msgspec.Struct):
    """Any JSON object; its members are skipped."""


_skim = msgspec.json.Decoder(_Object).decode


def unusable(record: bytes) -> str:
    """What is wrong with a raw record, as a sentence that names the place; empty where nothing is."""
    if problem := not_text(record):
        return problem
    try:
        _skim(record)
    except msgspec.DecodeError as error:
        return f"the record is not a JSON object: {error}"
    return ""


def not_text(record: bytes) -> str:
    """Where a raw record is not UTF-8, as a sentence; empty where it is."""
    try:
        record.decode()
    except UnicodeDecodeError as error:
        before = record[max(0, error.start - _AROUND) : error.start].decode("utf-8", "replace")
        return f"byte {record[error.start]:#04x} at {error.start} is not UTF-8, after {before!r}: correct the text"
    return ""
