"""Compares what a flow writes with an org's describe: objects, fields and the external id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_brightpearl.core.drift import FieldSchema, TargetFields
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.address_codes import text_field
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient

Describe = Callable[[str], Mapping[str, Any]]
_HIDDEN = "or this user may not see it"


def schema_problems(client: SalesforceClient, flow: FlowSpec) -> list[str]:
    """What the org of a client lacks of what a flow writes, each with file, object and field.

    One call for each object that the flow writes, and one more where an object does not exist.
    """
    return problems_of(flow, client.described, lambda: object_names(client))


def problems_of(flow: FlowSpec, describe: Describe, objects: Callable[[], Sequence[str]]) -> list[str]:
    """The same by an org's answers: ``describe`` of one object, and the names of all ``objects``."""
    return list(_problems(flow, describe, objects))


# types of a describe that take the same values
_KINDS = {"textarea": "text", "string": "text", "currency": "number", "double": "number", "percent": "number"}
_LISTED = 200
# an hour for clocks that differ
_CLOCKS = timedelta(hours=1)


def is_unchanged(client: SalesforceClient, flow: FlowSpec, since: datetime) -> bool:
    """Whether no object that a flow writes has changed in the org since an instant; one call each, mostly a 304."""
    try:
        return all([client.describe_if_changed(name, since - _CLOCKS) is None for name in _targets(flow)])
    except SyncError as error:
        if error.status != 404:
            raise
        return False


def read_fields(client: SalesforceClient, flow: FlowSpec) -> TargetFields:
    """The fields of the objects that a flow writes, as the org describes them, by object of the flow file."""
    return TargetFields({name: _fields(client, flow, name) for name in flow.objects})


def _targets(flow: FlowSpec) -> list[str]:
    return list(dict.fromkeys(flow.target_object(name) for name in flow.objects))


def _fields(client: SalesforceClient, flow: FlowSpec, name: str) -> dict[str, FieldSchema]:
    described = client.described(flow.target_object(name))["fields"]
    spec = flow.objects[name]
    # spelt as in the flow file
    ours = {field.casefold(): field for field in (*spec.key, *spec.parent, *spec.fields)}
    return {ours.get(each["name"].casefold(), each["name"]): _field(each) for each in described}


def _field(described: Mapping[str, Any]) -> FieldSchema:
    kind = str(described.get("type"))
    number = kind in ("currency", "double", "percent")
    scale = int(described.get("scale") or 0)
    writable = bool(described.get("createable") or described.get("updateable"))
    active = [each["value"] for each in described.get("picklistValues") or () if each.get("active", True)]
    # longer lists, those of countries and states, are looked up by the sink
    limited = described.get("restrictedPicklist") and 0 < len(active) <= _LISTED
    return FieldSchema(
        _KINDS.get(kind, kind),
        length=int(described.get("precision") or 0) - scale if number else int(described.get("length") or 0),
        scale=scale if number else 0,
        required=writable and not described.get("nillable", True) and not described.get("defaultedOnCreate"),
        key=bool(described.get("unique") and (described.get("externalId") or described.get("idLookup"))),
        writable=writable,
        values=tuple(sorted(active)) if limited else None,
    )


def object_names(client: SalesforceClient) -> list[str]:
    """Names of the objects that the user of a client may see."""
    return [each["name"] for each in client.objects()]


def _problems(flow: FlowSpec, describe: Describe, objects: Callable[[], Sequence[str]]) -> Iterator[str]:
    for name, spec in flow.objects.items():
        place, target = f"{flow.flow}.yaml: objects.{name}", flow.target_object(name)
        try:
            fields = {field["name"].casefold(): field for field in describe(target)["fields"]}
        except SyncError as error:
            if error.status != 404:
                raise
            yield f"{place}: the org has no object {target}, {_HIDDEN}{did_you_mean(target, objects())}"
            continue
        known = [field["name"] for field in fields.values()]
        for part, field in _written(flow, name):
            if not {field.casefold(), text_field(field).casefold()}.intersection(fields):
                hint = did_you_mean(field, known)
                yield f"{place}.{part}: {target} has no field {field} in the org, {_HIDDEN}{hint}"
        key = fields.get(spec.key_field.casefold())
        if key and not (key.get("externalId") or key.get("idLookup")):
            yield f"{place}.key.{spec.key_field}: is not an external id of {target} in the org"


def _written(flow: FlowSpec, name: str) -> Iterator[tuple[str, str]]:
    """Where the flow file names which field of an object."""
    spec = flow.objects[name]
    for block, fields in (("key", spec.key), ("parent", spec.parent), ("fields", spec.fields)):
        yield from ((f"{block}.{field}", field) for field in fields)
    if flow.reconcile and name == flow.root:
        compared = (flow.reconcile.amount, flow.reconcile.currency, *flow.reconcile.soft_delete)
        # named as in the file, though it belongs to another block
        yield from (("(reconcile)", field) for field in compared if field)
