"""A stream of Salesforce: an object with the records it refers to and the rows that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_brightpearl.core.schema import NAMED_JSON, ListOf, Schema, StreamSchema

T = TypeVar("T")
# custom fields as text by name
CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is read of one object.

    Args:
        object: its name, such as ``OrderItem``.
        fields: typed fields; every other custom field is read as text into ``custom``.
        optional: those of ``fields`` that orgs have only with a feature or an edition.
        parents: what its lookup fields lead to, by the name of the relationship.
        keys_only: whether ``custom`` holds external ids only.
    """

    object: str
    fields: Schema
    optional: frozenset[str] = frozenset()
    parents: Mapping[str, Shape] = field(default_factory=dict)
    keys_only: bool = False

    @property
    def columns(self) -> Schema:
        parents = {relation: parent.columns for relation, parent in self.parents.items()}
        return {**self.fields, CUSTOM: NAMED_JSON, **parents}


@dataclass(frozen=True, slots=True)
class Children:
    """Rows that belong to a record: their shape, the lookup field that names it, and that relationship.

    They come in the order of their ids, those first that hold the record's own value in the custom field ``first``.
    """

    shape: Shape
    lookup: str
    parent: str
    first: str = ""

    def ordered(
        self, rows: list[T], record: Mapping[str, Any], custom_of: Callable[[T], Mapping[str, Any]]
    ) -> list[T]:
        """The rows of a record, given by their ids, in their order; ``custom_of`` gives the custom fields of a row."""
        mine = record[CUSTOM].get(self.first)
        if mine is None or len(rows) < 2:
            return rows
        return sorted(rows, key=lambda row: custom_of(row).get(self.first) != mine)


@dataclass(frozen=True, slots=True)
class Selector:
    """What selects a record when it is changed: rows of an object, the field with the record's id, and where they lead.

    ``stamped`` is the relationship, with a point, of whose stamp it goes by, empty for their own; ``parent`` that
    of the record.
    """

    name: str
    object: str
    id_field: str
    stamped: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class SalesforceStream:
    """One stream.

    Args:
        shape: of its records.
        children: rows in its records, by the name of the relationship; a changed one selects its record.
        only: values that boolean fields must have, such as ``IsWon``.
        follows: relationships of the records; what one leads to selects the record when it is changed.
    """

    shape: Shape
    children: Mapping[str, Children] = field(default_factory=dict)
    only: Mapping[str, bool] = field(default_factory=dict)
    follows: tuple[str, ...] = ()

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """That of the records, by empty text, and those of their rows, by relationship."""
        return {"": self.shape, **{relation: each.shape for relation, each in self.children.items()}}

    @property
    def selectors(self) -> list[Selector]:
        """What beside a record itself selects it: its rows, and what it follows."""
        rows = (
            Selector(each.shape.object, each.shape.object, each.lookup, parent=f"{each.parent}.")
            for each in self.children.values()
        )
        own = self.shape.object
        return [*rows, *(Selector(f"{own} by {each}", own, "Id", f"{each}.") for each in self.follows)]

    @property
    def objects(self) -> frozenset[str]:
        """Every object that is read."""
        shapes = [each for shape in self.shapes.values() for each in (shape, *shape.parents.values())]
        return frozenset(each.object for each in shapes)

    @property
    def schema(self) -> StreamSchema:
        rows = {relation: ListOf(each.shape.columns) for relation, each in self.children.items()}
        created = ("CreatedDate",) if "CreatedDate" in self.shape.fields else ()
        merged_into = "MasterRecordId" if "MasterRecordId" in self.shape.columns else ""
        columns = {**self.shape.columns, **rows}
        return StreamSchema("Id", columns, ("SystemModstamp",), created, "LastModifiedById", merged_into)
