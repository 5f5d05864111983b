"""A stream of Brightpearl: typed columns, how its records are read, and how many calls that takes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, period
from airflow_provider_brightpearl.systems.brightpearl.complete import Collected, is_number
from airflow_provider_brightpearl.systems.brightpearl.estimate import EstimateRead
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession

# records joined at a time; large enough that joined ids fill their calls
CHUNK = 10 * MAX_IDS
# characters of an id set in an address
_LONGEST = 1500
# periods hold milliseconds and may exclude their ends, so searches reach a little beyond the window
MARGIN = timedelta(milliseconds=1)

# filters of searches by what records show of them: the path of the value, and the value for each of the filter's
_FLAG: Mapping[str, object] = {"true": True, "false": False}
KINDS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "orderTypeId": ("orderTypeCode", {"1": "SO", "2": "PO", "3": "SC", "4": "PC"}),
    "isSupplier": ("relationshipToAccount.isSupplier", _FLAG),
    "isStaff": ("relationshipToAccount.isStaff", _FLAG),
}

Join = Callable[[ReadSession, Sequence[bytes]], Iterator[bytes | Unread]]


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


@runtime_checkable
class KnowsIdForm(Protocol):
    """A stream whose ids have a form."""

    def is_id(self, text: str) -> bool:
        """Whether a text may be the id of a record of this stream."""
        ...


@runtime_checkable
class RaisesEvents(Protocol):
    """A stream whose changes the account announces by webhooks."""

    @property
    def events(self) -> tuple[str, ...]:
        """Events that concern it, such as ``order.modified``, which stands for those below it too."""
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
    events: tuple[str, ...] = ()

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        yield from no_ids(selection)
        named = frozenset(map(str, named_ids(selection)))
        found = heapq.merge(*self._finds(session, selection))
        for ids in chunked((number for number, _ in groupby(found)), CHUNK):
            for source_id, record in self._records(session, ids):
                other = other_kind(record, self.filters) if source_id in named else ""
                reason = f"{self.resource} {source_id} is not of this stream: {other}"
                yield source_id, Unread(reason, foreign=True) if other else record

    def matching(self, session: ReadSession, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the search finds, with its filters."""
        numbers = sorted({int(text) for text in ids if is_number(text)})
        found: set[str] = set()
        for group in idset.batches(numbers, MAX_IDS, _LONGEST):
            asked = {**self.filters, self.id_column: idset.compress(group)}
            found.update(
                str(row[self.id_column]) for row in session.search(self.search, (self.id_column,), asked)
            )
        return found

    def is_id(self, text: str) -> bool:
        return is_number(text)

    def count_later(self, session: ReadSession) -> None:
        return None

    def _records(self, session: ReadSession, ids: Sequence[int]) -> Iterator[Read]:
        session.batches += 1
        found = session.fetch(self.resource, ids, self.schema.id_column, self.params)
        records = list(found.records.values())
        joined = self.join(session, records) if self.join else records
        for number, whole in zip(found.records, joined, strict=True):
            yield str(number), whole
        yield from unread(found)

    def _finds(self, session: ReadSession, selection: Selection) -> Iterator[Iterable[int]]:
        if selection.ids:
            named = named_ids(selection)
            session.expect(len(named))
            yield named
        if selection.full_resync:
            rows = session.search(self.search, _columns(self.id_column), self.filters, finds_records=True)
            yield (number_in(row, self.id_column) for row in rows)
        elif selection.window is not None and not selection.window.empty:
            yield from changed_ids(session, self.search, self.id_column, self.filters, selection.window)


def other_kind(record: bytes | Unread, filters: Mapping[str, str]) -> str:
    """What tells a record that was named from those that the search of a stream finds, empty where nothing does.

    Orders of all kinds share their numbers and their address, and so do customers, suppliers and staff.
    """
    for name, text in filters.items():
        path, values = KINDS.get(name, ("", {}))
        if isinstance(record, Unread) or text not in values:
            continue
        value: Any = msgspec.json.decode(record)
        for member in path.split("."):
            value = value.get(member) if isinstance(value, dict) else None
        if value is not None and value != values[text]:
            return f"its {path} is {str(value).lower() if isinstance(value, bool) else value}"
    return ""


def changed_ids(
    session: ReadSession, search: str, id_column: str, filters: Mapping[str, str], window: Window
) -> Iterator[Iterator[int]]:
    """Ids of what was created in a window, then of what was changed in it and created before."""
    columns, start = _columns(id_column), window.start
    created = rows_within(session, search, columns, filters, "createdOn", window, finds_records=True)
    yield (number_in(row, id_column) for row in created)
    if start is not None:
        before = {**filters, "createdOn": period(None, start + MARGIN)}
        changed = rows_within(session, search, columns, before, "updatedOn", window, finds_records=True)
        yield (number_in(row, id_column) for row in changed if not_after(row["createdOn"], start))


def rows_within(
    session: ReadSession,
    search: str,
    columns: Sequence[str],
    filters: Mapping[str, str],
    column: str,
    window: Window,
    *,
    finds_records: bool = False,
) -> Iterator[dict[str, Any]]:
    """The rows of a search whose ``column`` lies in a window: the one way in which streams ask for a window.

    Whether the ends of a period belong to it is not documented, and its instants hold milliseconds. So the search
    reaches a little beyond, and the window decides. A row with an unreadable instant is included: reading a record
    once too often does no harm.
    """
    asked = {**filters, column: within(window)}
    for row in session.search(search, columns, asked, finds_records=finds_records):
        moment = instant(row[column])
        if moment is None or moment in window:
            yield row


def within(window: Window) -> str:
    """The period that a search is asked for a window."""
    wide = window.widened(MARGIN)
    return period(wide.start, wide.end)


def not_after(text: Any, start: datetime) -> bool:
    """Whether an instant of a search lies before a window's start, or cannot be read."""
    moment = instant(text)
    return moment is None or moment < start


def number_in(row: Mapping[str, Any], column: str) -> int:
    """An id in a row of a search.

    Raises:
        SchemaMismatch: it is none.
    """
    text = str(row[column])
    if not is_number(text):
        raise SchemaMismatch(
            f"a row of the search has {column} {text!r}, which is not an id", system="brightpearl"
        )
    return int(text)


def instant(text: Any) -> datetime | None:
    """An instant of a search; None where it is empty, is a zero date, or has no offset."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _columns(id_column: str) -> tuple[str, ...]:
    return id_column, "createdOn", "updatedOn"


def named_ids(selection: Selection) -> list[int]:
    """The ids that a selection names, ascending, without text that is not a number."""
    return sorted({int(text) for text in selection.ids if is_number(text)})


def no_ids(selection: Selection) -> Iterator[Read]:
    """What a selection names that is not a number."""
    for text in selection.ids:
        if not is_number(text):
            yield text, Unread(f"{text!r} is not an id of this stream: its ids are numbers", gone=True)


def unread(found: Collected, prefix: str = "") -> Iterator[Read]:
    """The requested ids without a record, with the reason."""
    yield from ((f"{prefix}{number}", why) for number, why in sorted(found.unread.items()))


def not_found(selection: Selection, found: Iterable[str]) -> Iterator[Read]:
    """Every id that a selection names and that was not found, as missing."""
    for source_id in sorted(set(selection.ids).difference(found)):
        yield source_id, Unread(f"the account has no record {source_id}", gone=True)
