"""Single records: create, read, update, delete, upsert by external id, and lists of changes (section 3.4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..computed_fields import read_field
from ..datetimes import parse_instant, stamp
from ..errors import ApiError, external_id_field_not_found, no_such_column, resource_not_found
from ..fields import Field
from ..ids import full_id, make_id
from ..org import Org
from ..schema import Entity
from ..store import Row
from ..writes import create, delete, matches, update, upsert


def record_as_json(org: Org, entity: Entity, row: Row, base: str, names: list[str] | None = None) -> Row:
    """A record as JSON, with all fields if `names` is None. Raises: ApiError INVALID_FIELD."""
    fields = list(entity.fields.values()) if names is None else [_named(entity, name) for name in names]
    found: Row = {"attributes": attributes(entity, row, base)}
    for field in fields:
        found[field.name] = read_field(org.store, field, row)
    return found


def attributes(entity: Entity, row: Row, base: str) -> dict[str, str]:
    """The type and URL of a record in a response."""
    return {"type": entity.name, "url": f"{base}/sobjects/{entity.name}/{row['Id']}"}


def _named(entity: Entity, name: str) -> Field:
    field = entity.field(name.strip())
    if field is None:
        raise no_such_column(name.strip(), entity.name)
    return field


def _created(record_id: str, **more: object) -> Answer:
    return Answer({"id": record_id, "success": True, "errors": [], **more}, 201)


def post_record(call: Call, name: str) -> Answer:
    """POST sobjects/X: create a record, or publish a platform event."""
    if name in call.org.change_log.platform_events():
        return _published(call, name)
    entity = call.org.schema.in_path(name)
    body = call.json()
    given = next((key for key in body if key.lower() == "id"), None)
    if given is not None:
        raise ApiError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
    record_id = create(call.org, entity, body, call.dml())
    return Answer(
        {"id": record_id, "success": True, "errors": []},
        201,
        {"location": f"{call.base}/sobjects/{entity.name}/{record_id}"},
    )


def _published(call: Call, name: str) -> Answer:
    """The response to a published event, whose id names no record (Platform Events guide)."""
    body = call.json()
    for field in body:
        if field not in call.org.change_log.platform_events()[name]:
            raise no_such_column(field, name)
    event = call.org.change_log.publish(name, body, call.user)
    queued = {"statusCode": "OPERATION_ENQUEUED", "message": event.uuid, "fields": []}
    return Answer({"id": make_id("e00", event.replay_id), "success": True, "errors": [queued]}, 201)


def get_record(call: Call, name: str, record_id: str) -> Answer:
    """GET sobjects/X/{id}."""
    entity = call.org.schema.in_path(name)
    row = _row_in_path(call.org, entity, record_id)
    return _shown(call, entity, row)


def _shown(call: Call, entity: Entity, row: Row) -> Answer:
    wanted = call.query.get("fields")
    names = None if wanted is None else ["Id", *wanted.split(",")]
    return Answer(record_as_json(call.org, entity, row, call.base, names))


def _row_in_path(org: Org, entity: Entity, record_id: str) -> Row:
    wanted = full_id(record_id)
    table = org.store[entity.name]
    if wanted in table.recycle_bin:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    if wanted not in table.rows:
        raise resource_not_found()
    return table.rows[wanted]


def patch_record(call: Call, name: str, record_id: str) -> Answer:
    """PATCH sobjects/X/{id}."""
    entity = call.org.schema.in_path(name)
    body = call.json()
    if any(key.lower() == "id" for key in body):
        raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.", ["Id"])
    row = _row_in_path(call.org, entity, record_id)
    since = call.headers.get("if-unmodified-since")
    if since and _is_newer(row, since):
        raise ApiError("PRECONDITION_FAILED", "The record has been modified since", status=412)
    update(call.org, entity, row["Id"], body, call.dml())
    return Answer(status=204)


def _is_newer(row: Row, http_date: str) -> bool:
    try:
        since = datetime.strptime(http_date, "%a, %d %b %Y %H:%M:%S GMT")  # noqa: DTZ007 - GMT by its form
    except ValueError:
        return False
    return str(row["LastModifiedDate"])[:19] > since.isoformat()


def delete_record(call: Call, name: str, record_id: str) -> Answer:
    """DELETE sobjects/X/{id}."""
    entity = call.org.schema.in_path(name)
    delete(call.org, entity, _row_in_path(call.org, entity, record_id)["Id"], call.dml())
    return Answer(status=204)


# --- by external id ----------------------------------------------------------------------------------


def _key(entity: Entity, name: str) -> Field:
    field = entity.key_field(name)
    if field is None:
        raise external_id_field_not_found()
    return field


def get_by_key(call: Call, name: str, field: str, value: str) -> Answer:
    """GET sobjects/X/{ExternalField}/{value}."""
    entity = call.org.schema.in_path(name)
    found = matches(call.org, entity, _key(entity, field), value)
    if not found:
        raise resource_not_found()
    if len(found) > 1:
        return _several(call, entity, found)
    return _shown(call, entity, call.org.store[entity.name].rows[found[0]])


def _several(call: Call, entity: Entity, found: list[str]) -> Answer:
    return Answer([f"{call.base}/sobjects/{entity.name}/{one}" for one in found], 300)


def patch_by_key(call: Call, name: str, field: str, value: str) -> Answer:
    """PATCH sobjects/X/{ExternalField}/{value}: upsert."""
    entity = call.org.schema.in_path(name)
    key = _key(entity, field)
    body = call.json()
    for given in body:
        if given.lower() in ("id", key.name.lower()):
            text = f"The {given} field should not be specified in the sobject data."
            raise ApiError("INVALID_FIELD", text, [given])
    found = matches(call.org, entity, key, value)
    if len(found) > 1:
        return _several(call, entity, found)
    if not found and call.query.get("updateOnly", "").lower() == "true":
        raise resource_not_found()
    record_id, created = upsert(call.org, entity, key, value, body, call.dml())
    if created:
        return _created(record_id, created=True)
    if int_setting(call.org.settings, "upsert_update_status") == 204:
        return Answer(status=204)
    return Answer({"id": record_id, "success": True, "errors": [], "created": False})


def post_by_id_field(call: Call, name: str, field: str) -> Answer:
    """POST sobjects/X/Id: creates."""
    if field.lower() != "id":
        raise ApiError("METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed.", status=405)
    return _created(create(call.org, call.org.schema.in_path(name), call.json(), call.dml()), created=True)


def delete_by_key(call: Call, name: str, field: str, value: str) -> Answer:
    """DELETE sobjects/X/{ExternalField}/{value}."""
    entity = call.org.schema.in_path(name)
    found = matches(call.org, entity, _key(entity, field), value)
    if not found:
        raise resource_not_found()
    if len(found) > 1:
        return _several(call, entity, found)
    delete(call.org, entity, found[0], call.dml())
    return Answer(status=204)


# --- lists of changes -------------------------------------------------------------------------------------------


def _window(call: Call) -> tuple[str, str, str]:
    start, end = (_minute(call.query.get(name, "")) for name in ("start", "end"))
    now = call.org.clock.now()
    if end <= start:
        raise ApiError("INVALID_REPLICATION_DATE", "endDate should be greater than startDate")
    if start < now - timedelta(days=30):
        raise ApiError("INVALID_REPLICATION_DATE", "startDate cannot be more than 30 days ago")
    lag = timedelta(seconds=int_setting(call.org.settings, "replication_lag_seconds"))
    return stamp(start), stamp(end), stamp(min(end, now - lag))


def _minute(text: str) -> datetime:
    moment = parse_instant(text.replace(" ", "+"))
    if moment is None:
        raise ApiError("INVALID_REPLICATION_DATE", f"invalid date: {text}")
    return moment.replace(second=0, microsecond=0)


def get_updated(call: Call, name: str) -> Answer:
    """GET sobjects/X/updated."""
    entity = call.org.schema.in_path(name)
    start, end, covered = _window(call)
    rows = call.org.store[entity.name].rows.values()
    ids = [row["Id"] for row in rows if start <= row["SystemModstamp"] < end]
    return Answer({"ids": ids, "latestDateCovered": covered})


def get_deleted(call: Call, name: str) -> Answer:
    """GET sobjects/X/deleted."""
    entity = call.org.schema.in_path(name)
    start, end, covered = _window(call)
    gone = call.org.store[entity.name].deletions
    rows = [{"id": one, "deletedDate": when} for one, when in gone if start <= when < end]
    earliest = stamp(call.org.clock.now() - timedelta(days=30))
    return Answer({"deletedRecords": rows, "earliestDateAvailable": earliest, "latestDateCovered": covered})


TABLE: list[Resource] = [
    resource("POST", "sobjects/{name}", post_record),
    resource("GET", "sobjects/{name}/updated", get_updated, "start", "end"),
    resource("GET", "sobjects/{name}/deleted", get_deleted, "start", "end"),
    resource("GET", "sobjects/{name}/{record_id}", get_record, "fields"),
    resource("PATCH", "sobjects/{name}/{record_id}", patch_record),
    resource("DELETE", "sobjects/{name}/{record_id}", delete_record),
    resource("POST", "sobjects/{name}/{field}", post_by_id_field),
    resource("GET", "sobjects/{name}/{field}/{value}", get_by_key, "fields"),
    resource("PATCH", "sobjects/{name}/{field}/{value}", patch_by_key, "updateonly"),
    resource("DELETE", "sobjects/{name}/{field}/{value}", delete_by_key),
]
