"""Avro schemas and payloads of events (Pub/Sub API guide, "Event Data Serialization with Apache Avro")."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import fastavro

from ..change_log import GAPS, KINDS, OVERFLOW
from ..compound_fields import ADDRESS, NAME, compound_of
from ..datetimes import day_start, parse_instant
from ..schema import Entity

Schema = dict[str, Any]
_NAMESPACE = "com.sforce.eventbus"
_LEFT_OUT = ("Id", "IsDeleted", "SystemModstamp")
# type of a field: its type in Avro, and as the schema's documentation names it
_TYPES = {
    "boolean": ("boolean", "Data:Boolean"),
    "currency": ("double", "Data:Currency"),
    "date": ("long", "Data:DateOnly"),
    "datetime": ("long", "Data:DateTime"),
    "double": ("double", "Data:Double"),
    "email": ("string", "Data:Email"),
    "int": ("int", "Data:Integer"),
    "percent": ("double", "Data:Percent"),
    "phone": ("string", "Data:Phone"),
    "picklist": ("string", "Data:DynamicEnum"),
    "reference": ("string", "ForeignKey:EntityId"),
    "textarea": ("string", "Data:MultiLineText"),
    "url": ("string", "Data:Url"),
}
_TEXT = ("string", "Data:Text")
# types of the fields of platform events, as Setup names them
_EVENT_TYPES = {
    "checkbox": _TYPES["boolean"],
    "date": _TYPES["date"],
    "datetime": _TYPES["datetime"],
    "number": _TYPES["double"],
    "text": _TEXT,
    "textarea": _TYPES["textarea"],
}
_HEADER = {
    "type": "record",
    "name": "ChangeEventHeader",
    "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": {"type": "array", "items": "string"}},
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": [*KINDS, *GAPS, OVERFLOW]}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        *({"name": name, "type": {"type": "array", "items": "string"}}
          for name in ("nulledFields", "diffFields", "changedFields")),
    ],
}  # fmt: skip


def change_event_schema(entity: Entity) -> Schema:
    """The schema of the change events of an object, without computed fields."""
    fields: dict[str, Schema] = {"ChangeEventHeader": {"name": "ChangeEventHeader", "type": _HEADER}}
    defined: set[str] = set()
    for name, each in entity.fields.items():
        if name in _LEFT_OUT or each.computed or name in fields:
            continue
        kind, doc = _TYPES.get(each.type, _TEXT)
        compound = compound_of(entity, name)
        if compound is not None and compound[0] not in fields:
            fields[compound[0]] = _compound(compound[0], defined)
        elif compound is None:
            types = (
                ["null", kind, _person("Switchable_PersonName")]
                if name == "Name" and _has_persons(entity)
                else ["null", kind]
            )
            fields[name] = {"name": name, "type": types, "doc": doc, "default": None}
    title = entity.name.removesuffix("__c") + (
        "__ChangeEvent" if entity.name.endswith("__c") else "ChangeEvent"
    )
    return {"type": "record", "name": title, "namespace": _NAMESPACE, "fields": list(fields.values())}


def _has_persons(entity: Entity) -> bool:
    return entity.name == "Account"


def _compound(name: str, defined: set[str]) -> Schema:
    kind = "PersonName" if name == "Name" else "Address"
    parts = NAME if kind == "PersonName" else (*ADDRESS, "Latitude", "Longitude", "GeocodeAccuracy")
    record: Any = kind if kind in defined else _record(kind, parts)  # a name is defined once in a schema
    defined.add(kind)
    return {"name": name, "type": ["null", record], "doc": f"Data:{kind}", "default": None}


def _person(kind: str) -> Schema:
    return _record(kind, NAME)


def _record(kind: str, parts: Iterable[str]) -> Schema:
    numbers = ("Latitude", "Longitude")
    return {
        "type": "record",
        "name": kind,
        "fields": [
            {"name": part, "type": ["null", "double" if part in numbers else "string"], "default": None}
            for part in parts
        ],
    }


def platform_event_schema(name: str, fields: Mapping[str, str]) -> Schema:
    """The schema of a platform event, of whose fields the type is given. Raises: ValueError for an unknown type."""
    own = []
    for field, type_name in fields.items():
        if type_name not in _EVENT_TYPES:
            raise ValueError(f"{name}.{field} has the type {type_name}, not one of {', '.join(_EVENT_TYPES)}")
        kind, doc = _EVENT_TYPES[type_name]
        own.append({"name": field, "type": ["null", kind], "doc": doc, "default": None})
    fixed = [
        {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"},
        {"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"},
    ]
    return {"type": "record", "name": name, "namespace": _NAMESPACE, "fields": [*fixed, *own]}


def schema_id(schema: Schema) -> str:
    """The id of a schema: other fields, another id."""
    digest = hashlib.md5(json.dumps(schema).encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def encode(schema: Schema, payload: Mapping[str, Any]) -> bytes:
    """An event in Avro; of a change event, the lists of fields become bitmaps."""
    types = {field["name"]: field["type"] for field in schema["fields"]}
    values = {name: _value(types[name], value) for name, value in payload.items() if name in types}
    if "ChangeEventHeader" in values:
        header = dict(payload["ChangeEventHeader"])
        for name in ("nulledFields", "diffFields", "changedFields"):
            header[name] = bitmaps(schema, header[name])
        values["ChangeEventHeader"] = header
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), values)
    return out.getvalue()


def decode(schema: Schema, payload: bytes) -> dict[str, Any]:
    """The values of an event in Avro. Raises: ValueError if it does not fit the schema."""
    stream = io.BytesIO(payload)
    try:
        found = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    except (EOFError, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"the payload does not fit the schema: {error!r}") from None
    if not isinstance(found, dict) or stream.read(1):
        raise ValueError("the payload is longer than the schema says")
    return found


def _value(kind: Any, value: Any) -> Any:
    """A value as Avro has it: instants and dates are milliseconds since 1970."""
    if "long" not in kind or not isinstance(value, str):
        return value
    instant = parse_instant(value) or day_start(date.fromisoformat(value))
    return int(instant.timestamp() * 1000)


def bitmaps(schema: Schema, names: Iterable[str]) -> list[str]:
    """Fields, such as `Phone` or `BillingAddress.City`, as `0x…` and, within compound fields, `4-0x…`."""
    places = {field["name"]: place for place, field in enumerate(schema["fields"])}
    alone, within = 0, dict[int, int]()
    for name in names:
        parent, _, part = name.partition(".")
        if parent not in places:
            continue
        if not part:
            alone |= 1 << places[parent]
            continue
        parts = NAME if parent == "Name" else ADDRESS
        within[places[parent]] = within.get(places[parent], 0) | 1 << parts.index(part)
    found = [_hex(alone)] if alone else []
    return [*found, *(f"{place}-{_hex(bits)}" for place, bits in sorted(within.items()))]


def _hex(bits: int) -> str:
    size = (bits.bit_length() + 7) // 8
    return f"0x{bits.to_bytes(size, 'big').hex().upper()}"
