"""What a stream of Brightpearl is: typed columns, how its records are read, and what reading them takes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, period
from airflow_provider_brightpearl.systems.brightpearl.estimate import EstimateRead
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession

# records joined at a time; large enough that joined ids fill their calls
CHUNK = 10 * MAX_IDS
# periods hold milliseconds and may leave out their ends, so searches look a little further than the window
MARGIN = timedelta(milliseconds=1)

Join = Callable[[ReadSession, Sequence[bytes]], Iterator[bytes]]


@runtime_checkable
class Stream(Protocol):
    """One stream of an account."""

    @property
    def schema(self) -> StreamSchema: ...

    @property
    def estimate(self) -> EstimateRead: ...

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        """The records of a selection, its named ones among them; see ``core.ports.source.Source.read``."""
        ...

    def count_later(self, session: ReadSession) -> None:
        """Counts the rows of searches that follow only where the first ones of a window find something."""
        ...


@dataclass(frozen=True, slots=True)
class SearchedStream:
    """A stream whose ids come from a search, and whose records are read by id.

    An order that was never changed after its creation has no ``updatedOn``, so a window is two searches that cannot
    find the same record: created in the window, and changed in the window but created before it.
    """

    schema: StreamSchema
    estimate: EstimateRead
    search: str
    id_column: str
    resource: str
    filters: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    join: Join | None = None

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        named = [text for text in selection.ids if not is_number(text)]
        yield from ((text, None) for text in named)
        found = heapq.merge(*self._finds(session, selection))
        for ids in chunked((number for number, _ in groupby(found)), CHUNK):
            yield from self._records(session, ids)

    def count_later(self, session: ReadSession) -> None:
        return None

    def _records(self, session: ReadSession, ids: Sequence[int]) -> Iterator[Read]:
        records = list(session.records(self.resource, ids, self.params))
        joined = self.join(session, records) if self.join else records
        missing = {str(number) for number in ids}
        for record, whole in zip(records, joined, strict=True):
            source_id = record_id(record, self.schema.id_column)
            missing.discard(source_id)
            yield source_id, whole
        if len(records) < len(ids):
            yield from ((source_id, None) for source_id in sorted(missing, key=int))

    def _finds(self, session: ReadSession, selection: Selection) -> Iterator[Iterable[int]]:
        if selection.ids:
            named = named_ids(selection)
            session.expect(len(named))
            yield named
        if selection.full_resync:
            yield _search(session, self.search, self.id_column, self.filters, lambda row: True)
        elif selection.window is not None and not selection.window.empty:
            yield from changed_ids(session, self.search, self.id_column, self.filters, selection.window)


def changed_ids(
    session: ReadSession, search: str, id_column: str, filters: Mapping[str, str], window: Window
) -> Iterator[Iterator[int]]:
    """Ids of what was created in a window, then of what was changed in it and created before."""
    inside, start = margin_around(window), window.start
    created = {**filters, "createdOn": inside}
    yield _search(session, search, id_column, created, lambda row: instant(row["createdOn"]) in window)
    if start is not None:
        changed = {**filters, "updatedOn": inside, "createdOn": period(None, start + MARGIN)}
        yield _search(
            session,
            search,
            id_column,
            changed,
            lambda row: instant(row["updatedOn"]) in window and instant(row["createdOn"]) < start,
        )


def margin_around(window: Window) -> str:
    """The period that holds a window whatever its ends mean; which rows lie in the window is still to be judged."""
    return period(window.start and window.start - MARGIN, window.end + MARGIN)


def _search(
    session: ReadSession,
    search: str,
    id_column: str,
    filters: Mapping[str, str],
    wanted: Callable[[Mapping[str, Any]], bool],
) -> Iterator[int]:
    for row in session.search(search, (id_column, "createdOn", "updatedOn"), filters, finds_records=True):
        # whether a period's ends belong to it is not documented: the window decides
        if wanted(row):
            yield int(row[id_column])


def record_id(record: bytes, column: str) -> str:
    """The id of a raw record as text, empty where it has none that can be read."""
    try:
        value: msgspec.Raw = _id_decoder(column).decode(record).value
    except msgspec.DecodeError:
        return ""
    return bytes(value).strip(b'"').decode("utf-8", "replace")


@cache
def _id_decoder(column: str) -> Any:
    field_ = ("value", msgspec.Raw, msgspec.field(name=column, default=msgspec.Raw(b"")))
    return msgspec.json.Decoder(msgspec.defstruct("Identified", [field_]))


def is_number(text: str) -> bool:
    """Whether a text is an id as the account writes it, with ASCII digits and no leading zeros."""
    return text.isascii() and text.isdigit() and text == str(int(text))


def named_ids(selection: Selection) -> list[int]:
    """The ids that a selection names, ascending, without text that is no number."""
    return sorted({int(text) for text in selection.ids if is_number(text)})


def not_found(selection: Selection, found: Iterable[str]) -> Iterator[Read]:
    """Every id that a selection names and that was not found, as missing."""
    yield from ((source_id, None) for source_id in sorted(set(selection.ids).difference(found)))


def instant(text: str) -> datetime:
    """An instant of a search, which has an offset."""
    return datetime.fromisoformat(text)
