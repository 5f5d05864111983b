"""Finds the keys of changed records in M3: by lists with a change timestamp, and by EXPORTMI where there is none.

A list of M3 ends at a ceiling, 100 records as a rule, without a sign of it. So an answer of whole hundreds is asked on
from its last key, or by a narrower one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.errors import SchemaMismatch, Unavailable
from airflow_provider_brightpearl.systems.infor.answers import SYSTEM, may_be_cut
from airflow_provider_brightpearl.systems.infor.client import InforClient, Record
from airflow_provider_brightpearl.systems.infor.streams.stream import SEPARATOR, Find

# whether a list counts its timestamp in is not documented; stamps hold milliseconds
_MARGIN = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# dates are those of the company's time zone, whose day may have begun the day before
_DAY = timedelta(days=1)
_COLUMN_SEPARATOR = "~"


def since(window: Window | None) -> dict[str, str]:
    """The change timestamp from which on a list is asked, empty for all."""
    if window is None or window.start is None:
        return {}
    start = window.widened(_MARGIN).start or window.start
    return {"LMTS": str((start - _EPOCH) // timedelta(milliseconds=1))}


def joined(values: Sequence[str]) -> str:
    """The id of a key.

    Raises:
        SchemaMismatch: a part of it is empty or holds the separator.
    """
    if not all(values) or any(SEPARATOR in value for value in values):
        raise SchemaMismatch(f"a list has a record whose key cannot be used: {list(values)}", system=SYSTEM)
    return SEPARATOR.join(values)


@dataclass(frozen=True, slots=True)
class KeyList:
    """A list in the order of one key, which begins where the field ``start`` says."""

    program: str
    transaction: str
    key: str
    start: str

    def keys(self, client: InforClient, window: Window | None) -> set[str]:
        return set(self.follow(client, since(window)))

    def follow(self, client: InforClient, fixed: Record) -> Iterator[str]:
        """The keys of a list with fixed inputs, from the beginning to its end."""
        found: set[str] = set()
        record = dict(fixed)
        while True:
            rows = client.read(self.program, self.transaction, record, columns=(self.key,))
            keys = [joined([row.get(self.key, "")]) for row in rows]
            fresh = dict.fromkeys(key for key in keys if key not in found)
            yield from fresh
            if not may_be_cut(rows):
                return
            if not fresh:
                raise _cut(f"{self.program} {self.transaction}", len(rows))
            found.update(fresh)
            record[self.start] = keys[-1]


@dataclass(frozen=True, slots=True)
class WarehouseList:
    """Items in warehouses; a list that may be cut is asked for each warehouse."""

    program: str = "MMS200MI"
    transaction: str = "SelItemWhs"

    def keys(self, client: InforClient, window: Window | None) -> set[str]:
        stamp = since(window)
        rows = client.read(self.program, self.transaction, stamp, columns=("WHLO", "ITNO"))
        if not may_be_cut(rows):
            return {joined([row.get("WHLO", ""), row.get("ITNO", "")]) for row in rows}
        items = KeyList(self.program, self.transaction, "ITNO", "FRIT")
        warehouses = KeyList("MMS005MI", "LstWarehouses", "WHLO", "FWHL").follow(client, {})
        return {
            joined([place, item])
            for place in warehouses
            for item in items.follow(client, {**stamp, "FWHL": place, "TWHL": place})
        }


@dataclass(frozen=True, slots=True)
class Either:
    """Records that were changed themselves, or of which a row was."""

    finds: tuple[Find, ...]

    def keys(self, client: InforClient, window: Window | None) -> set[str]:
        # without a start the first one finds all there are
        finds = self.finds if window is not None and window.start is not None else self.finds[:1]
        return {key for find in finds for key in find.keys(client, window)}


@dataclass(frozen=True, slots=True)
class Export:
    """A table that EXPORTMI selects from, by the date in ``day`` and the timestamp of its last change.

    Args:
        table: of M3, such as ``OINVOH``.
        prefix: of its columns.
        key: columns of the key without prefix, in the table's order.
        texts: those of them that are texts.
        where: a further condition.
        by_division: whether its rows belong to a division, of which the client's is asked for.
        owner: how many of the key's columns are the id of the record that a row belongs to; all if 0.
        day: the date by which rows are selected: of their last change, or of their creation.
    """

    table: str
    prefix: str
    key: tuple[str, ...]
    texts: frozenset[str] = frozenset()
    where: str = ""
    by_division: bool = False
    owner: int = 0
    day: str = "LMDT"

    def keys(self, client: InforClient, window: Window | None) -> set[str]:
        changes = window if self.day == "LMDT" else None
        wanted = (values for values, stamp in self.rows(client, window) if _inside(stamp, changes))
        return {joined(values[: self.owner or None]) for values in wanted}

    def rows(
        self, client: InforClient, window: Window | None
    ) -> Iterator[tuple[tuple[str, ...], datetime | None]]:
        """Key and last change of the rows whose date lies in a window or a day beside it."""
        found: set[tuple[str, ...]] = set()
        fixed = self._conditions(client, window)
        begin: tuple[str, ...] | None = None
        while True:
            texts = client.read("EXPORTMI", "Select", self._query(fixed, begin))
            rows = [self._row(text) for text in texts]
            fresh = [row for row in rows if row[0] not in found]
            yield from fresh
            if not may_be_cut(rows):
                return
            if not fresh:
                raise _cut(f"EXPORTMI Select from {self.table}", len(rows))
            found.update(values for values, _ in fresh)
            begin = rows[-1][0]

    def _conditions(self, client: InforClient, window: Window | None) -> list[str]:
        conditions = [self.where] if self.where else []
        if window is not None:
            if window.start is not None:
                conditions.append(f"{self.prefix}{self.day} >= {window.start - _DAY:%Y%m%d}")
            conditions.append(f"{self.prefix}{self.day} <= {window.end + _DAY:%Y%m%d}")
        if self.by_division and client.division:
            conditions.append(f"{self.prefix}DIVI = '{client.division}'")
        return conditions

    def _query(self, fixed: Sequence[str], begin: tuple[str, ...] | None) -> Record:
        columns = ",".join(self.prefix + name for name in (*self.key, "LMTS"))
        choices = [[]] if begin is None else list(self._after(begin))
        where = " or ".join(" and ".join((*fixed, *choice)) for choice in choices)
        query = f"{columns} from {self.table}" + (f" where {where}" if where else "")
        return {"QERY": query, "SEPC": _COLUMN_SEPARATOR, "HDRS": "0"}

    def _after(self, begin: tuple[str, ...]) -> Iterator[list[str]]:
        """Conditions of which one holds for every key behind one: the language has no parentheses."""
        for place, name in enumerate(self.key):
            same = [self._compared(each, "=", begin[number]) for number, each in enumerate(self.key[:place])]
            yield [*same, self._compared(name, ">", begin[place])]

    def _compared(self, name: str, operator: str, value: str) -> str:
        escaped = value.replace("'", "''")
        return f"{self.prefix}{name} {operator} " + (f"'{escaped}'" if name in self.texts else value)

    def _row(self, row: Record) -> tuple[tuple[str, ...], datetime | None]:
        values = [value.strip() for value in row.get("REPL", "").split(_COLUMN_SEPARATOR)]
        if len(values) != len(self.key) + 1:
            raise SchemaMismatch(f"EXPORTMI answers {row.get('REPL', '')!r} from {self.table}", system=SYSTEM)
        *key, stamp = values
        return tuple(key), _instant(stamp)


@dataclass(frozen=True, slots=True)
class NumberSeries:
    """The numbers of a table that EXPORTMI selects from, in all divisions: these may share a series."""

    table: str
    prefix: str
    year: str
    number: str

    def numbers(self, client: InforClient, year: str, first: int, last: int) -> set[int]:
        """The numbers of a year that rows have, from the first to the last one."""
        name = self.prefix + self.number
        where = f"{self.prefix}{self.year} = {year} and {name} >= {first} and {name} <= {last}"
        rows = Export(self.table, self.prefix, (self.year, self.number), where=where).rows(client, None)
        return {int(key[1]) for key, _ in rows}


def _instant(text: str) -> datetime | None:
    """A change timestamp; None for zero, which rows have that were never stamped."""
    return _EPOCH + timedelta(milliseconds=int(text)) if text.isdigit() and int(text) else None


def _inside(moment: datetime | None, window: Window | None) -> bool:
    """Whether a change lies in a window, or is not known: reading a record once too often does no harm."""
    return window is None or moment is None or moment in window


def _cut(operation: str, count: int) -> Unavailable:
    return Unavailable(
        f"the list ends after {count} records, and asked on from the last one it gives no others: "
        "nothing of it is used, so that no record is lost",
        system=SYSTEM,
        operation=operation,
    )
