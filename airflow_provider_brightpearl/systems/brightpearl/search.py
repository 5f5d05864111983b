"""Search pages, and a walk over them that neither loses nor repeats rows that move during it."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import requests

from airflow_provider_brightpearl.errors import SchemaMismatch, Unavailable
from airflow_provider_brightpearl.systems.brightpearl.answers import UNREADABLE, broken

log = logging.getLogger(__name__)

# from here on the overlap's cost stays below 3 % even where every page overlaps
_MANY_PAGES = 40
# announces 500 rows whatever it holds (recorded traffic)
_WRONG_COUNTS = frozenset({"accounting-service/supplier-payment-search"})


class _Column(msgspec.Struct):
    name: str


class _MetaData(msgspec.Struct, rename="camel"):
    columns: list[_Column]
    more_pages_available: bool = False
    results_available: int = 0
    first_result: int = 0
    last_result: int = 0


class _Found(msgspec.Struct, rename="camel"):
    results: list[list[Any]]
    meta_data: _MetaData


class _Answer(msgspec.Struct):
    response: _Found


_answers = msgspec.json.Decoder(_Answer, float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Page:
    """One page: column names, rows, and the count of all rows (``available`` may be wrong)."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    more: bool
    available: int
    last: int

    @classmethod
    def read(cls, response: requests.Response) -> Page:
        try:
            found = _decoded(response.content).response
        except UNREADABLE as error:
            raise broken(response, error) from None
        meta = found.meta_data
        names = tuple(column.name for column in meta.columns)
        return cls(names, found.results, meta.more_pages_available, meta.results_available, meta.last_result)


def _decoded(content: bytes) -> _Answer:
    try:
        return _answers.decode(content)
    except UnicodeDecodeError:
        # one bad text must not fail the page; readers of texts check for the mark
        return _answers.decode(content.decode("utf-8", "replace"))


@dataclass(slots=True)
class Paging:
    """The position of a walk over pages; ``first`` is the next page's offset from 1, None at the end."""

    sort: str
    size: int
    first: int | None = 1
    given: int = 0
    announced: int = 0
    _newest: Any = None
    _same: list[list[Any]] = field(default_factory=list)
    _available: int | None = None
    _overlapped: bool = False

    @property
    def untouched(self) -> bool:
        """Whether no page has been read yet."""
        return self.first == 1 and self._available is None

    @property
    def short(self) -> bool:
        """Whether fewer rows were returned than the last page announces."""
        return self.given < self.announced

    def take(self, page: Page) -> Iterator[dict[str, Any]]:
        """The new rows of a page; moves on, or a page back if rows have shifted."""
        place = self._place(page)
        if self._shifted(page, place):
            self.first = max(1, (self.first or 1) - self.size)
            self._overlapped = True
            self._available = page.available
            return iter(())
        fresh = [row for row in page.rows if self._is_new(row, place)]
        self._remember(fresh, place)
        self._move_on(page)
        self.given += len(fresh)
        self.announced = page.available
        return (dict(zip(page.columns, row, strict=True)) for row in fresh)

    def _place(self, page: Page) -> int:
        try:
            place = page.columns.index(self.sort)
        except ValueError:
            raise SchemaMismatch(
                f"the search answered without its sort column {self.sort}", system="brightpearl"
            ) from None
        # ids are compared with each other, so all of them are numbers or all are text
        kind = None if self._newest is None else type(self._newest)
        for row in page.rows:
            kind = kind or (type(row[place]) if len(row) == len(page.columns) else None)
            if len(row) != len(page.columns) or kind not in (int, str) or type(row[place]) is not kind:
                raise SchemaMismatch(
                    f"the search returned a row without a readable {self.sort}: {row!r}"[:300],
                    system="brightpearl",
                )
        return place

    def _shifted(self, page: Page, place: int) -> bool:
        if self._newest is None or self.first == 1:
            return False
        if self._overlapped:
            return not page.rows or page.rows[0][place] > self._newest
        return self._available is not None and page.available < self._available

    def _is_new(self, row: list[Any], place: int) -> bool:
        if self._newest is None or row[place] > self._newest:
            return True
        # some searches give several rows of one id: those of the last id are distinguished by their values
        return bool(row[place] == self._newest) and row not in self._same

    def _remember(self, fresh: list[list[Any]], place: int) -> None:
        if not fresh:
            return
        newest = fresh[-1][place]
        same = [row for row in fresh if row[place] == newest]
        self._same = self._same + same if newest == self._newest else same
        self._newest = newest

    def _move_on(self, page: Page) -> None:
        if not page.more or not page.rows:
            self.first = None
            return
        overlap = self._overlap(page)
        self._overlapped = overlap == 1
        self._available = page.available
        here, self.first = self.first or 1, page.last + 1 - overlap
        if self.first <= here:
            raise Unavailable(
                f"the search announces more pages, and its page at {here} ends at {page.last}: no way on",
                system="brightpearl",
            )

    def _overlap(self, page: Page) -> int:
        left = page.available - page.last
        if left <= 0:
            # more pages than the count admits: supplier-payment-search always says 500
            return 1
        room_in_last_page = -left % self.size
        return 1 if room_in_last_page or page.available >= _MANY_PAGES * self.size else 0


@dataclass(frozen=True, slots=True)
class Walk:
    """All rows of a search, page by page.

    ``page`` reads the page at an offset from 1.
    """

    path: str
    sort: str
    size: int
    page: Callable[[int], Page]

    def rows(self, announced: Callable[[int], None] | None = None) -> Iterator[dict[str, Any]]:
        """Every row once, ascending but for those that only a second walk finds.

        Raises:
            Unavailable: the second walk, too, finds fewer rows than its pages announce.
        """
        paging, given = Paging(self.sort, self.size), array("q")
        for row in self._pages(paging, announced):
            given.append(hash(row[self.sort]))
            yield row
        if not paging.short or self.path in _WRONG_COUNTS:
            return
        log.info(
            "%s announced %s rows and returned %s: reading it again",
            self.path,
            paging.announced,
            paging.given,
        )
        again, known = Paging(self.sort, self.size), set(given)
        late = [row for row in self._pages(again, None) if hash(row[self.sort]) not in known]
        if again.short or len(given) + len(late) < again.announced:
            raise Unavailable(
                f"the search announces {again.announced} rows, and its pages hold {again.given}: "
                "nothing of it is used, so that no row is lost",
                system="brightpearl",
                operation=self.path,
            )
        yield from late

    def _pages(self, paging: Paging, announced: Callable[[int], None] | None) -> Iterator[dict[str, Any]]:
        while paging.first is not None:
            page = self.page(paging.first)
            if announced and paging.untouched:
                announced(page.available)
            yield from paging.take(page)
