"""Create, update, upsert and delete single records, with all checks of the org."""

from __future__ import annotations

from collections.abc import Mapping

from .address_validation import check_addresses
from .business_rules import AFTER_DELETE, BEFORE_CREATE, BEFORE_DELETE, BEFORE_UPDATE, Children
from .coercion import coerce, wrong_type
from .errors import ApiError, no_such_column
from .fields import Field
from .ids import full_id
from .org import DmlContext, Org
from .person_accounts import check_contact, check_names, keep_contact
from .schema import Entity
from .store import Row

Raw = Mapping[str, object]


def create(org: Org, entity: Entity, raw: Raw, dml: DmlContext) -> str:
    """Create a record and return its id. Raises: ApiError."""
    _check_writable(org, entity, "insert", raw)
    row = {
        name: value
        for name, value in _convert_fields(org, entity, raw, dml, None).items()
        if value is not None
    }
    for name, default in entity.defaults:
        row.setdefault(name, dml.user if default == "@user" else default)
    check_addresses(entity, row, row, org.settings)
    check_names(org, entity, row, row)
    missing = [name for name in entity.required if name not in row]
    if missing:
        raise _missing_fields_error(missing)
    _check_unique(org, entity, row, None)
    if entity.name in BEFORE_CREATE:
        BEFORE_CREATE[entity.name](org, row, dml)
    made = _insert(org, entity, row, dml)
    if entity.name == "Account":
        keep_contact(org, row, dml)
    return made


def update(org: Org, entity: Entity, record_id: str, raw: Raw, dml: DmlContext) -> str:
    """Update the given fields of a record and return its id. Raises: ApiError."""
    _check_writable(org, entity, "update", raw)
    row = require_row(org, entity, record_id)
    changes = {
        name: value
        for name, value in _convert_fields(org, entity, raw, dml, row).items()
        if row.get(name) != value or name not in row
    }
    check_addresses(entity, {**row, **changes}, changes, org.settings)
    check_names(org, entity, {**row, **changes}, changes)
    cleared = [name for name in entity.required if name in changes and changes[name] is None]
    if cleared:
        raise _missing_fields_error(cleared)
    _check_unique(org, entity, changes, row["Id"])
    if entity.name in BEFORE_UPDATE:
        named = {found.name for key in raw if (found := entity.field(key))}
        BEFORE_UPDATE[entity.name](org, row, changes, named, dml)
    changes["LastModifiedDate"], changes["LastModifiedById"] = dml.stamp, dml.user
    changes["SystemModstamp"] = dml.system_stamp
    org.store[entity.name].update(row, changes)
    if entity.name == "Account":
        keep_contact(org, row, dml)
    return str(row["Id"])


def upsert(
    org: Org, entity: Entity, key: Field, value: object, raw: Raw, dml: DmlContext
) -> tuple[str, bool]:
    """Update the record with a key, or create it; returns its id and whether it was created. Raises: ApiError."""
    found = matches(org, entity, key, value)
    if len(found) > 1:
        raise ApiError(
            "DUPLICATE_EXTERNAL_ID",
            f"{key.name}: more than one record found for external id field: {found}",
            [key.name],
        )
    if found:
        return update(org, entity, found[0], raw, dml), False
    if key.name == "Id":
        if value not in (None, ""):
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["Id"])
        return create(org, entity, raw, dml), True
    if value is None or value == "":
        raise ApiError("MISSING_ARGUMENT", f"{key.name} not specified", [key.name])
    return create(org, entity, {**raw, key.name: value}, dml), True


def matches(org: Org, entity: Entity, key: Field, value: object) -> list[str]:
    """The ids of the live records with a value in a key field."""
    if value is None or value == "":
        return []
    if key.name == "Id":
        wanted = full_id(value)
        return [wanted] if wanted in org.store[entity.name].rows else []
    return org.store[entity.name].find(key.name, value)


def delete(org: Org, entity: Entity, record_id: str, dml: DmlContext) -> str:
    """Delete a record and its dependent records, and return its id. Raises: ApiError."""
    _check_writable(org, entity, "delete", {})
    row = require_row(org, entity, record_id)
    if entity.name == "Contact":
        check_contact(org, row)
    if entity.name in BEFORE_DELETE:
        BEFORE_DELETE[entity.name](org, row, dml)
    soft_delete(org, entity.name, row, dml)
    for name, child in _children(org, entity, row):
        soft_delete(org, name, child, dml)
    return str(row["Id"])


def _children(org: Org, entity: Entity, row: Row) -> Children:
    find = AFTER_DELETE.get(entity.name)
    return [] if find is None else find(org, row)


def soft_delete(org: Org, name: str, row: Row, dml: DmlContext) -> None:
    """Move a record to the recycle bin, with modification stamps."""
    table = org.store[name]
    stamps = {"LastModifiedDate": dml.stamp, "LastModifiedById": dml.user, "SystemModstamp": dml.system_stamp}
    table.update(row, stamps)
    table.delete(row, dml.stamp)


def require_row(org: Org, entity: Entity, record_id: object) -> Row:
    """The live record with an id of 15 or 18 characters.

    Raises:
        ApiError: MALFORMED_ID, ENTITY_IS_DELETED or INVALID_CROSS_REFERENCE_KEY.
    """
    wanted = full_id(record_id)
    if wanted is None or not wanted.startswith(entity.prefix):
        raise ApiError("MALFORMED_ID", f"{entity.name} ID: id value of incorrect type: {record_id}", ["Id"])
    table = org.store[entity.name]
    row = table.rows.get(wanted)
    if row is not None:
        return row
    if wanted in table.recycle_bin:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404)


