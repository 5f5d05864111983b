"""sObject Collections: up to 200 records per request (reference, section 3.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ..call import Answer, Call, Resource, resource
from ..coercion import coerce
from ..errors import ApiError, external_id_field_not_found, malformed_json
from ..fields import Field
from ..ids import full_id
from ..org import DmlContext, Org
from ..schema import Entity
from ..writes import create, delete, update, upsert
from .records import record_as_json

MAX_RECORDS = 200
MAX_CHUNKS = 10

Row = Mapping[str, object]
Result = dict[str, object]
Write = Callable[[Any], Result]


class _Rollback(Exception):
    """Rolls back an all-or-none request."""


def insert_rows(call: Call) -> Answer:
    """POST composite/sobjects."""
    rows, all_or_none = _parse_records(call)
    dml = call.dml()
    entities = _entities_of(call.org, rows)

    def write(pair: tuple[Entity, Row]) -> Result:
        entity, row = pair
        if _id_of(row) is not None:
            raise ApiError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
        return _success(create(call.org, entity, row, dml))

    return Answer(_run(call, list(zip(entities, rows, strict=True)), write, all_or_none))


def update_rows(call: Call) -> Answer:
    """PATCH composite/sobjects."""
    rows, all_or_none = _parse_records(call)
    dml = call.dml()
    entities = _entities_of(call.org, rows)

    def write(pair: tuple[Entity, Row]) -> Result:
        entity, row = pair
        record_id = _id_of(row)
        if record_id is None:
            raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call")
        values = {name: value for name, value in row.items() if name.lower() != "id"}
        return _success(update(call.org, entity, str(record_id), values, dml))

    return Answer(_run(call, list(zip(entities, rows, strict=True)), write, all_or_none))


def upsert_rows(call: Call, name: str, field: str) -> Answer:
    """PATCH composite/sobjects/{Type}/{ExternalField}."""
    entity = call.org.schema.in_path(name)
    key = entity.key_field(field)
    if key is None:
        raise external_id_field_not_found()
    rows, all_or_none = _parse_records(call)
    _check_types(call.org, entity, rows)
    return Answer(_run_upsert(call, entity, key, rows, all_or_none))


def _run_upsert(call: Call, entity: Entity, key: Field, rows: list[Row], all_or_none: bool) -> list[Result]:
    dml = call.dml()
    keyed = [split_key(row, key) for row in rows]
    repeated = repeated_keys([value for value, _ in keyed])

    def write(pair: tuple[object, Row]) -> Result:
        value, row = pair
        record_id, created = upsert_once(call.org, entity, key, value, row, dml, repeated)
        return _success(record_id, created=created)

    return _run(call, keyed, write, all_or_none, created=False)


def split_key(row: Row, key: Field) -> tuple[object, Row]:
    """The value of the key field, and the row without the key field and without an empty Id."""
    wanted, value = key.name.lower(), None
    values: dict[str, object] = {}
    for name, cell in row.items():
        lower = name.lower()
        if lower == wanted:
            value = cell
        elif lower != "id" or cell not in (None, ""):
            values[name] = cell
    return value, values


def repeated_keys(keys: list[object]) -> set[str]:
    """The keys that occur more than once in a request, in lower case."""
    counted = Counter(str(key).lower() for key in keys if key not in (None, ""))
    return {key for key, times in counted.items() if times > 1}


def upsert_once(
    org: Org, entity: Entity, key: Field, value: object, row: Row, dml: DmlContext, repeated: set[str]
) -> tuple[str, bool]:
    """Upsert a row; a duplicate key in the request rejects all its rows (section 3.5). Raises: ApiError."""
    if repeated and str(value).lower() in repeated:
        raise ApiError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [key.name])
    if isinstance(value, bool) or (value is not None and not isinstance(value, str)):
        value = _key_text(org, key, value)
    return upsert(org, entity, key, value, row, dml)


def _key_text(org: Org, key: Field, value: object) -> object:
    return coerce(key, value, org.settings, False)


def delete_rows(call: Call) -> Answer:
    """DELETE composite/sobjects?ids=a,b."""
    ids = [one.strip() for one in call.query.get("ids", "").split(",") if one.strip()]
    _check_size(call.org, ids)
    dml = call.dml()

    def write(record_id: str) -> Result:
        known = full_id(record_id)
        if known is None:
            raise ApiError("MALFORMED_ID", f"malformed id {record_id}")
        return _success(delete(call.org, call.org.schema.of_id(known), known, dml))

    return Answer(_run(call, ids, write, call.query.get("allOrNone", "").lower() == "true"))


def retrieve_rows(call: Call, name: str) -> Answer:
    """GET or POST composite/sobjects/{Type}: records by id, null for missing ones."""
    if call.method == "POST":
        body = call.json()
        ids, fields = body.get("ids"), body.get("fields")
    else:
        ids, fields = (call.query.get(one, "").split(",") for one in ("ids", "fields"))
    if not isinstance(ids, list) or not isinstance(fields, list):
        raise malformed_json("ids and fields must be lists")
    entity = call.org.schema.in_path(name)
    table = call.org.store[entity.name]
    rows = [table.rows.get(full_id(one) or "") for one in ids]
    names = [str(one) for one in fields]
    return Answer(
        [None if row is None else record_as_json(call.org, entity, row, call.base, names) for row in rows]
    )


def _parse_records(call: Call) -> tuple[list[Row], bool]:
    body = call.json()
    unknown = set(body) - {"allOrNone", "records"}
    rows = body.get("records")
    if unknown or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise malformed_json(
            f"Unrecognized field {sorted(unknown)}" if unknown else "records must be a list of objects"
        )
    _check_size(call.org, rows)
    return rows, body.get("allOrNone") is True


def _check_size(org: Org, rows: list[Any]) -> None:
    if len(rows) > MAX_RECORDS:
        raise ApiError(
            str(org.settings["collection_limit_code"]),
            f"record limit reached. cannot submit more than {MAX_RECORDS} records in one call",
        )
    if not rows:
        raise ApiError("REQUIRED_FIELD_MISSING", "at least one record is required", ["records"])


def _entities_of(org: Org, rows: list[Row]) -> list[Entity]:
    names = [_type_name(row) for row in rows]
    chunks = 1 + sum(1 for before, after in zip(names, names[1:], strict=False) if before != after)
    if chunks > MAX_CHUNKS:
        raise ApiError(
            "INVALID_INPUT_COMBINATION", f"more than {MAX_CHUNKS} chunks of record types in one call"
        )
    return [org.schema.in_body(name) for name in names]


def _type_name(row: Row) -> object:
    attributes = row.get("attributes")
    name = attributes.get("type") if isinstance(attributes, Mapping) else None
    if name is None:
        raise ApiError("INVALID_TYPE", "attributes.type is missing in a record")
    return name


def _check_types(org: Org, entity: Entity, rows: list[Row]) -> None:
    for row in rows:
        if "attributes" not in row and not org.settings["upsert_needs_attributes"]:
            continue
        if str(_type_name(row)).lower() != entity.name.lower():
            raise ApiError("INVALID_TYPE", f"all records of an upsert must be of type {entity.name}")


def _id_of(row: Row) -> object:
    return next((value for name, value in row.items() if name.lower() == "id"), None)


def _success(record_id: str, **more: object) -> Result:
    return {"id": record_id, "success": True, "errors": [], **more}


def _run(call: Call, items: list[Any], write: Write, all_or_none: bool, **more: object) -> list[Result]:
    """Write the items one by one; with `all_or_none` a single failure rolls back all of them."""
    results: list[Result] = []
    failed: set[int] = set()

    def run() -> None:
        for place, item in enumerate(items):
            try:
                results.append(write(item))
            except ApiError as error:
                if error.code == "JSON_PARSER_ERROR" and call.org.settings["type_error_scope"] == "request":
                    raise
                failed.add(place)
                results.append({"success": False, "errors": [error.as_row_error()], **more})
        if failed and all_or_none:
            raise _Rollback

    transactional = all_or_none or call.org.settings["type_error_scope"] == "request"
    try:
        if transactional:
            with call.org.store.log.transaction():
                run()
        else:
            run()
    except _Rollback:
        return [row if place in failed else _rolled_back(more) for place, row in enumerate(results)]
    return results


def _rolled_back(more: Mapping[str, object]) -> Result:
    error = ApiError(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
    return {"success": False, "errors": [error.as_row_error()], **more}


TABLE: list[Resource] = [
    resource("POST", "composite/sobjects", insert_rows),
    resource("PATCH", "composite/sobjects", update_rows),
    resource("DELETE", "composite/sobjects", delete_rows, "ids", "allornone"),
    resource("PATCH", "composite/sobjects/{name}/{field}", upsert_rows),
    resource("GET", "composite/sobjects/{name}", retrieve_rows, "ids", "fields"),
    resource("POST", "composite/sobjects/{name}", retrieve_rows),
]
