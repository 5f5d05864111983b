"""What a transaction works with: company and division, tables, and look-ups that refuse in M3's own codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .errors import nok, refused
from .settings import by_program
from .tenant import Table, World
from .values import Row, Values, as_quantity, rounded, scaled

Handler = Callable[["Session", Values], "Iterable[Row] | None"]
Transactions = dict[str, Handler]


@dataclass(frozen=True, slots=True)
class Session:
    """One call of one transaction."""

    world: World
    program: str
    cono: str
    divi: str

    def __getitem__(self, name: str) -> Table:
        return self.world[name]

    @property
    def settings(self) -> dict[str, object]:
        """The switches."""
        return self.world.settings

    def today(self) -> str:
        """The date as yyyymmdd."""
        return self.world.today()

    def find(self, table: str, *key: object) -> Row | None:
        """A record of this company."""
        return self.world[table].get(self.cono, *key)

    def need(self, table: str, code: str, field: str, *key: object) -> Row:
        """A record of this company, or the refusal with a code about the last part of its key."""
        row = self.find(table, *key)
        if row is None:
            raise nok(by_program(self.settings, "missing_code", self.program, code), key[-1], field)
        return row

    def group(self, table: str, *key: object) -> list[Row]:
        """The records of this company whose key begins so."""
        return self.world[table].group(self.cono, *key)

    def having(self, table: str, field: str, value: object) -> list[Row]:
        """The records of this company with a value in an indexed field."""
        return [row for row in self.world[table].having(field, value) if row["CONO"] == self.cono]

    def every(self, table: str) -> list[Row]:
        """All records of this company."""
        return [row for row in self.world[table].rows.values() if row["CONO"] == self.cono]

    def add(self, table: str, row: Row, field: str = "") -> Row:
        """Store a record; refused when its key is taken."""
        row = {"CONO": self.cono, **row}
        if self.world[table].get(*self.world[table].key_of(row)) is not None:
            raise self.duplicate(field)
        return self.world[table].add(row)

    def duplicate(self, field: str = "") -> Exception:
        """The refusal of a second record with the same key; which code it has is a switch (reference 5.1)."""
        return nok(by_program(self.settings, "duplicate_codes", self.program, "XRE0104"), "", field)

    def change(self, table: str, row: Row, values: Values, *keys: str) -> Row:
        """Put the given fields into a record, checking the change number when one is given."""
        if "CHNO" in values and values.whole("CHNO") != int(row.get("CHNO", 0)):
            raise nok("XUP0001", field="CHNO")
        given: Row = {name: value for name, value in values.items() if name not in {*keys, "CHNO", "CONO"}}
        if self.settings["question_mark_clears"]:
            given = {name: "" if value == "?" else value for name, value in given.items()}
        if self.settings["blank_in_change"] == "clear":
            given.update(dict.fromkeys(values.blanks - {*keys, "CHNO", "CONO"}, ""))
        return self.world[table].update(row, given)

    def since(self, rows: Iterable[Row], values: Values) -> list[Row]:
        """The records changed since the LMTS of the call; all without one."""
        stamp = values.whole("LMTS")
        if not stamp:
            return list(rows)
        inclusive = bool(self.settings["lmts_inclusive"])
        return [row for row in rows if row["LMTS"] > stamp or (inclusive and row["LMTS"] == stamp)]

    # look-ups that several programs share

    def customer(self, values: Values, field: str = "CUNO") -> Row:
        """The customer the input names."""
        return self.need("customers", "WCU0203", field, values.text(field))

    def item(self, itno: str, field: str = "ITNO") -> Row:
        """An item."""
        return self.need("items", "WIT0103", field, itno)

    def warehouse(self, values: Values, field: str = "WHLO") -> Row:
        """The warehouse the input names."""
        return self.need("warehouses", "WWH0103", field, values.text(field))

    def item_warehouse(self, itno: str, whlo: str) -> Row:
        """The record that says an item is kept in a warehouse."""
        self.item(itno)
        self.need("warehouses", "WWH0103", "WHLO", whlo)
        row = self.find("item_warehouse", itno, whlo)
        if row is None:
            raise nok("XRE0103", itno, "ITNO")
        return row

    def check(self, values: Values, field: str, table: str, code: str = "XRE0103") -> None:
        """The record a field names must exist, when the field is given."""
        if field in values:
            self.need(table, code, field, values.text(field))

    def check_code(self, values: Values, field: str, code: str = "XRE0103") -> None:
        """The value of a field must be in the general code table (country, delivery terms, ...)."""
        if field in values:
            self.need("codes", code, field, field, values.text(field))

    # numbers

    def quantity(self, value: Decimal, item: Row, field: str) -> Decimal:
        """A quantity with no more decimals than the item has."""
        return scaled(value, int(item.get("DCCD") or 0), field, self.settings)

    def shown_quantity(self, value: Any, item: Row) -> Decimal:
        """A quantity as answers show it."""
        return as_quantity(Decimal(value or 0), int(item.get("DCCD") or 0), self.settings)

    def places(self, cucd: str) -> int:
        """The decimals of a currency."""
        row = self.find("currencies", cucd)
        return int(row["DCCD"]) if row else 2

    def amount(self, value: Decimal, cucd: str, field: str) -> Decimal:
        """A given amount with no more decimals than its currency has."""
        return scaled(value, self.places(cucd), field, self.settings)

    def rounded(self, value: Decimal, cucd: str) -> Decimal:
        """A computed amount in the decimals of its currency."""
        return rounded(value, self.places(cucd))

    def local_currency(self, divi: str) -> str:
        """The currency a division keeps its books in."""
        row = self.find("divisions", divi)
        if row is None:
            raise refused(f"Division {divi} does not exist", "DIVI")
        return str(row["LOCD"])

    def rate(self, divi: str, cucd: str, date: str, crtp: str = "1") -> Decimal:
        """How much local currency one unit of a currency was worth on a date (reference 2.6.9)."""
        if cucd == self.local_currency(divi):
            return Decimal(1)
        rows = [row for row in self.group("rates", divi, cucd, crtp) if row["CUTD"] <= date]
        if not rows:
            raise refused(f"No exchange rate for {cucd} on {date}", "CUCD")
        row = max(rows, key=lambda one: str(one["CUTD"]))
        rate = Decimal(row["ARAT"]) / Decimal(row["RAFA"])
        return rate if str(row["DMCU"]) == "1" else 1 / rate
