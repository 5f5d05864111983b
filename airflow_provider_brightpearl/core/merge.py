"""Three-way merge of a record that both systems edit: base (last agreed value), ours (source), theirs (target).

A field is written if its source changed since the base. Where the target changed too, and to another value, that is a
conflict, which the field's rule decides. Both directions of an entity share base and rules, so that they decide alike
whichever runs first, and both sides converge. All values are in one form: that of one of the two systems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from airflow_provider_brightpearl.core.numbers import decimal_of

Value = str | int | float | Decimal | bool | None
Fields = Mapping[str, Value]


class Rule(StrEnum):
    """Whose value counts where both sides changed a field."""

    SOURCE = "source"
    TARGET = "target"
    NEWEST = "newest"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that both sides changed to different values; ``winner`` is empty where a person has to decide."""

    field: str
    base: Value
    ours: Value
    theirs: Value
    winner: Rule | None


@dataclass(frozen=True, slots=True)
class Merged:
    """What to write to the target, the conflicts there were, and the base from now on."""

    write: dict[str, Value] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    base: dict[str, Value] = field(default_factory=dict)


def normal(value: Value) -> Value:
    """A value as both sides are compared: without outer or repeated blanks, numbers exact, empty text as None."""
    if isinstance(value, str):
        return " ".join(value.split()) or None
    if isinstance(value, bool) or value is None:
        return value
    return Decimal(str(value))


def candidates(base: Fields | None, ours: Fields) -> list[str]:
    """The fields whose source changed since the base; all of them on first sight, when there is none.

    Only for records with such fields are the target's present values needed.
    """
    return [
        name for name, value in ours.items() if base is None or name not in base or differ(value, base[name])
    ]


def merge(
    base: Fields | None,
    ours: Fields,
    theirs: Fields,
    rule_of: Callable[[str], Rule],
    ours_at: datetime | None = None,
    theirs_at: datetime | None = None,
) -> Merged:
    """Merges one record, field by field.

    Args:
        base: the values last agreed on; None on first sight. Then a side that holds nothing claims nothing.
        ours: the source's values, as the flow would write them.
        theirs: the target's present values of the ``candidates``.
        rule_of: the rule of a field.
        ours_at: when the source's record was changed last, aware; for ``Rule.NEWEST``. A side whose time is not known
            is the older one, and of equals the source counts.
        theirs_at: likewise of the target's record.
    """
    newest = newer_side(ours_at, theirs_at)
    write: dict[str, Value] = {}
    conflicts: list[Conflict] = []
    agreed = dict(base or {})
    for name in candidates(base, ours):
        conflict = _conflict(name, base, ours[name], theirs.get(name), rule_of(name), newest)
        if conflict:
            conflicts.append(conflict)
        if conflict and conflict.winner is None:
            continue
        # also where theirs wins: seen from the other direction, our value is then the one that it changes
        agreed[name] = ours[name]
        ours_counts = conflict is None or conflict.winner is Rule.SOURCE
        if (
            ours_counts
            and not _claims_nothing(base, name, ours[name])
            and differ(ours[name], theirs.get(name))
        ):
            write[name] = ours[name]
    return Merged(write, tuple(conflicts), agreed)


def _conflict(
    name: str, base: Fields | None, ours: Value, theirs: Value, rule: Rule, newest: Rule
) -> Conflict | None:
    if not differ(ours, theirs):
        return None
    if base is None or name not in base:
        there_was, changed = None, normal(ours) is not None and normal(theirs) is not None
    else:
        there_was, changed = base[name], differ(theirs, base[name])
    if not changed:
        return None
    winner = None if rule is Rule.MANUAL else newest if rule is Rule.NEWEST else rule
    return Conflict(name, there_was, ours, theirs, winner)


def _claims_nothing(base: Fields | None, name: str, ours: Value) -> bool:
    return (base is None or name not in base) and normal(ours) is None


def differ(one: Value, other: Value) -> bool:
    """Whether two values are not the same; a number and the text of it are compared by value."""
    ours, theirs = normal(one), normal(other)
    if isinstance(ours, Decimal) and isinstance(theirs, str):
        return ours != decimal_of(theirs)
    if isinstance(theirs, Decimal) and isinstance(ours, str):
        return theirs != decimal_of(ours)
    return ours != theirs


def newer_side(ours_at: datetime | None, theirs_at: datetime | None) -> Rule:
    """The side that was changed last; see ``merge``."""
    if ours_at is None or theirs_at is None:
        return Rule.SOURCE if theirs_at is None else Rule.TARGET
    return Rule.SOURCE if ours_at >= theirs_at else Rule.TARGET
