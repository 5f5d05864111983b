"""The context of a transaction: company, division, tables, and lookups that raise M3's own message codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .errors import generic_nok, nok
from .settings import by_program
from .tenant import Table, Tenant
from .values import Row, Values, render_quantity, rounded, to_scale

Handler = Callable[["Session", Values], "Iterable[Row] | None"]
Transactions = dict[str, Handler]


@dataclass(frozen=True, slots=True)
class Session:
    """The context of one transaction."""

    tenant: Tenant
    program: str
    cono: str
    divi: str

    def __getitem__(self, name: str) -> Table:
        return self.tenant[name]

    @property
    def settings(self) -> dict[str, object]:
        """The settings of the tenant."""
        return self.tenant.settings

    def today(self) -> str:
        """The date as yyyymmdd."""
        return self.tenant.today()

    def find(self, table: str, *key: object) -> Row | None:
        """The record with a key; None if it does not exist. All lookups are within the company."""
        return self.tenant[table].get(self.cono, *key)

    def require(self, table: str, code: str, field: str, *key: object) -> Row:
        """The record with a key. Raises: Nok with the code, about the last part of the key."""
        row = self.find(table, *key)
        if row is None:
            raise nok(by_program(self.settings, "missing_code", self.program, code), key[-1], field)
        return row

    def with_key_prefix(self, table: str, *key: object) -> list[Row]:
        """The records whose key starts with these parts."""
        return self.tenant[table].with_key_prefix(self.cono, *key)

    def where(self, table: str, field: str, value: object) -> list[Row]:
        """The records with a value in an indexed field."""
        return [row for row in self.tenant[table].where(field, value) if row["CONO"] == self.cono]

    def all_rows(self, table: str) -> list[Row]:
        """All records of a table."""
        return [row for row in self.tenant[table].rows.values() if row["CONO"] == self.cono]

    def add(self, table: str, row: Row, field: str = "") -> Row:
        """Store a new record. Raises: Nok if its key exists."""
        row = {"CONO": self.cono, **row}
        if self.tenant[table].get(*self.tenant[table].key_of(row)) is not None:
            raise self.duplicate(field)
        return self.tenant[table].add(row)

    def duplicate(self, field: str = "") -> Exception:
        """The NOK for a duplicate key; its code is a setting (reference 5.1)."""
        return nok(by_program(self.settings, "duplicate_codes", self.program, "XRE0104"), "", field)

    def change(self, table: str, row: Row, values: Values, *keys: str) -> Row:
        """Update a record with the given fields, checking the change number if given. Raises: Nok."""
        if "CHNO" in values and values.integer("CHNO") != int(row.get("CHNO", 0)):
            raise nok("XUP0001", field="CHNO")
        given: Row = {name: value for name, value in values.items() if name not in {*keys, "CHNO", "CONO"}}
        if self.settings["question_mark_clears"]:
            given = {name: "" if value == "?" else value for name, value in given.items()}
        if self.settings["blank_in_change"] == "clear":
            given.update(dict.fromkeys(values.blanks - {*keys, "CHNO", "CONO"}, ""))
        return self.tenant[table].update(row, given)

    def changed_since(self, rows: Iterable[Row], values: Values) -> list[Row]:
        """The records changed since the LMTS in the input; all records without one."""
        stamp = values.integer("LMTS")
        if not stamp:
            return list(rows)
        inclusive = bool(self.settings["lmts_inclusive"])
        return [row for row in rows if row["LMTS"] > stamp or (inclusive and row["LMTS"] == stamp)]

    # lookups shared by several programs

    def customer(self, values: Values, field: str = "CUNO") -> Row:
        """The customer in the input. Raises: Nok."""
        return self.require("customers", "WCU0203", field, values.text(field))

    def item(self, itno: str, field: str = "ITNO") -> Row:
        """An item. Raises: Nok."""
        return self.require("items", "WIT0103", field, itno)

    def warehouse(self, values: Values, field: str = "WHLO") -> Row:
        """The warehouse in the input. Raises: Nok."""
        return self.require("warehouses", "WWH0103", field, values.text(field))

    def item_warehouse(self, itno: str, whlo: str) -> Row:
        """The warehouse record of an item. Raises: Nok."""
        self.item(itno)
        self.require("warehouses", "WWH0103", "WHLO", whlo)
        row = self.find("item_warehouse", itno, whlo)
        if row is None:
            raise nok("XRE0103", itno, "ITNO")
        return row

    def check_exists(self, values: Values, field: str, table: str, code: str = "XRE0103") -> None:
        """Check that the record a field refers to exists, if the field is given. Raises: Nok."""
        if field in values:
            self.require(table, code, field, values.text(field))

    def check_code(self, values: Values, field: str, code: str = "XRE0103") -> None:
        """Check the value of a field against the general code table (country, delivery terms, ...). Raises: Nok."""
        if field in values:
            self.require("codes", code, field, field, values.text(field))

    # numbers

    def quantity(self, value: Decimal, item: Row, field: str) -> Decimal:
        """A quantity in the decimals of its item. Raises: Nok, depending on `excess_decimals`."""
        return to_scale(value, int(item.get("DCCD") or 0), field, self.settings)

    def shown_quantity(self, value: Any, item: Row) -> Decimal:
        """A quantity as responses show it."""
        return render_quantity(Decimal(value or 0), int(item.get("DCCD") or 0), self.settings)

    def places(self, cucd: str) -> int:
        """The decimals of a currency."""
        row = self.find("currencies", cucd)
        return int(row["DCCD"]) if row else 2

    def amount(self, value: Decimal, cucd: str, field: str) -> Decimal:
        """A given amount in the decimals of its currency. Raises: Nok, depending on `excess_decimals`."""
        return to_scale(value, self.places(cucd), field, self.settings)

    def rounded(self, value: Decimal, cucd: str) -> Decimal:
        """A computed amount, rounded to the decimals of its currency."""
        return rounded(value, self.places(cucd))

    def local_currency(self, divi: str) -> str:
        """The local currency of a division. Raises: Nok."""
        row = self.find("divisions", divi)
        if row is None:
            raise generic_nok(f"Division {divi} does not exist", "DIVI")
        return str(row["LOCD"])

    def rate(self, divi: str, cucd: str, date: str, crtp: str = "1") -> Decimal:
        """Units of local currency per unit of a currency on a date (reference 2.6.9). Raises: Nok."""
        if cucd == self.local_currency(divi):
            return Decimal(1)
        rows = [row for row in self.with_key_prefix("rates", divi, cucd, crtp) if row["CUTD"] <= date]
        if not rows:
            raise generic_nok(f"No exchange rate for {cucd} on {date}", "CUCD")
        row = max(rows, key=lambda one: str(one["CUTD"]))
        rate = Decimal(row["ARAT"]) / Decimal(row["RAFA"])
        return rate if str(row["DMCU"]) == "1" else 1 / rate
