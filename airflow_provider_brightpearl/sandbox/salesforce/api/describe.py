"""Discovery: versions, resources, objects, describe, limits and record counts (section 3.2)."""

from __future__ import annotations

import base64
from datetime import datetime
from email.utils import parsedate_to_datetime

from ...countries import COUNTRIES
from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..fields import Field, label_of
from ..schema import Entity
from ..states import STATES

FIRST, LAST = 46, 67

_SOAP = {
    "string": "xsd:string",
    "boolean": "xsd:boolean",
    "double": "xsd:double",
    "currency": "xsd:double",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "id": "tns:ID",
    "reference": "tns:ID",
}
_RESOURCES = (
    "sobjects", "query", "queryAll", "search", "parameterizedSearch", "limits", "composite", "jobs", "metadata"
)  # fmt: skip
_NEVER_NULL = (
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
    "OwnerId",
)
_GROUPABLE = (
    "string", "picklist", "reference", "boolean", "date", "int", "id", "phone", "url", "email"
)  # fmt: skip


def versions() -> list[dict[str, str]]:
    """The body of /services/data/, which needs no session."""
    numbers = [f"{number}.0" for number in range(FIRST, LAST + 1)]
    return [{"label": f"Release {one}", "url": f"/services/data/v{one}", "version": one} for one in numbers]


def get_resources(call: Call) -> Answer:
    """GET /services/data/vNN.N/."""
    return Answer({name: f"{call.base}/{name}" for name in _RESOURCES})


def get_objects(call: Call) -> Answer:
    """GET sobjects."""
    entities = call.org.schema.entities.values()
    shown = [_summary(call, entity) for entity in entities]
    return Answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})


def get_object(call: Call, name: str) -> Answer:
    """GET sobjects/X."""
    entity = call.org.schema.in_path(name)
    recent = list(call.org.store[entity.name].rows.values())[-5:]
    items = [
        {"attributes": {"type": entity.name, "url": f"{call.base}/sobjects/{entity.name}/{row['Id']}"},
         "Id": row["Id"], "Name": row.get("Name")} for row in recent
    ]  # fmt: skip
    return Answer({"objectDescribe": _summary(call, entity), "recentItems": items})


def get_describe(call: Call, name: str) -> Answer:
    """GET sobjects/X/describe, with If-Modified-Since, which counts changes of the whole org."""
    entity = call.org.schema.in_path(name)
    since = _http_date(call.headers.get("if-modified-since", ""))
    if since and call.org.schema_changed.replace(microsecond=0) <= since:
        return Answer(status=304)
    children = [
        {"childSObject": child.name, "field": field.name, "relationshipName": field.children or None,
         "cascadeDelete": False, "deprecatedAndHidden": False}
        for child, field in call.org.schema.children_of(entity.name)
    ]  # fmt: skip
    return Answer(
        {
            **_summary(call, entity),
            "fields": [_field(entity, field) for field in entity.fields.values()],
            "recordTypeInfos": _record_types(call),
            "childRelationships": children,
        }
    )


def _http_date(text: str) -> datetime | None:
    """The instant of a header; one that is no date is ignored, as HTTP says."""
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _record_types(call: Call) -> list[dict[str, object]]:
    urls = {"layout": f"{call.base}/sobjects/layouts/012000000000000AAA"}
    return [
        {"active": True, "available": True, "defaultRecordTypeMapping": True, "developerName": "Master",
         "master": True, "name": "Master", "recordTypeId": "012000000000000AAA", "urls": urls}
    ]  # fmt: skip


def _summary(call: Call, entity: Entity) -> dict[str, object]:
    writable = entity.sobject.writable
    label = entity.sobject.label or label_of(entity.name)
    url = f"{call.base}/sobjects/{entity.name}"
    return {
        "name": entity.name,
        "label": label,
        "labelPlural": entity.sobject.plural or f"{label}s",
        "keyPrefix": entity.prefix,
        "custom": entity.name.endswith("__c"),
        "createable": writable,
        "updateable": writable,
        "deletable": writable,
        "undeletable": writable and entity.sobject.has_recycle_bin,
        "queryable": True,
        "retrieveable": True,
        "replicateable": True,
        "searchable": True,
        "layoutable": True,
        "triggerable": writable,
        "urls": {"sobject": url, "describe": f"{url}/describe", "rowTemplate": f"{url}/{{ID}}"},
    }


