"""Pieces of SOQL, and what its answers hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_brightpearl.core.window import Window

# a query's address holds 16,000 bytes, and a quoted id takes up to 30 of them
KEYS_ASKED = 400
STAMP = "SystemModstamp"
# instants of queries and stamps of records hold whole seconds
MARGIN = timedelta(seconds=1)


def listed(texts: Sequence[str]) -> str:
    """Texts as a list."""
    from simple_salesforce.format import quote_soql_value

    return f"({', '.join(map(quote_soql_value, texts))})"


def literal(value: bool) -> str:
    """A boolean."""
    return "true" if value else "false"


def having(values: Mapping[str, bool], parent: str = "") -> tuple[str, ...]:
    """Conditions that boolean fields have these values, those of a parent behind its relationship."""
    return tuple(f"{parent}{name} = {literal(value)}" for name, value in values.items())


def period(field: str, window: Window) -> str:
    """The condition that a field lies in a window, widened."""
    wide = window.widened(MARGIN)
    start = f"{field} >= {wide.start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} AND " if wide.start else ""
    return f"{start}{field} <= {wide.end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def where(*conditions: str) -> str:
    """A WHERE of all conditions that are not empty, itself empty where all are."""
    held = [each for each in conditions if each]
    return f" WHERE {' AND '.join(held)}" if held else ""


def instant(text: Any) -> datetime | None:
    """An instant of a record; None where it is empty or has another form."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def inside(text: Any, window: Window) -> bool:
    """Whether an instant lies in a window, or cannot be read: reading a record once too often does no harm."""
    moment = instant(text)
    return moment is None or moment in window
