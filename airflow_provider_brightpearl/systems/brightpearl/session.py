"""One reading of an account: searches and records by id, counted, so that the fewest calls are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, TypeVar

import msgspec

from airflow_provider_brightpearl.core.estimate import SearchCounts
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, MAX_PAGE, BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.complete import (
    Collected,
    fetch,
    is_number,
    record_id,
)
from airflow_provider_brightpearl.systems.brightpearl.narrow import SetAside

T = TypeVar("T")
Fetched = dict[tuple[str, int, str], int]


def min_calls_of(searched: Iterable[int], fetched: Mapping[tuple[str, int, str], int]) -> int:
    """The fewest calls that return so many rows and records, if every page and every id set were full.

    ``searched`` holds the rows of each search; ``fetched`` records by path, ids a call, and step.
    """
    searches = sum(max(1, ceil(found / MAX_PAGE)) for found in searched)
    return searches + sum(ceil(count / batch) for (_, batch, _), count in fetched.items())


@dataclass(slots=True)
class ReadSession:
    """One stream while it is read; counts what it found, for the fewest calls it could have taken.

    ``batches`` is that of ``core.ports.source.ReadsInBatches``: streams raise it before they ask for a batch.
    """

    client: BrightpearlClient
    searched: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    fetched: Fetched = field(default_factory=dict)
    expected: int = 0
    batches: int = 0

    def expect(self, records: int) -> None:
        """Records that so many more records will be read."""
        self.expected += records

    def records(
        self, path: str, ids: Iterable[int], params: Mapping[str, str] | None = None, step: str = ""
    ) -> Iterator[bytes]:
        """Records by id, counted; ``step`` names ids that only earlier records of this path hold."""
        wanted = self._wanted(path, ids, MAX_IDS, step)
        return self.client.get_records(path, wanted, params=params) if wanted else iter(())

    def fetch(
        self,
        path: str,
        ids: Iterable[int],
        column: str,
        params: Mapping[str, str] | None = None,
        step: str = "",
    ) -> Collected:
        """Records by id, counted, and why the others cannot be read; ``column`` holds a record's id."""

        def ask(some: Sequence[int], set_aside: SetAside) -> Iterator[tuple[int | None, bytes]]:
            for record in self.client.get_records(path, some, params=params, set_aside=set_aside):
                yield record_id(record, column), record

        return fetch(ask, self._wanted(path, ids, MAX_IDS, step), path)

    def fetch_map(self, path: str, ids: Iterable[int], batch: int = MAX_IDS) -> Collected:
        """As ``fetch`` where answers are maps by id."""

        def ask(some: Sequence[int], set_aside: SetAside) -> Iterator[tuple[int | None, bytes]]:
            for key, value in self.client.get_map(path, some, batch=batch, set_aside=set_aside):
                yield int(key) if is_number(key) else None, value

        return fetch(ask, self._wanted(path, ids, batch), path)

    def mapped(self, path: str, ids: Iterable[int], batch: int = MAX_IDS) -> Iterator[tuple[str, bytes]]:
        """Key and value of answers that are maps by id, counted; ``batch``: ids a call may name."""
        wanted = self._wanted(path, ids, batch)
        return self.client.get_map(path, wanted, batch=batch) if wanted else iter(())

    def search(
        self,
        path: str,
        columns: Sequence[str],
        filters: Mapping[str, str] | None = None,
        *,
        finds_records: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Rows of a search, counted; ascending by the first column, which never changes.

        ``finds_records`` says that each row is a record of the stream: their number is announced by the first page.
        """
        announced = self.expect if finds_records else None
        place = len(self.searched)
        self.searched.append(0)
        self.paths.append(path)
        for row in self.client.search(
            path, columns=columns, filters=filters or {}, sort=columns[0], announced=announced
        ):
            self.searched[place] += 1
            yield row

    def _wanted(self, path: str, ids: Iterable[int], batch: int, step: str = "") -> list[int]:
        wanted = sorted(set(ids))
        place = (path, batch, step)
        self.fetched[place] = self.fetched.get(place, 0) + len(wanted)
        return wanted

    @property
    def min_calls(self) -> int:
        """The fewest calls that return what was read, if every page and every id set were full."""
        return min_calls_of(self.searched, self.fetched)

    def counts(self, named: int) -> SearchCounts:
        """Rows found so far, in order and by the path of their search, beside so many named ids."""
        totals = dict.fromkeys(self.paths, 0)
        for path, rows in zip(self.paths, self.searched, strict=True):
            totals[path] += rows
        return SearchCounts(tuple(self.searched), totals, named)


class CountingSession(ReadSession):
    """Asks each search how many rows it has, in one small call each, and reads none of them."""

    def search(
        self,
        path: str,
        columns: Sequence[str],
        filters: Mapping[str, str] | None = None,
        *,
        finds_records: bool = False,
    ) -> Iterator[dict[str, Any]]:
        self.searched.append(self.client.count(path, filters=filters or {}))
        self.paths.append(path)
        return iter(())

    def records(
        self, path: str, ids: Iterable[int], params: Mapping[str, str] | None = None, step: str = ""
    ) -> Iterator[bytes]:
        return iter(())

    def mapped(self, path: str, ids: Iterable[int], batch: int = MAX_IDS) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def fetch(
        self,
        path: str,
        ids: Iterable[int],
        column: str,
        params: Mapping[str, str] | None = None,
        step: str = "",
    ) -> Collected:
        return Collected()

    def fetch_map(self, path: str, ids: Iterable[int], batch: int = MAX_IDS) -> Collected:
        return Collected()


def with_members(record: bytes, **parts: bytes) -> bytes:
    """A JSON object with more members, its own characters untouched."""
    members = b"".join(b',"' + name.encode() + b'":' + part for name, part in parts.items())
    return record.rstrip()[:-1] + members + b"}"


def decoded_as(kind: type[T], raw: bytes) -> T | None:
    """A part of a record, None if it has another shape: one such record must not stop the others."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