def _insert(org: Org, entity: Entity, row: Row, dml: DmlContext) -> str:
    table = org.store[entity.name]
    row_id = row["Id"] = table.next_id()
    for field in org.auto_numbers.get(entity.name, ()):
        row[field] = f"{table.last_number + 99:08d}"
    row["CreatedDate"] = row["LastModifiedDate"] = dml.stamp
    row["CreatedById"] = row["LastModifiedById"] = dml.user
    row["SystemModstamp"] = dml.system_stamp
    table.insert(row)
    dml.created_ids.add(row_id)
    return str(row_id)


def _check_writable(org: Org, entity: Entity, operation: str, raw: Raw) -> None:
    if not entity.sobject.writable:
        raise ApiError(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type {entity.name} does not support {operation}"
        )
    if org.settings["row_faults"]:
        rule = org.row_fault(entity.name, operation, raw)
        if rule:
            code = str(rule["code"])
            raise ApiError(code, str(rule.get("message", _FAULT_TEXTS.get(code, code))))


_FAULT_TEXTS = {
    "UNABLE_TO_LOCK_ROW": "unable to obtain exclusive access to this record",
    "SERVER_UNAVAILABLE": "server is unavailable",
}


def _convert_fields(org: Org, entity: Entity, raw: Raw, dml: DmlContext, row: Row | None) -> Row:
    """The stored form of all values in a body; None clears a value."""
    found: Row = {}
    blocked: list[str] = []
    for name, value in raw.items():
        if name == "attributes":
            continue
        field = entity.field(name)
        if field is None:
            _convert_relation(org, entity, name, value, found, blocked, row)
            continue
        stored = _convert(org, entity, field, value, dml)
        if _is_blocked(org, field, stored, row):
            blocked.append(field.name)
        found[field.name] = stored
    if blocked:
        verb = "create" if row is None else "update"
        raise ApiError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(blocked)}. Please check the security settings of "
            f"this field and verify that it is read/write for your profile or permission set. ({verb})",
            blocked,
        )
    return found


def _convert(org: Org, entity: Entity, field: Field, value: object, dml: DmlContext) -> object:
    if value is None or value == "":
        if field.type == "boolean":
            return False
        return None
    if field.type == "reference":
        return _reference(org, field, value)
    if not field.createable and not field.updateable:
        return value
    return coerce(field, value, org.settings, dml.is_csv)


def _is_blocked(org: Org, field: Field, stored: object, row: Row | None) -> bool:
    if row is None:
        return not field.createable
    if field.updateable:
        return False
    same = row.get(field.name) == stored
    return not (same and org.settings["create_only_same_value"] == "ignore")


def _reference(org: Org, field: Field, value: object) -> object:
    if not isinstance(value, str):
        raise wrong_type(field, value, False)
    target = org.objects.get(field.refers_to)
    known = org.store[target.name].rows.get(value) if target else None
    if known is not None:
        return known["Id"]
    wanted = full_id(value)
    if wanted is None or target is None or not wanted.startswith(target.prefix):
        raise ApiError("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", [field.name])
    parent = org.store[target.name].rows.get(wanted)
    if parent is None:
        gone = wanted in org.store[target.name].recycle_bin
        code, text = ("ENTITY_IS_DELETED", "entity is deleted") if gone else _CROSS
        raise ApiError(code, text, [field.name])
    return parent["Id"]


_CROSS = ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


def _convert_relation(
    org: Org, entity: Entity, name: str, value: object, found: Row, blocked: list[str], row: Row | None
) -> None:
    """Convert a parent given by external id: `{"Account": {"Brightpearl_Id__c": "5021"}}`."""
    field = entity.relation(name)
    if field is None:
        raise no_such_column(name, entity.name)
    if value is None:
        parent = None
    elif isinstance(value, Mapping):
        parent = _parent_by_key(org, field, value)
    else:
        raise wrong_type(field, value, False)
    if _is_blocked(org, field, parent, row):
        blocked.append(field.name)
    found[field.name] = parent


def _parent_by_key(org: Org, field: Field, value: Mapping[str, object]) -> object:
    target = org.schema.in_body(field.refers_to)
    keys = [name for name in value if name != "attributes"]
    key = target.field(keys[0]) if len(keys) == 1 else None
    if key is None or not key.is_key:
        raise ApiError(
            "INVALID_FIELD",
            f"{field.relationship}: a single external id field of {target.name} is required, got {keys}",
            [field.name],
        )
    wanted = value[keys[0]]
    found = matches(org, target, key, wanted)
    if not found:
        raise ApiError(
            "INVALID_FIELD",
            f"Foreign key external ID: {wanted} not found for field {key.name} in entity {target.name}",
        )
    if len(found) > 1:
        raise ApiError("INVALID_FIELD", f"More than one record found for external id field: {found}")
    return org.store[target.name].rows[found[0]]["Id"]


def _missing_fields_error(names: list[str]) -> ApiError:
    return ApiError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", names)


def _check_unique(org: Org, entity: Entity, values: Row, own: str | None) -> None:
    table = org.store[entity.name]
    for name in table.unique_fields:
        value = values.get(name)
        if value is None:
            continue
        for other in table.find(name, value):
            if other != own:
                raise ApiError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {name} duplicates value on record with id: {other[:15]}",
                    [name],
                )
