"""Customer-defined fields, table CUGEX1, CUSEXTMI, which can hold ids of other systems (reference 2.6.9)."""

from __future__ import annotations

from collections.abc import Iterable

from ..session import Session, Transactions
from ..values import Row, Values

KEYS = ("FILE", *(f"PK0{n}" for n in range(1, 9)))


def _key(values: Values) -> dict[str, str]:
    return {name: values.text(name) for name in KEYS}


def _row(session: Session, values: Values) -> Row:
    return session.require("custom_fields", "XRE0103", "PK01", *_key(values).values())


def add(session: Session, values: Values) -> None:
    session.add("custom_fields", {**values, **_key(values)})


def change(session: Session, values: Values) -> None:
    session.change("custom_fields", _row(session, values), values, *KEYS)


def get(session: Session, values: Values) -> Iterable[Row]:
    return [_row(session, values)]


def delete(session: Session, values: Values) -> None:
    session["custom_fields"].remove(_row(session, values))


def list_from(session: Session, values: Values) -> Iterable[Row]:
    """The records of a file, starting from a key."""
    rows = session.with_key_prefix("custom_fields", values.text("FILE"))
    return [row for row in rows if str(row["PK01"]) >= values.text("PK01")]


CUSEXTMI: Transactions = {
    "AddFieldValue": add,
    "ChgFieldValue": change,
    "GetFieldValue": get,
    "DelFieldValue": delete,
    "LstFieldValue": list_from,
}
