"""What of a stream's shape an org has: the fields to ask for, and how an answer becomes a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM
from airflow_provider_brightpearl.systems.salesforce.streams.stream import CUSTOM, Shape


class Described(msgspec.Struct):
    """A field as an org describes it."""

    name: str
    type: str
    custom: bool
    externalId: bool = False


Describe = Callable[[str], Sequence[Described]]
# compound fields, whose parts are fields too, and content that is read by calls of its own
_UNREADABLE = frozenset({"address", "location", "base64"})


@dataclass(frozen=True, slots=True)
class Selected:
    """The fields of a shape that an org has, by their names there."""

    fields: tuple[str, ...]
    custom: tuple[str, ...]
    parents: Mapping[str, Selected]
    booleans: frozenset[str]

    @classmethod
    def of(cls, shape: Shape, describe: Describe) -> Selected:
        """The fields of a shape by the describe of its objects.

        Raises:
            SchemaMismatch: a field is missing that every org has, so this user may not see it.
        """
        there = {each.name: each for each in describe(shape.object)}
        if missing := [name for name in shape.fields if name not in there and name not in shape.optional]:
            raise SchemaMismatch(
                f"{shape.object} has no field {', '.join(missing)} for this user: grant the integration user read "
                "access to it, so that it is not taken for empty",
                system=SYSTEM,
                operation=f"describe {shape.object}",
            )
        custom = (
            name
            for name, each in there.items()
            if each.custom and name not in shape.fields and each.type not in _UNREADABLE
            if each.externalId or not shape.keys_only
        )
        return cls(
            tuple(name for name in shape.fields if name in there),
            tuple(custom),
            {relation: cls.of(parent, describe) for relation, parent in shape.parents.items()},
            frozenset(name for name, kind in shape.fields.items() if kind == "BOOLEAN"),
        )

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The fields as SOQL names them, those of parents behind the name of their relationship."""
        yield from (prefix + name for name in (*self.fields, *self.custom))
        for relation, parent in self.parents.items():
            yield from parent.paths(f"{prefix}{relation}.")

    def record(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The record of an answer: fields, custom fields as text, and its parents; bulk queries answer in text."""
        record = {name: _instant(found.get(name)) for name in self.fields}
        record |= {name: found[name] == "true" for name in self.booleans if isinstance(found.get(name), str)}
        record[CUSTOM] = {name: _text(found.get(name)) for name in self.custom}
        for relation, parent in self.parents.items():
            up = found.get(relation)
            record[relation] = parent.record(up) if isinstance(up, Mapping) and up.get("Id") else None
        return record


def _instant(value: Any) -> Any:
    """A value; an instant as bulk queries write it, whose offset pages write as ``+0000``."""
    if isinstance(value, str) and value.endswith(".000+0000") and len(value) == 28:
        return value[:-5] + "Z"
    return value


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(_instant(value)) if isinstance(value, str) else msgspec.json.encode(value).decode()
