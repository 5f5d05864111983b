"""Whether the bytes of a record can be used at all: text in UTF-8."""

from __future__ import annotations

_AROUND = 30


def unusable(record: bytes) -> str:
    """What is wrong with a raw record, as a sentence that names the place; empty where nothing is."""
    try:
        record.decode()
    except UnicodeDecodeError as error:
        before = record[max(0, error.start - _AROUND) : error.start].decode("utf-8", "replace")
        return f"byte {record[error.start]:#04x} at {error.start} is not UTF-8, after {before!r}: correct the text"
    return ""
