"""The Search transactions: queries over an index that may lag behind the tables (reference 2.6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...settings import int_setting
from ..session import Session
from ..values import Row


def search_rows(session: Session, rows: Iterable[Row], query: str) -> Iterator[Row]:
    """The records that match every term: `FIELD:value`, or a value in any field; `*` ends a prefix."""
    lag = int_setting(session.settings, "search_lag_seconds") * 1000
    newest = session.tenant.timestamp_ms() - lag
    terms = [term for term in query.replace(" AND ", " ").split() if term]
    for row in rows:
        if (not lag or row["LMTS"] <= newest) and all(_has(row, term) for term in terms):
            yield row


def _has(row: Row, term: str) -> bool:
    field, colon, wanted = term.partition(":")
    if colon:
        return _same(str(row.get(field.upper(), "")), wanted)
    return any(_same(str(value), term) for value in row.values())


def _same(value: str, wanted: str) -> bool:
    value, wanted = value.upper(), wanted.strip('"').upper()
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted
