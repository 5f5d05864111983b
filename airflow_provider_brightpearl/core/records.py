"""Values that pass between the stages of a flow: references to staged parts, rejections, counts, money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum


class Stage(StrEnum):
    """A stage of a run."""

    EXTRACT = "extract"
    TRANSFORM = "transform"
    GATE = "gate"
    LOAD = "load"
    WRITE_BACK = "write_back"


class Outcome(StrEnum):
    """The outcome of one source record in one run; every extracted record has exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class PartRef:
    """One staged file: where it is, how many records (one per line) and the digest of its bytes.

    ``path`` is relative to the run's staging folder, so that workers may mount it elsewhere.
    """

    path: str
    records: int
    digest: str


@dataclass(frozen=True, slots=True)
class RawPart(PartRef):
    """A staged file of raw records; ``times``, staged beside it, says when they were read (``core.readings``).

    The last ``due`` of them were read for the sake of their dead letters alone.
    """

    times: PartRef
    due: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one source record did not go through, with the field and value that a person has to check.

    ``waits_for`` is set on parked records only: (flow, object, source key) of the parent that is not bound yet.
    ``missing`` is set on records that were found or named and could not be read, ``passing`` on those that were refused
    for a passing reason, such as a lock: later runs try both again. A missing one is ``gone`` if the source answered
    that it has no such record. One for ``review`` is a question that a person answers: which row of the target it is.
    ``amount`` and ``currency`` are the record's own total, so that money adds up over rejected records too.
    """

    source_id: str
    stage: Stage
    reason: str
    object: str = ""
    row: str = ""
    field: str = ""
    value: str = ""
    waits_for: tuple[str, str, str] | None = None
    amount: Decimal | None = None
    currency: str = ""
    missing: bool = False
    passing: bool = False
    gone: bool = False
    review: bool = False

    @property
    def outcome(self) -> Outcome:
        return Outcome.PARKED if self.waits_for else Outcome.REJECTED


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of rejections in a run: how many records it met, the ids of the first, and the field it is about."""

    reason: str
    count: int
    ids: tuple[str, ...]
    object: str = ""
    field: str = ""


Money = dict[str, Decimal]
"""Totals by ISO currency code."""


def add_money(totals: Iterable[Mapping[str, Decimal]]) -> Money:
    """Sum of several totals, currency by currency."""
    result: Money = {}
    for total in totals:
        for currency, amount in total.items():
            result[currency] = result.get(currency, Decimal(0)) + amount
    return result


@dataclass(frozen=True, slots=True)
class Counts:
    """How many source records met which outcome."""

    extracted: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    parked: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def settled(self) -> int:
        return self.created + self.updated + self.unchanged + self.rejected + self.parked

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], extracted: int = 0) -> Counts:
        tally: dict[str, int] = {}
        for outcome in outcomes:
            tally[outcome.value] = tally.get(outcome.value, 0) + 1
        return cls(extracted=extracted, **tally)


@dataclass(frozen=True, slots=True)
class Calls:
    """API calls made, beside the fewest that the same work needs, and those that were planned, per system.

    ``rows`` are the rows written, by object: the basis of later plans. ``looks`` are those of the calls made that
    only polled for the end of work; neither the fewest nor the planned calls include any.
    """

    made: dict[str, int] = field(default_factory=dict)
    minimum: dict[str, int] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        system: str,
        made: int,
        minimum: int,
        planned: int = 0,
        rows: Mapping[str, int] | None = None,
        looks: int = 0,
    ) -> Calls:
        """The calls to one system."""
        looked = {system: looks} if looks else {}
        return cls({system: made}, {system: minimum}, {system: planned}, dict(rows or {}), looked)

    def __add__(self, other: Calls) -> Calls:
        return Calls(
            _add(self.made, other.made),
            _add(self.minimum, other.minimum),
            _add(self.planned, other.planned),
            _add(self.rows, other.rows),
            _add(self.looks, other.looks),
        )


def _add(one: Mapping[str, int], two: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + two.get(name, 0) for name in {*one, *two}}
