"""Reads records by id and accounts for every id: one missing from an answer is requested again, finally alone.

A 404 or a list with gaps may mean "deleted", or be a passing fault of the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from more_itertools import divide

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.core.raw import not_text
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.systems.brightpearl.narrow import SetAside

Ask = Callable[[Sequence[int], SetAside], Iterable[tuple[int | None, bytes]]]

# at most so many ids are requested alone: more mean a faulty resource, not single bad records
ONE_BY_ONE = 50


@dataclass(slots=True)
class Collected:
    """Records by id, and why the others are missing; together they cover all ids requested."""

    records: dict[int, bytes] = field(default_factory=dict)
    unread: dict[int, Unread] = field(default_factory=dict)


def fetch(ask: Ask, ids: Sequence[int], what: str) -> Collected:
    """The records of these ids.

    Args:
        ask: gives id and record of those that it finds, None for an id that cannot be read; calls back with an id
            that the account cannot answer, and the error.
        ids: ascending, not repeated.
        what: names the records in reasons, such as ``order-service/order``.
    """
    found = Collected()
    _take(found, ask, ids, what)
    left = _left(found, ids)
    for some in divide(2, left) if len(left) > 1 else ():
        _take(found, ask, list(some), what)
    for each in _left(found, left)[:ONE_BY_ONE]:
        stray = _take(found, ask, [each], what)
        if stray:
            found.unread[each] = Unread(f"{what}: the record of {each} has no id that can be read", stray[0])
    for each in _left(found, left):
        found.unread[each] = Unread(
            f"{what} has no record {each}: deleted, or hidden from this app; it was requested again, finally alone",
            gone=True,
        )
    return found


def _take(found: Collected, ask: Ask, ids: Sequence[int], what: str) -> list[bytes]:
    """Requests these ids; returns records with other ids."""
    wanted, strays = set(ids), []

    def set_aside(number: int, error: SyncError) -> None:
        found.unread[number] = Unread(f"{what}: the account cannot answer for {number}: {error.message}")

    for number, record in ask(ids, set_aside):
        if number not in wanted:
            strays.append(record)
        elif problem := not_text(record):
            found.unread[number] = Unread(f"{what} {number}: {problem}", record)
        else:
            found.records[number] = record
    return strays


def _left(found: Collected, ids: Sequence[int]) -> list[int]:
    return [each for each in ids if each not in found.records and each not in found.unread]


def record_id(record: bytes, column: str) -> int | None:
    """The id of a raw record, None where it has none that can be read."""
    try:
        value: msgspec.Raw = _id_decoder(column).decode(record).value
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = bytes(value).strip(b'"').decode("utf-8", "replace")
    return int(text) if is_number(text) else None


@cache
def _id_decoder(column: str) -> Any:
    field_ = ("value", msgspec.Raw, msgspec.field(name=column, default=msgspec.Raw(b"")))
    return msgspec.json.Decoder(msgspec.defstruct("Identified", [field_]))


def is_number(text: str) -> bool:
    """Whether a text is an id as the account writes it: a 64-bit number in ASCII digits without leading zeros."""
    return text.isascii() and text.isdigit() and len(text) < 19 and text == str(int(text))
