"""Whether a record can be used at all: one JSON object in UTF-8, with an id that the state database can keep."""

from __future__ import annotations

from hashlib import sha256

import msgspec

_AROUND = 30
# characters of an id or key: PostgreSQL's indexes hold 2,700 bytes a row
LONGEST_ID = 400
_SHOWN = 100


class _Object(msgspec.Struct):
    """Any JSON object; its members are skipped."""


_skim = msgspec.json.Decoder(_Object).decode


def unusable(record: bytes) -> str:
    """What is wrong with a raw record, as a sentence that names the place; empty where nothing is."""
    if problem := not_text(record):
        return problem
    try:
        _skim(record)
    # one that is nested deeper than anything reads is no less odd
    except (msgspec.DecodeError, RecursionError) as error:
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


def storable(text: str) -> str:
    """Text as both databases take it: PostgreSQL refuses NUL, and UTF-8 has no lone surrogates."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def unusable_id(source_id: str) -> str:
    """What is wrong with a record's id, as a sentence; empty where nothing is."""
    if len(source_id) > LONGEST_ID:
        return f"the id has {len(source_id)} characters, and can have {LONGEST_ID}: shorten it in the source"
    if storable(source_id) != source_id:
        return (
            f"the id {source_id!r} has a NUL character or half of a surrogate pair: correct it in the source"
        )
    return ""


def kept_id(source_id: str) -> str:
    """A record's id, or if it is unusable, its beginning and a digest that tells it from others."""
    if not unusable_id(source_id):
        return source_id
    digest = sha256(source_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{storable(source_id[:_SHOWN])}… {digest}"
