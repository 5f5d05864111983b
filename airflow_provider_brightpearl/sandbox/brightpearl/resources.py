"""The routing table of all resources, and the response shapes that most of them share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import id_sets, json_patch
from .call import Call, UnknownAddress, id_ranges, not_found, response, single_id
from .collection import Collection, Record
from .generated import random_bits
from .reference_data import Fields, field_metadata
from .search import Search, metadata, run

Endpoint = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One method of one path."""

    method: str
    pattern: re.Pattern[str]
    endpoint: Endpoint
    params: frozenset[str] | None  # None: the search validates its own
    message_type: str  # the `message-type` header of its responses


TABLE: list[Resource] = []


def route(method: str, path: str, *params: str) -> Callable[[Endpoint], Endpoint]:
    """Register an endpoint; `{}` in the path matches one segment.

    The name of the function, with dashes, becomes the `message-type` header.
    """
    pattern = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)") + "$")

    def register(endpoint: Endpoint) -> Endpoint:
        TABLE.append(
            Resource(method, pattern, endpoint, frozenset(params), endpoint.__name__.replace("_", "-"))
        )
        return endpoint

    return register


def register_search(path: str, search: Search) -> None:
    """Register a search and its metadata."""
    for suffix, function in (("", run), ("/meta-data", metadata)):

        def endpoint(call: Call, function: Callable[[Search, Call], Record] = function) -> Record:
            return function(search, call)

        pattern = re.compile(re.escape(path + suffix) + "$")
        TABLE.append(Resource("GET", pattern, endpoint, None, "bulk-data-search"))


def match(method: str, path: str) -> tuple[Resource, tuple[str, ...]]:
    """The resource of a path, with the path segments it captured.

    Raises:
        UnknownAddress: the path is unknown, or known with other methods only.
    """
    found = [(one, hit.groups()) for one in TABLE if (hit := one.pattern.match(path)) is not None]
    usable = [one for one in found if one[0].method == method]
    if usable:
        return min(usable, key=lambda one: len(one[1]))  # product/custom-field-meta-data, not product/{}
    raise UnknownAddress(method, path)


def collection(call: Call, name: str) -> Collection:
    """A collection of the account."""
    return call.account.collections[name]


def existing_ids(call: Call, name: str, text: str, most: int | None) -> list[int]:
    """The existing ids of an id set; unsorted, like the vendor's, if `shuffle` is on."""
    ids = collection(call, name).within(id_ranges(text, most))
    return sorted(ids, key=random_bits.scramble) if call.account.settings["shuffle"] else ids


def records_in_id_set(call: Call, name: str, text: str, most: int | None) -> list[Record]:
    """The existing records of an id set."""
    source = collection(call, name)
    return [record for id in existing_ids(call, name, text, most) if (record := source.get(id)) is not None]


def require_id(call: Call, name: str, text: str, sentence: str) -> int:
    """The id in a path. Raises: ServiceError 404 with this message if no such record exists."""
    id = single_id(text)
    if not collection(call, name).has(id):
        raise not_found(sentence)
    return id


def id_set_uris(call: Call, name: str, prefix: str, text: str | None = None, most: int = 200) -> Record:
    """The response to OPTIONS: the existing ids as paths that each fetch up to `most` records."""
    source = collection(call, name)
    ids = source.ids() if text is None else sorted(source.within(id_ranges(text, None)))
    parts = [id_sets.compact(ids[at : at + most]) for at in range(0, len(ids), most)]
    return response({"getUris": [f"{prefix}/{part}" for part in parts]})


def without_custom_fields(record: Record, wanted: set[str]) -> Record:
    """A record without the custom fields that were not requested."""
    drop = {"customFields", "nullCustomFields"} - wanted
    return {key: value for key, value in record.items() if key not in drop}


def serve_custom_fields(call: Call, name: str, known: Fields) -> Record:
    """GET or PATCH the custom fields of one record."""
    id = require_id(call, name, call.path_args[0], "No record found")
    if call.method == "GET":
        return response((collection(call, name).get(id) or {}).get("customFields") or {})
    record = collection(call, name).edit(id)
    fields = record.setdefault("customFields", {})
    for operation in json_patch.parse_operations(call.json()):
        json_patch.set_custom_field(fields, operation, known)
    unset = [code for _, code, *_ in known if code not in fields]
    if "nullCustomFields" in record:
        record["nullCustomFields"] = unset
    if call.account.settings["custom_fields_touch"]:
        call.account.touch(record)
    return response(fields)


def register_custom_field_metadata(kind: str, fields: Fields) -> None:
    """Register the list of the custom fields of a kind of record: all of them, and by id set."""

    def get_custom_field_meta_data(call: Call) -> Record:
        found = field_metadata(fields)
        if not call.path_args:
            return response(found)
        wanted = id_ranges(call.path_args[0], 200)
        return response([one for one in found if any(a <= one["id"] <= b for a, b in wanted)])

    route("GET", kind + "/custom-field-meta-data")(get_custom_field_meta_data)
    route("GET", kind + "/custom-field-meta-data/{}")(get_custom_field_meta_data)


def register_reference_list(base: str, name: str) -> None:
    """Register the endpoints of a reference list: all of it, and by id set."""

    def get_list(call: Call) -> Record:
        return reference_list(call, name)

    route("GET", base + name)(get_list)
    route("GET", base + name + "/{}")(get_list)


def reference_list(call: Call, name: str) -> Record:
    """A reference list, all of it or some by id set."""
    if not call.path_args:
        return response(list(collection(call, name)))
    found = records_in_id_set(call, name, call.path_args[0], 200)
    if not found:
        raise not_found(f"No {name} found")
    return response(found)
