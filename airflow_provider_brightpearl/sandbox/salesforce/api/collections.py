"""sObject Collections: up to 200 records a call (reference, section 3.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ..call import Answer, Call, Resource, resource
from ..coercion import coerce
from ..errors import Refused, bad_json, external_field_missing
from ..fields import Field
from ..ids import full_id
from ..org import Dml, Org
from ..schema import Entity
from ..writes import create, delete, update, upsert
from .records import whole_record

MOST = 200
MOST_CHUNKS = 10

Row = Mapping[str, object]
Result = dict[str, object]
Write = Callable[[Any], Result]


class _Rollback(Exception):
    """Leaves the transaction of an all-or-none call."""


def insert_rows(call: Call) -> Answer:
    """POST composite/sobjects."""
    rows, whole = _envelope(call)
    dml = call.dml()
    entities = _typed(call.org, rows)

    def write(pair: tuple[Entity, Row]) -> Result:
        entity, row = pair
        if _id_of(row) is not None:
            raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
        return _done(create(call.org, entity, row, dml))

    return Answer(_run(call, list(zip(entities, rows, strict=True)), write, whole))


def update_rows(call: Call) -> Answer:
    """PATCH composite/sobjects."""
    rows, whole = _envelope(call)
    dml = call.dml()
    entities = _typed(call.org, rows)

    def write(pair: tuple[Entity, Row]) -> Result:
        entity, row = pair
        record_id = _id_of(row)
        if record_id is None:
            raise Refused("MISSING_ARGUMENT", "Id not specified in an update call")
        values = {name: value for name, value in row.items() if name.lower() != "id"}
        return _done(update(call.org, entity, str(record_id), values, dml))

    return Answer(_run(call, list(zip(entities, rows, strict=True)), write, whole))


def upsert_rows(call: Call, name: str, field: str) -> Answer:
    """PATCH composite/sobjects/{Type}/{ExternalField}."""
    entity = call.org.schema.in_path(name)
    key = entity.key_field(field)
    if key is None:
        raise external_field_missing()
    rows, whole = _envelope(call)
    _check_types(call.org, entity, rows)
    return Answer(_run_upsert(call, entity, key, rows, whole))


def _run_upsert(call: Call, entity: Entity, key: Field, rows: list[Row], whole: bool) -> list[Result]:
    dml = call.dml()
    keyed = [split_key(row, key) for row in rows]
    repeated = repeated_keys([value for value, _ in keyed])

    def write(pair: tuple[object, Row]) -> Result:
        value, row = pair
        record_id, created = upsert_once(call.org, entity, key, value, row, dml, repeated)
        return _done(record_id, created=created)

    return _run(call, keyed, write, whole, created=False)


def split_key(row: Row, key: Field) -> tuple[object, Row]:
    """The value of the key field, and the row without it and without an empty Id."""
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
    """The keys that come more than once in one statement, whatever their case."""
    counted = Counter(str(key).lower() for key in keys if key not in (None, ""))
    return {key for key, times in counted.items() if times > 1}


def upsert_once(
    org: Org, entity: Entity, key: Field, value: object, row: Row, dml: Dml, repeated: set[str]
) -> tuple[str, bool]:
    """Upsert a row unless its key is in the statement twice, which refuses both (section 3.5)."""
    if repeated and str(value).lower() in repeated:
        raise Refused("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [key.name])
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
            raise Refused("MALFORMED_ID", f"malformed id {record_id}")
        return _done(delete(call.org, call.org.schema.of_id(known), known, dml))

    return Answer(_run(call, ids, write, call.query.get("allOrNone", "").lower() == "true"))


def retrieve_rows(call: Call, name: str) -> Answer:
    """GET or POST composite/sobjects/{Type}: records by id, null for those that are not there."""
    if call.method == "POST":
        body = call.json()
        ids, fields = body.get("ids"), body.get("fields")
    else:
        ids, fields = (call.query.get(one, "").split(",") for one in ("ids", "fields"))
    if not isinstance(ids, list) or not isinstance(fields, list):
        raise bad_json("ids and fields are lists")
    entity = call.org.schema.in_path(name)
    table = call.org.store[entity.name]
    rows = [table.rows.get(full_id(one) or "") for one in ids]
    names = [str(one) for one in fields]
    return Answer(
        [None if row is None else whole_record(call.org, entity, row, call.base, names) for row in rows]
    )


def _envelope(call: Call) -> tuple[list[Row], bool]:
    body = call.json()
    unknown = set(body) - {"allOrNone", "records"}
    rows = body.get("records")
    if unknown or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_json(f"Unrecognized field {sorted(unknown)}" if unknown else "records is a list of objects")
    _check_size(call.org, rows)
    return rows, body.get("allOrNone") is True


def _check_size(org: Org, rows: list[Any]) -> None:
    if len(rows) > MOST:
        raise Refused(
            str(org.settings["collection_limit_code"]),
            f"record limit reached. cannot submit more than {MOST} records in one call",
        )
    if not rows:
        raise Refused("REQUIRED_FIELD_MISSING", "at least one record is needed", ["records"])


def _typed(org: Org, rows: list[Row]) -> list[Entity]:
    names = [_type_of(row) for row in rows]
    chunks = 1 + sum(1 for before, after in zip(names, names[1:], strict=False) if before != after)
    if chunks > MOST_CHUNKS:
        raise Refused(
            "INVALID_INPUT_COMBINATION", f"more than {MOST_CHUNKS} chunks of record types in one call"
        )
    return [org.schema.in_body(name) for name in names]


def _type_of(row: Row) -> object:
    about = row.get("attributes")
    name = about.get("type") if isinstance(about, Mapping) else None
    if name is None:
        raise Refused("INVALID_TYPE", "attributes.type is missing in a record")
    return name


def _check_types(org: Org, entity: Entity, rows: list[Row]) -> None:
    for row in rows:
        if "attributes" not in row and not org.settings["upsert_needs_attributes"]:
            continue
        if str(_type_of(row)).lower() != entity.name.lower():
            raise Refused("INVALID_TYPE", f"records of one upsert are all of type {entity.name}")


def _id_of(row: Row) -> object:
    return next((value for name, value in row.items() if name.lower() == "id"), None)


def _done(record_id: str, **more: object) -> Result:
    return {"id": record_id, "success": True, "errors": [], **more}


def _run(call: Call, items: list[Any], write: Write, whole: bool, **more: object) -> list[Result]:
    """Write the items one by one; with `whole` a single failure takes all of them back."""
    results: list[Result] = []
    failed: set[int] = set()

    def run() -> None:
        for place, item in enumerate(items):
            try:
                results.append(write(item))
            except Refused as refusal:
                if refusal.code == "JSON_PARSER_ERROR" and call.org.settings["type_error_scope"] == "request":
                    raise
                failed.add(place)
                results.append({"success": False, "errors": [refusal.as_row_error()], **more})
        if failed and whole:
            raise _Rollback

    in_one_piece = whole or call.org.settings["type_error_scope"] == "request"
    try:
        if in_one_piece:
            with call.org.store.log.transaction():
                run()
        else:
            run()
    except _Rollback:
        return [row if place in failed else _rolled_back(more) for place, row in enumerate(results)]
    return results


def _rolled_back(more: Mapping[str, object]) -> Result:
    error = Refused(
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
