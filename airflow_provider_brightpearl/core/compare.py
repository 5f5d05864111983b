"""Compares what two systems hold: the same ids, the same amounts, in the same currencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.records import Money

# differences remembered by id; all of them are counted
KEEP = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of one side; ``amount`` is None where it has none or none is compared.

    ``fields`` is the JSON array of the values that are compared, empty where none are.
    """

    id: str
    amount: Decimal | None = None
    currency: str = ""
    fields: str = ""


@dataclass(slots=True)
class Tally:
    """Entries of one side, and their sums by currency."""

    count: int = 0
    money: Money = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        self.count += 1
        if entry.amount is not None:
            self.money[entry.currency] = self.money.get(entry.currency, Decimal(0)) + entry.amount


@dataclass(slots=True)
class Difference:
    """Ids that differ in one way: how many, and the first of them in the order of text."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, name: str, keep: int) -> None:
        self.count += 1
        if len(self.ids) < keep:
            self.ids.append(name)


@dataclass(slots=True)
class Comparison:
    """What a comparison found.

    Every id of the source is once in ``matched``, ``differing`` or ``missing``; every id of the target in ``matched``,
    ``differing`` or ``extra``. ``repeated`` are further entries of an id that its side has already listed.
    ``fields`` counts the records that differ in a field, by its place.
    """

    source: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)
    matched: int = 0
    missing: Difference = field(default_factory=Difference)
    extra: Difference = field(default_factory=Difference)
    differing: Difference = field(default_factory=Difference)
    repeated: Difference = field(default_factory=Difference)
    fields: Counter[int] = field(default_factory=Counter)


def compare(
    source: Iterable[Entry],
    target: Iterable[Entry],
    *,
    amounts: bool = True,
    tolerance: Decimal = Decimal(0),
    keep: int = KEEP,
) -> Comparison:
    """What differs between two sides, read side by side in one pass.

    Args:
        source: entries in ascending order of their ids as text, several of one id in any order.
        target: likewise.
        amounts: whether amount and currency have to agree.
        tolerance: how far two amounts may lie apart, for targets that keep fewer decimals.
        keep: ids remembered of each kind of difference.

    Raises:
        ValueError: a side is not in order.
    """
    found = Comparison()
    ours = _once(source, found.source, found.repeated, keep)
    theirs = _once(target, found.target, found.repeated, keep)
    here, there = next(ours, None), next(theirs, None)
    while here is not None or there is not None:
        if there is None or (here is not None and here.id < there.id):
            found.missing.add(_id(here), keep)
            here = next(ours, None)
        elif here is None or there.id < here.id:
            found.extra.add(there.id, keep)
            there = next(theirs, None)
        else:
            others = differing_fields(here.fields, there.fields)
            found.fields.update(others)
            if others or (amounts and not _agree(here, there, tolerance)):
                found.differing.add(here.id, keep)
            else:
                found.matched += 1
            here, there = next(ours, None), next(theirs, None)
    return found


def _id(entry: Entry | None) -> str:
    return entry.id if entry else ""


def _once(entries: Iterable[Entry], tally: Tally, repeated: Difference, keep: int) -> Iterator[Entry]:
    """Each id's first entry; all are tallied."""
    last: str | None = None
    for entry in entries:
        if last is not None and entry.id < last:
            raise ValueError(f"{entry.id!r} comes after {last!r}: a side must be in the order of its ids")
        tally.add(entry)
        if entry.id == last:
            repeated.add(entry.id, keep)
        else:
            yield entry
        last = entry.id


def _agree(here: Entry, there: Entry, tolerance: Decimal) -> bool:
    if here.amount is None or there.amount is None:
        return here.amount is there.amount
    return here.currency == there.currency and abs(here.amount - there.amount) <= tolerance


def differing_fields(expected: str, actual: str) -> list[int]:
    """Places at which two JSON arrays of values differ, the first as a flow would write it, the other as it is read."""
    if expected == actual:
        return []
    pairs = zip(_values(expected), _values(actual), strict=True)
    return [place for place, pair in enumerate(pairs) if not _same_value(*pair)]


_values = msgspec.json.Decoder(list[Any], float_hook=Decimal).decode


def _same_value(expected: Any, actual: Any) -> bool:
    """Whether a target holds a value that it may format differently: numbers and booleans as text, no value as ''."""
    if expected in (None, "") or actual in (None, ""):
        return expected in (None, "") and actual in (None, "")
    if isinstance(expected, bool):
        return str(actual).casefold() == str(expected).casefold()
    if isinstance(expected, (int, Decimal)):
        try:
            return Decimal(str(actual)) == expected
        except InvalidOperation:
            return False
    here, there = (" ".join(str(value).split()) for value in (expected, actual))
    return here == there or _same_instant(here, there)


def _same_instant(here: str, there: str) -> bool:
    # a date alone is not an instant, nor is a text without a digit
    if not (here[:1].isdigit() and "T" in here and "T" in there):
        return False
    try:
        return datetime.fromisoformat(here) == datetime.fromisoformat(there)
    except ValueError:
        return False
