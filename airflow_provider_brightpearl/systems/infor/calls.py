"""MI transactions in transit: input as text, their grouping into calls, the body of a bulk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.systems.infor.answers import Record

# what integrators send, as larger bulks meet the gateway's 60 s; the bytes are a vendor's release note
BULK_SIZE = 50
BULK_BYTES = 28_000
Value = str | int | Decimal | date | bool | None
_READS = re.compile(r"(Get|Lst|List|Sel|Select|Search)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One MI transaction with its input: field to text."""

    name: str
    record: Record


def is_read(transaction: str) -> bool:
    """Whether a transaction only reads, by its verb; RtvNextNumber does not, as it consumes a number."""
    return bool(_READS.match(transaction))


def mi_text(value: Value) -> str:
    """A value as MI accepts it: exact digits with a point, dates as yyyymmdd, 1 and 0 for true and false."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if isinstance(value, float):
        raise TypeError(f"{value!r} is not an exact number; use Decimal")
    return value.strftime("%Y%m%d") if isinstance(value, date) else "" if value is None else str(value)


def packed(transactions: Sequence[Transaction], size: int) -> Iterator[Sequence[int]]:
    """Places of the transactions that go into one call each, in order, at most ``size`` a call."""
    group: list[int] = []
    room = 0
    for place, transaction in enumerate(transactions):
        length = len(encoded(transaction))
        if group and (len(group) == size or room + length > BULK_BYTES):
            yield group
            group, room = [], 0
        group.append(place)
        room += length
    if group:
        yield group


def encoded(transaction: Transaction) -> bytes:
    """A transaction as part of a bulk's body."""
    return msgspec.json.encode({"transaction": transaction.name, "record": transaction.record})


def body(program: str, company: str, transactions: Sequence[Transaction]) -> bytes:
    """The body of a bulk call."""
    head: dict[str, Any] = {"program": program}
    if company:
        head["cono"] = int(company)
    head |= {"excludeEmptyValues": False, "rightTrim": True, "maxReturnedRecords": 0}
    listed = b",".join(encoded(each) for each in transactions)
    # the server reads as it goes, so the transactions come last
    return msgspec.json.encode(head)[:-1] + b',"transactions":[' + listed + b"]}"
