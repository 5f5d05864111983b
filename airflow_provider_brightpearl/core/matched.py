"""What a dry run of matching finds of each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Found(StrEnum):
    """What the next run would make of a record, as far as it is known before it writes."""

    REVIEW = "review"
    LINK = "link"
    CREATE = "create"
    LINKED = "linked"
    REJECTED = "rejected"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class MatchRow:
    """One record: the key of its first row, the row of the target that it is or would be, and by which rule.

    ``reason`` is why a person has to look, ``candidates`` the rows that fit. ``conflicts`` are fields of which both
    sides of a two-way flow hold another value, each with whose value counts.
    """

    found: Found
    source_id: str
    key: str = ""
    target_id: str = ""
    rule: str = ""
    reason: str = ""
    candidates: str = ""
    conflicts: tuple[str, ...] = ()


@dataclass(slots=True)
class MatchReport:
    """The rows of a dry run, counted as they pass by; ``first`` are the first few of each kind.

    ``left_out`` are records that the flow does not want. ``conflicts`` counts the records by field.
    """

    flow: str
    shown: int = 5
    records: int = 0
    left_out: int = 0
    counts: Counter[Found] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    first: dict[Found, list[MatchRow]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def counting(self, rows: Iterator[MatchRow]) -> Iterator[MatchRow]:
        """The same rows, counted."""
        for row in rows:
            self.counts[row.found] += 1
            self.conflicts.update(row.conflicts)
            kept = self.first.setdefault(row.found, [])
            if len(kept) < self.shown:
                kept.append(row)
            yield row
