"""The port of what people have put in the place of values of records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec


class Override(msgspec.Struct, frozen=True):
    """Values in the place of a record's own, for as long as the record is the one that they were made for.

    ``patch`` is a JSON merge patch (RFC 7396), ``payload`` the raw record for which a person made it. ``at`` and
    ``ended_at`` are aware; ``ended`` says why it does not count any more.
    """

    source_id: str
    patch: dict[str, Any]
    payload: str
    author: str
    note: str
    at: datetime
    ended_at: datetime | None = None
    ended: str = ""


class Overrides(Protocol):
    """The overrides of each flow; every method raises ``Unavailable`` where the state database does not answer."""

    def active(self, flow: str) -> dict[str, Override]:
        """Those that count, by record."""
        ...

    def end(self, flow: str, source_ids: Sequence[str], why: str, at: datetime) -> list[str]:
        """Ends those of these records that still count, and says so in their history; returns the records."""
        ...
