"""What changed in the fields of a target between two readings, and whether a flow can go on with it; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

_SHOWN = 5


class FieldSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a target, as far as it decides what can be written into it.

    ``kind`` is a word of its system, one for all types that take the same values. ``length`` counts characters, or
    digits before the point of a number, ``scale`` those after it; 0 is no limit. ``required``: a new row needs a value.
    ``key``: rows are found by it. ``values`` are the only ones that it takes, None where it takes others too.
    ``sent``: it is written whatever the flow file says.
    """

    kind: str
    length: int = 0
    scale: int = 0
    required: bool = False
    key: bool = False
    writable: bool = True
    values: tuple[str, ...] | None = None
    sent: bool = False


ObjectSchema = Mapping[str, FieldSchema]


@dataclass(frozen=True, slots=True)
class Written:
    """What a flow writes of one object: by field the values that its mapping names, beside any others; and its key."""

    values: Mapping[str, Collection[str]]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """One change of a target's field; ``breaking`` where the flow could no longer write what it writes."""

    field: str
    text: str
    breaking: bool = False


@dataclass(frozen=True, slots=True)
class TargetFields:
    """What a target has for a flow, by object of the flow file: ``Customer``.

    Where an object is written by several calls, each with fields of its own, by object and call:
    ``Customer CRS610MI Add``. ``objects`` without fields could not be read: what was met before stays. ``missing`` is
    what the target lacks of what the flow needs, the field empty where it lacks all of it; ``notes`` say what could
    not be compared.
    """

    objects: Mapping[str, ObjectSchema]
    missing: Mapping[str, Sequence[Drift]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def compare_fields(before: ObjectSchema, now: ObjectSchema, written: Written) -> list[Drift]:
    """What changed of one object, breaking changes first.

    Fields that the flow does not write count where a new row needs them. Of the others only those are named that are
    new.
    """
    sent: dict[str, Collection[str]] = {name: () for name, each in before.items() if each.sent}
    written = replace(written, values={**sent, **written.values})
    found = [*_written(before, now, written), *_others(before, now, written)]
    return sorted(found, key=lambda each: not each.breaking)


def _written(before: ObjectSchema, now: ObjectSchema, written: Written) -> Iterator[Drift]:
    for name, values in written.values.items():
        old, new = before.get(name), now.get(name)
        if old is None:
            continue
        if new is None:
            yield Drift(name, "no longer exists, or this user may not see it", breaking=True)
        elif new.kind != old.kind:
            yield Drift(name, f"was of type {old.kind} and is of type {new.kind}", breaking=True)
        else:
            yield from _narrower(name, old, new)
            yield from _choices(name, old, new, values)
            if old.key and not new.key and name == written.key:
                yield Drift(name, "is no longer a unique external id", breaking=True)


def _narrower(name: str, old: FieldSchema, new: FieldSchema) -> Iterator[Drift]:
    for what, was, now in (("length", old.length, new.length), ("decimals", old.scale, new.scale)):
        if was != now:
            # without a limit is more than any
            less = bool(now) and (not was or now < was) if what == "length" else now < was
            yield Drift(name, f"{what} was {was or 'unlimited'} and is {now or 'unlimited'}", breaking=less)
    if old.writable and not new.writable:
        yield Drift(name, "can no longer be written", breaking=True)


def _choices(name: str, old: FieldSchema, new: FieldSchema, values: Collection[str]) -> Iterator[Drift]:
    if new.values is None:
        return
    if old.values is None:
        gone = sorted({*values} - {*new.values})
        lost = f", without {_named(gone)}, which the mapping writes" if gone else ""
        yield Drift(name, f"takes only the values of its list now{lost}", breaking=bool(gone))
        return
    gone = sorted({*old.values} - {*new.values})
    if named := [value for value in gone if value in values]:
        yield Drift(name, f"no longer takes {_named(named)}, which the mapping writes", breaking=True)
    if others := [value for value in gone if value not in named]:
        yield Drift(name, f"no longer takes {_named(others)}")
    if more := sorted({*new.values} - {*old.values}):
        yield Drift(name, f"takes {_named(more)} too")


def _others(before: ObjectSchema, now: ObjectSchema, written: Written) -> Iterator[Drift]:
    added = []
    for name, new in now.items():
        old = before.get(name)
        if name in written.values:
            continue
        if new.required and not (old and old.required):
            yield Drift(name, "is required now, and the mapping does not write it", breaking=True)
        elif old is None:
            added.append(name)
    if added:
        yield Drift(added[0], f"new in the target: {_named(sorted(added))}")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
