"""Table reads: EXPORTMI Select, and a CMS100MI list defined by the tenant (reference 2.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values

# M3 table: (column prefix, table of the sandbox)
_TABLES = {
    "OOHEAD": ("OA", "orders"),
    "OOLINE": ("OB", "order_lines"),
    "OXHEAD": ("OA", "batch_orders"),
    "OXLINE": ("OB", "batch_lines"),
    "OCUSMA": ("OK", "customers"),
    "OCUSAD": ("OP", "addresses"),
    "MITMAS": ("MM", "items"),
    "MITBAL": ("MB", "item_warehouse"),
    "OINVOH": ("UH", "invoices"),
    "MHDISH": ("OQ", "deliveries"),
}
_QUERY = re.compile(
    r"(?:select\s+)?(?P<columns>.+?)\s+from\s+(?P<table>\w+)(?:\s+where\s+(?P<where>.+))?", re.S
)
_TERM = re.compile(r"(\w+)\s*(<=|>=|<>|!=|=|<|>)\s*('(?:[^']|'')*'|-?[\d.]+)")
_MAX_LENGTH = 3985
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def select(session: Session, values: Values) -> Iterable[Row]:
    """One delimited text per record; keywords are lower case, terms are joined by `and` and `or`."""
    if not session.settings["exportmi"]:
        raise nok("XAU0008", session.cono, "CONO")
    query = _QUERY.fullmatch(values.text("QERY").strip())
    if query is None or query["table"] not in _TABLES:
        raise generic_nok("Query is not valid", "QERY")
    prefix, name = _TABLES[query["table"]]
    columns = [_column(word.strip(), prefix) for word in query["columns"].split(",")]
    separator = values.text("SEPC", ";")
    if values.integer("HDRS"):
        yield {"REPL": separator.join(prefix + column for column in columns)}
    for row in session.all_rows(name):
        if _holds(row, query["where"], prefix):
            yield {"REPL": separator.join(_text(row.get(c)) for c in columns)[:_MAX_LENGTH]}


def _column(name: str, prefix: str) -> str:
    if not name.startswith(prefix) or len(name) != 6:
        raise generic_nok(f"Column {name} is not valid", "QERY")
    return name[2:]


def _holds(row: Row, where: str | None, prefix: str) -> bool:
    if not where:
        return True
    choices = re.split(r"\s+or\s+", where.strip())
    return any(all(_term(row, t, prefix) for t in re.split(r"\s+and\s+", choice)) for choice in choices)


def _term(row: Row, text: str, prefix: str) -> bool:
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise generic_nok("Query is not valid", "QERY")
    stored, wanted = row.get(_column(found[1], prefix), ""), found[3]
    if wanted.startswith("'"):
        return _TESTS[found[2]](_text(stored).rstrip(), wanted[1:-1].replace("''", "'").rstrip())
    return _TESTS[found[2]](Decimal(str(stored or 0)), Decimal(wanted))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def orders_by_reference(session: Session, values: Values) -> Iterable[Row]:
    """The list defined by the tenant: temporary orders by the customer's order number."""
    for row in session.where("batch_orders", "CUOR", values.text("OACUOR")):
        if row["ORNO"] >= values.text("OAORNO"):
            yield {f"OA{name}": value for name, value in row.items()}


EXPORTMI: Transactions = {"Select": select}
CMS100MI: Transactions = {"Lst_OXHEAD_CUOR": orders_by_reference}
