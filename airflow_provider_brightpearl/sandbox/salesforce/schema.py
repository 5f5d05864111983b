"""The objects and fields as describe shows them under the current settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..settings import int_setting, list_setting
from .errors import ApiError, no_such_type, resource_not_found
from .field_changes import changed_fields
from .fields import Field, SObject, label_of, lookup, picklist, read_only


class Entity:
    """One object with all its fields, looked up case-insensitively."""

    def __init__(self, sobject: SObject, fields: Iterable[Field]) -> None:
        self.sobject = sobject
        self.name = sobject.name
        self.prefix = sobject.prefix
        self.fields = {field.name: field for field in fields}
        self._any_case = {name.lower(): field for name, field in self.fields.items()}
        self._relations = {f.relationship.lower(): f for f in self.fields.values() if f.relationship}
        self.required = tuple(f.name for f in self.fields.values() if f.required)
        self.defaults = tuple((f.name, f.default) for f in self.fields.values() if f.default is not None)

    def field(self, name: str) -> Field | None:
        """The field with a name, in any case; None if there is none."""
        return self.fields.get(name) or self._any_case.get(name.lower())

    def relation(self, name: str) -> Field | None:
        """The lookup behind a relationship name such as `Account` or `Foo__r`."""
        return self._relations.get(name.lower())

    def key_field(self, name: str) -> Field | None:
        """The field if records can be upserted by it; None otherwise."""
        field = self.field(name)
        usable = field is not None and (field.external_id or field.id_lookup)
        return field if usable else None


class Schema:
    """All objects under one set of settings."""

    def __init__(
        self, objects: Iterable[SObject], settings: Mapping[str, object], unseen: Iterable[str] = ()
    ) -> None:
        hidden = {name.lower() for name in (*list_setting(settings, "invisible_fields"), *unseen)}
        self.entities: dict[str, Entity] = {}
        for sobject in objects:
            if sobject.name.lower() in hidden:
                continue
            present = changed_fields(sobject.name, _all_fields(sobject, settings), settings)
            shown = (f for f in present if _visible(f, sobject, settings, hidden))
            fields = [_with_scale(f, settings) if f.scale_from else f for f in shown]
            self.entities[sobject.name] = Entity(sobject, fields)
        self._any_case = {name.lower(): entity for name, entity in self.entities.items()}
        self._by_prefix = {entity.prefix: entity for entity in self.entities.values()}

    def find(self, name: str) -> Entity | None:
        """The object with a name, in any case; None if there is none."""
        return self.entities.get(name) or self._any_case.get(name.lower())

    def in_path(self, name: str) -> Entity:
        """The object named in a URL. Raises: ApiError 404."""
        entity = self.find(name)
        if entity is None:
            raise resource_not_found()
        return entity

    def in_body(self, name: object) -> Entity:
        """The object named in a body or query. Raises: ApiError INVALID_TYPE."""
        entity = self.find(name) if isinstance(name, str) else None
        if entity is None:
            raise no_such_type(str(name))
        return entity

    def of_id(self, record_id: str) -> Entity:
        """The object of an id, by its first three characters. Raises: ApiError."""
        entity = self._by_prefix.get(record_id[:3])
        if entity is None:
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return entity

    def children_of(self, parent: str) -> Iterable[tuple[Entity, Field]]:
        """Every lookup field that refers to an object."""
        for entity in self.entities.values():
            for field in entity.fields.values():
                if field.refers_to == parent:
                    yield entity, field


def _all_fields(sobject: SObject, settings: Mapping[str, object]) -> Iterable[Field]:
    label = f"{sobject.label or label_of(sobject.name)} ID"
    yield replace(read_only(Field("Id", "id", label, length=18)), id_lookup=True)
    yield read_only(Field("IsDeleted", "boolean", "Deleted"))
    if sobject.has_currency:
        currencies = tuple(list_setting(settings, "currencies"))
        currency = picklist("CurrencyIsoCode", *currencies, label="Currency ISO Code", restricted=True)
        frozen = sobject.name in ("PricebookEntry", "OrderItem")
        yield replace(
            currency,
            default=settings["corporate_currency"],
            updateable=not frozen,
            when="multi_currency",
            createable=sobject.name != "OrderItem",
            computed="item_currency" if sobject.name == "OrderItem" else "",
        )
    yield from sobject.fields
    yield read_only(Field("CreatedDate", "datetime", "Created Date"))
    yield read_only(lookup("CreatedById", "User"))
    yield read_only(Field("LastModifiedDate", "datetime", "Last Modified Date"))
    yield read_only(lookup("LastModifiedById", "User"))
    yield read_only(Field("SystemModstamp", "datetime", "System Modstamp"))


def _visible(field: Field, owner: SObject, settings: Mapping[str, object], hidden: set[str]) -> bool:
    switched_on = not field.when or bool(settings[field.when])
    return switched_on and f"{owner.name}.{field.name}".lower() not in hidden


def _with_scale(field: Field, settings: Mapping[str, object]) -> Field:
    # the number of digits before the point stays the same
    scale = int_setting(settings, field.scale_from)
    return replace(field, scale=scale, precision=field.precision - field.scale + scale)
