"""A stream of M3: the transactions that read its records by key, and how changed keys are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from airflow_provider_brightpearl.core.schema import ListOf, Schema, StreamSchema
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.systems.infor.client import InforClient

SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Part:
    """A transaction that reads a part of a record.

    Args:
        program: such as ``CRS610MI``.
        transaction: a Get, or a list where ``many``.
        columns: the typed fields of its answer.
        inputs: its input fields, each with the field of the record that fills it, such as ``order.TEPY``; the key's
            own if empty.
        many: whether it lists rows.
        optional: whether a record may lack it; it is not asked for where an input is empty.
    """

    program: str
    transaction: str
    columns: Schema
    inputs: Mapping[str, str] = field(default_factory=dict)
    many: bool = False
    optional: bool = False


class Find(Protocol):
    """How the keys of a stream's records are found."""

    def keys(self, client: InforClient, window: Window | None) -> set[str]:
        """Ids of the records that were changed in a window or later, of all where it has no start or is None.

        Raises:
            Unavailable: a list ended before it was complete.
            RecordRefused: M3 refused the transaction.
        """
        ...


class Series(Protocol):
    """The numbers of a series, one for each year."""

    def numbers(self, client: InforClient, year: str, first: int, last: int) -> set[int]:
        """The numbers of a year that records have, from the first to the last one, whoever may read these."""
        ...


class Created(Protocol):
    """How the records that were created in a period are listed."""

    def rows(
        self, client: InforClient, window: Window | None
    ) -> Iterator[tuple[tuple[str, ...], datetime | None]]:
        """Key and last change of the records whose date of creation lies in a window, or a day beside it."""
        ...


@dataclass(frozen=True, slots=True)
class InforStream:
    """One stream.

    Args:
        key: fields of the key, whose values joined by ``|`` are the id of a record.
        numbers: those of the key that are numbers.
        own: reads the fields of a record.
        find: finds the keys of changed records.
        parts: what is joined to a record, by name.
        created: lists the records created in a period; None where there are no records, only figures.
        series: lists the numbers that M3 gave out in a range, where it gives them without gaps.
    """

    key: tuple[str, ...]
    own: Part
    find: Find
    parts: Mapping[str, Part] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    created: Created | None = None
    series: Series | None = None

    @property
    def schema(self) -> StreamSchema:
        joined = {
            name: ListOf(part.columns) if part.many else part.columns for name, part in self.parts.items()
        }
        return StreamSchema(
            "id", {"id": "VARCHAR", **dict.fromkeys(self.key, "VARCHAR"), **self.own.columns, **joined}
        )

    @property
    def steps(self) -> list[dict[str, Part]]:
        """The parts that go into one bulk each: a bulk has one program, and some parts need fields of the record."""
        program = self.own.program
        known = set(self.key)
        first = {
            name: part
            for name, part in self.parts.items()
            if part.program == program and known.issuperset(part.inputs.values())
        }
        return [
            {"": self.own, **first},
            *({name: part} for name, part in self.parts.items() if name not in first),
        ]

    def key_of(self, source_id: str) -> dict[str, str] | None:
        """The key that an id means, by field; None for a text that is not an id."""
        values = source_id.split(SEPARATOR)
        if len(values) != len(self.key) or not all(value and value == value.strip() for value in values):
            return None
        named = dict(zip(self.key, values, strict=True))
        return named if all(_is_number(named[name]) for name in self.numbers) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and text == str(int(text))
