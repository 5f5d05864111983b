"""The state of the simulated tenant: its tables, with the stamps M3 puts on every record, and number series."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from ..clock import Clock
from ..system import json_value
from .settings import default_settings
from .values import Row

Key = tuple[str, ...]
_KEPT = ("rows", "_groups", "_found")


class Table:
    """Records by key, in insertion order.

    Args:
        keys: names of the key fields, separated by blanks.
        group: number of leading key fields for lookups by key prefix.
        indexes: names of further indexed fields.
        stamp: gives the change date, time, timestamp and user.
    """

    def __init__(
        self,
        keys: str,
        *,
        group: int = 0,
        indexes: str = "",
        stamp: Callable[[], Row],
    ) -> None:
        self.keys, self._group, self._indexes = tuple(keys.split()), group, tuple(indexes.split())
        self._stamp = stamp
        self.rows: dict[Key, Row] = {}
        self._groups: dict[Key, dict[Key, Row]] = {}
        self._found: dict[tuple[str, str], dict[Key, Row]] = {}
        self._watcher: Callable[[Row, bool], None] | None = None

    def watch(self, watcher: Callable[[Row, bool], None]) -> None:
        """Call a function with every record that is added or changed, and True with every one that is deleted."""
        self._watcher = watcher

    def get(self, *key: object) -> Row | None:
        """The record with a key; None if it does not exist."""
        return self.rows.get(tuple(map(str, key)))

    def with_key_prefix(self, *key: object) -> list[Row]:
        """The records whose key starts with these parts."""
        return list(self._groups.get(tuple(map(str, key)), {}).values())

    def where(self, field: str, value: object) -> list[Row]:
        """The records with a value in an indexed field."""
        return list(self._found.get((field, str(value)), {}).values())

    def add(self, row: Row) -> Row:
        """Store a new record, stamped as created now."""
        stamps = self._stamp()
        made: Row = {**row, **stamps, "RGDT": stamps["LMDT"], "RGTM": stamps["LMTM"], "CHNO": 1}
        self._link(made)
        self._notify(made, False)
        return made

    def update(self, row: Row, changes: Row, quiet: bool = False) -> Row:
        """Change a record in place, with a new change number unless `quiet`."""
        stamps = {} if quiet else {**self._stamp(), "CHNO": _next_change(row)}
        moves = any(name in changes for name in (*self.keys, *self._indexes))
        if moves:  # otherwise the record keeps its position in every listing
            self._unlink(row)
        row.update(changes, **stamps)
        if moves:
            self._link(row)
        if not quiet:
            self._notify(row, False)
        return row

    def remove(self, row: Row) -> None:
        """Delete a record."""
        self._unlink(row)
        self._notify(row, True)

    def _notify(self, row: Row, deleted: bool) -> None:
        if self._watcher is not None:
            self._watcher(row, deleted)

    def kept(self) -> dict[str, Any]:
        """Records and indexes, for `go_back`."""
        return {name: getattr(self, name) for name in _KEPT}

    def go_back(self, kept: dict[str, Any]) -> None:
        """Replace records and indexes."""
        for name in _KEPT:
            setattr(self, name, kept[name])

    def clear(self) -> None:
        """Delete all records."""
        self.rows.clear()
        self._groups.clear()
        self._found.clear()

    def _link(self, row: Row) -> None:
        key = self.key_of(row)
        self.rows[key] = row
        if self._group:
            self._groups.setdefault(key[: self._group], {})[key] = row
        for field in self._indexes:
            self._found.setdefault((field, str(row.get(field, ""))), {})[key] = row

    def _unlink(self, row: Row) -> None:
        key = self.key_of(row)
        self.rows.pop(key, None)
        if self._group:
            self._groups.get(key[: self._group], {}).pop(key, None)
        for field in self._indexes:
            self._found.get((field, str(row.get(field, ""))), {}).pop(key, None)

    def key_of(self, row: Row) -> Key:
        """The key of a record."""
        return tuple(str(row[name]) for name in self.keys)


def _next_change(row: Row) -> int:
    return int(row.get("CHNO", 0)) % 999 + 1


# name: (key fields, leading key fields for prefix lookups, indexed fields)
_TABLES: dict[str, tuple[str, int, str]] = {
    "companies": ("CONO", 0, ""),
    "divisions": ("CONO DIVI", 0, ""),
    "facilities": ("CONO FACI", 0, ""),
    "warehouses": ("CONO WHLO", 0, ""),
    "locations": ("CONO WHLO WHSL", 0, ""),
    "currencies": ("CONO CUCD", 0, ""),
    "rates": ("CONO DIVI CUCD CRTP CUTD", 4, ""),
    "vat_codes": ("CONO VTCD", 0, ""),
    "codes": ("CONO STCO STKY", 2, ""),
    "order_types": ("CONO ORTP", 0, ""),
    "charge_types": ("CONO CRID", 0, ""),
    "partners": ("CONO E0PA E065", 2, ""),
    "accounts": ("CONO DIVI AITP AITM", 0, ""),
    "periods": ("CONO DIVI PERI", 0, ""),
    "interfaces": ("CONO INTN", 0, ""),
    "templates": ("CONO CUNO", 0, ""),
    "customers": ("CONO CUNO", 0, ""),
    "addresses": ("CONO CUNO ADRT ADID", 2, ""),
    "items": ("CONO ITNO", 0, ""),
    "item_facility": ("CONO ITNO FACI", 2, ""),
    "item_warehouse": ("CONO ITNO WHLO", 2, ""),
    "aliases": ("CONO ALWT ALWQ POPN E0PA ITNO", 0, "POPN ITNO"),
    "balances": ("CONO WHLO ITNO WHSL BANO CAMU REPN", 3, ""),
    "stock_transactions": ("CONO TRNR", 0, ""),
    "batch_orders": ("CONO ORNO", 0, "CUNO CUOR ORNR"),
    "batch_lines": ("CONO ORNO PONR POSX", 2, ""),
    "batch_addresses": ("CONO ORNO ADRT", 2, ""),
    "batch_texts": ("CONO ORNO TXNO", 2, ""),
    "batch_charges": ("CONO ORNO PONR POSX CRID", 2, ""),
    "orders": ("CONO ORNO", 0, "CUNO CUOR"),
    "order_lines": ("CONO ORNO PONR POSX", 2, ""),
    "order_addresses": ("CONO ORNO ADRT", 2, ""),
    "order_texts": ("CONO ORNO TXNO", 2, ""),
    "order_charges": ("CONO ORNO PONR POSX CRID", 2, ""),
    "deliveries": ("CONO DLIX", 0, "RIDN"),
    "delivery_lines": ("CONO DLIX RIDL RIDX", 2, "RIDN"),
    "packages": ("CONO DLIX PANR", 2, ""),
    "messages": ("CONO MSGN", 0, "PMSN"),
    "returns": ("CONO WHLO REPN", 0, ""),
    "return_lines": ("CONO WHLO REPN RELI", 3, ""),
    "invoices": ("CONO DIVI YEA4 IVNO", 0, "ORNO CUNO"),
    "invoice_lines": ("CONO DIVI YEA4 IVNO LINO", 4, ""),
    "journals": ("CONO KEY1", 0, ""),
    "journal_lines": ("CONO KEY1 LINE", 2, ""),
    "vouchers": ("CONO DIVI YEA4 JRNO JSNO", 3, "VONO ACDT"),
    "custom_fields": ("CONO FILE PK01 PK02 PK03 PK04 PK05 PK06 PK07 PK08", 2, ""),
    "numbers": ("CONO NBTY NBID", 0, ""),
}


class Tenant:
    """All tables, settings and number series of the tenant."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = RLock()
        self.settings = default_settings()
        self.tables: dict[str, Table] = {
            name: Table(keys, group=group, indexes=indexes, stamp=self._stamp)
            for name, (keys, group, indexes) in _TABLES.items()
        }
        self.calls: Counter[tuple[str, str, str]] = Counter()
        # messages, see messaging.py
        self.ion: dict[str, list[Row]] = {"ion_received": [], "ion_outbox": [], "ion_sent": []}
        self._sequences: Counter[str] = Counter()
        self._last_stamp = 0
        self._second = 0, "", ""  # the last second with its date and time, shared by many records

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def clear(self) -> None:
        """Delete all records and reset number series; settings stay."""
        for table in self.tables.values():
            table.clear()
        self.calls.clear()
        for messages in self.ion.values():
            messages.clear()
        self._sequences.clear()
        self._last_stamp = 0

    def kept(self) -> bytes:
        """Records, messages and number series, for `go_back`."""
        tables = {name: table.kept() for name, table in self.tables.items()}
        return pickle.dumps((tables, self.calls, self.ion, self._sequences, self._last_stamp))

    def go_back(self, kept: bytes) -> None:
        """Replace records, messages and number series."""
        tables, calls, ion, sequences, self._last_stamp = pickle.loads(kept)  # noqa: S301
        for name, table in tables.items():
            self.tables[name].go_back(table)
        # in place: others hold on to them
        for mine, theirs in ((self.calls, calls), (self.ion, ion), (self._sequences, sequences)):
            mine.clear()
            mine.update(theirs)

    def next_number(self, name: str, first: int = 1) -> int:
        """The next number of a series."""
        self._sequences[name] += 1
        return first - 1 + self._sequences[name]

    def timestamp_ms(self) -> int:
        """The current change timestamp, which never decreases (reference 2.1)."""
        self._last_stamp = max(self._last_stamp, int(self.clock.now().timestamp() * 1000))
        return self._last_stamp

    def today(self) -> str:
        """The current date of the sandbox as yyyymmdd."""
        return self.clock.now().strftime("%Y%m%d")

    def snapshot(self, name: str) -> Iterator[dict[str, Any]]:
        """Every record of a table."""
        for row in list(self.tables[name].rows.values()):
            yield {field: json_value(value) for field, value in row.items()}

    def _stamp(self) -> Row:
        stamp = self.timestamp_ms()
        second = stamp // 1000
        if second != self._second[0]:
            now = datetime.fromtimestamp(second, UTC)
            self._second = second, now.strftime("%Y%m%d"), now.strftime("%H%M%S")
        _, day, time = self._second
        return {"LMDT": day, "LMTM": time, "LMTS": stamp, "CHID": str(self.settings["user"])}