def _choices(field: Field) -> list[dict[str, object]]:
    """The values of a picklist; those of a state name by bits the countries that they are valid for."""
    countries = list(COUNTRIES)
    found: list[tuple[str, str, str | None]] = [(value, value, None) for value in field.values]
    if field.name.endswith("CountryCode"):
        found = [(code, name, None) for code, name in COUNTRIES.items()]
    elif field.name.endswith("StateCode"):
        found = [
            (code, name, _bit(countries.index(country)))
            for country, states in STATES.items()
            for code, name in states.items()
        ]
    return [
        {
            "active": True,
            "defaultValue": value == field.default,
            "label": label,
            "validFor": valid,
            "value": value,
        }
        for value, label, valid in found
    ]


def _bit(place: int) -> str:
    """A bitmap with one bit set, the most significant one first, in base64."""
    bits = bytearray(place // 8 + 1)
    bits[place // 8] = 0x80 >> place % 8
    return base64.b64encode(bits).decode()


def _field(entity: Entity, field: Field) -> dict[str, object]:
    choices = _choices(field)
    depends = field.name.endswith("StateCode")
    writable = entity.sobject.writable
    return {
        "name": field.name,
        "label": field.label,
        "type": "picklist" if field.name.endswith(("StateCode", "CountryCode")) else field.type,
        "soapType": _SOAP.get(field.type, "xsd:string"),
        "length": field.length,
        "byteLength": field.length * 3,
        "precision": field.precision,
        "scale": field.scale,
        "digits": 10 if field.type == "int" else 0,
        "nillable": not (field.required or field.type in ("boolean", "id") or field.name in _NEVER_NULL),
        "createable": writable and field.createable,
        "updateable": writable and field.updateable,
        "externalId": field.external_id,
        "idLookup": field.id_lookup,
        "unique": field.unique,
        "caseSensitive": field.case_sensitive,
        "custom": field.custom,
        "calculated": bool(field.computed) and field.custom,
        "defaultedOnCreate": field.default is not None or field.type == "boolean" or field.auto_number,
        "defaultValue": field.default if isinstance(field.default, bool) else None,
        "picklistValues": choices,
        "restrictedPicklist": field.restricted,
        "dependentPicklist": depends,
        "controllerName": field.name.replace("State", "Country") if depends else None,
        "referenceTo": [field.refers_to] if field.refers_to else [],
        "relationshipName": field.relationship or None,
        "autoNumber": field.auto_number,
        "filterable": field.type != "textarea" or field.length <= 255,
        "groupable": field.type in _GROUPABLE or (field.type == "textarea" and field.length <= 255),
        "sortable": field.type != "textarea" or field.length <= 255,
        "nameField": field.name == "Name",
        "permissionable": not field.required,
        "deprecatedAndHidden": False,
    }


def get_limits(call: Call) -> Answer:
    """GET limits."""
    most = int_setting(call.org.settings, "daily_api_limit")
    left = max(0, most - int_setting(call.org.settings, "daily_api_used"))
    fixed = {
        "DailyBulkV2QueryJobs": 10_000,
        "DailyBulkApiBatches": 15_000,
        "DailyStreamingApiEvents": 10_000,
        "HourlyPublishedPlatformEvents": 50_000,
        "DataStorageMB": 1_024,
    }
    shown = {name: {"Max": value, "Remaining": value} for name, value in fixed.items()}
    return Answer({"DailyApiRequests": {"Max": most, "Remaining": left}, **shown})


def get_record_count(call: Call) -> Answer:
    """GET limits/recordCount."""
    wanted = [name for name in call.query.get("sObjects", "").split(",") if name]
    schema = call.org.schema
    names = [schema.in_body(name.strip()).name for name in wanted] or list(schema.entities)
    counts = [{"count": len(call.org.store[name].rows), "name": name} for name in names]
    return Answer({"sObjects": counts})


TABLE: list[Resource] = [
    resource("GET", "sobjects", get_objects),
    resource("GET", "sobjects/{name}", get_object),
    resource("GET", "sobjects/{name}/describe", get_describe),
    resource("GET", "limits", get_limits),
    resource("GET", "limits/recordcount", get_record_count, "sobjects"),
]
