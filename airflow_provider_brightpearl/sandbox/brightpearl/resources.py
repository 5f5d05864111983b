"""The table of all resources, and the few shapes most of them share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import id_sets, json_patch
from .call import Call, Failure, answer, missing, one, ranges
from .collection import Collection, Record
from .generated import random_bits
from .reference_data import Fields
from .search import Search, metadata, run

Endpoint = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One method on one path of one service."""

    method: str
    pattern: re.Pattern[str]
    endpoint: Endpoint
    params: frozenset[str] | None  # None: any, the search looks at them itself
    kind: str


TABLE: list[Resource] = []


def serves(method: str, path: str, *params: str) -> Callable[[Endpoint], Endpoint]:
    """Puts a function into the table; `{}` in the path stands for one segment."""
    pattern = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)") + "$")

    def put(endpoint: Endpoint) -> Endpoint:
        TABLE.append(
            Resource(method, pattern, endpoint, frozenset(params), endpoint.__name__.replace("_", "-"))
        )
        return endpoint

    return put


def searches(path: str, search: Search) -> None:
    """Puts a search with its metadata into the table."""
    for suffix, function in (("", run), ("/meta-data", metadata)):

        def endpoint(call: Call, function: Callable[[Search, Call], Record] = function) -> Record:
            return function(search, call)

        pattern = re.compile(re.escape(path + suffix) + "$")
        TABLE.append(Resource("GET", pattern, endpoint, None, "bulk-data-search"))


def match(method: str, path: str) -> tuple[Resource, tuple[str, ...]]:
    """The resource of a path; 404 for an unknown path, 405 for an unknown method (INFERRED texts)."""
    known = False
    for resource in TABLE:
        found = resource.pattern.match(path)
        if found is None:
            continue
        if resource.method == method:
            return resource, found.groups()
        known = True
    if known:
        raise Failure(405, "CMNC-405", f"Method {method} is not supported for /{path}")
    raise missing(f"No resource at /{path}")


def held(call: Call, name: str) -> Collection:
    """A collection of the account."""
    return call.world.collections[name]


def named(call: Call, name: str, text: str, most: int | None) -> list[int]:
    """The ids of an id set that exist; not sorted, as with the vendor (switchable)."""
    ids = held(call, name).within(ranges(text, most))
    return sorted(ids, key=random_bits.mix) if call.world.settings["shuffle"] else ids


def several(call: Call, name: str, text: str, most: int | None) -> list[Record]:
    """The records of an id set that exist."""
    source = held(call, name)
    return [record for id in named(call, name, text, most) if (record := source.get(id)) is not None]


def existing(call: Call, name: str, text: str, sentence: str) -> int:
    """The id in a path, of a record that is there."""
    id = one(text)
    if not held(call, name).has(id):
        raise missing(sentence)
    return id


def uris(call: Call, name: str, prefix: str, text: str | None = None, most: int = 200) -> Record:
    """OPTIONS: the ids there are, as paths that can be fetched one by one."""
    source = held(call, name)
    ids = source.ids() if text is None else sorted(source.within(ranges(text, None)))
    parts = [id_sets.compact(ids[at : at + most]) for at in range(0, len(ids), most)]
    return answer({"getUris": [f"{prefix}/{part}" for part in parts]})


def without_fields(record: Record, wanted: set[str]) -> Record:
    """A record with its custom fields only when they were asked for."""
    drop = {"customFields", "nullCustomFields"} - wanted
    return {key: value for key, value in record.items() if key not in drop}


def custom_fields(call: Call, name: str, known: Fields) -> Record:
    """GET and PATCH of the custom fields of one record."""
    id = existing(call, name, call.parts[0], "No record found")
    if call.method == "GET":
        return answer((held(call, name).get(id) or {}).get("customFields") or {})
    record = held(call, name).edit(id)
    fields = record.setdefault("customFields", {})
    for operation in json_patch.operations(call.json()):
        json_patch.set_field(fields, operation, known)
    unset = [code for _, code, *_ in known if code not in fields]
    if "nullCustomFields" in record:
        record["nullCustomFields"] = unset
    if call.world.settings["custom_fields_touch"]:
        call.world.touch(record)
    return answer(fields)


def listed(call: Call, name: str) -> Record:
    """A short list, whole or by id set."""
    if not call.parts:
        return answer(list(held(call, name)))
    found = several(call, name, call.parts[0], 200)
    if not found:
        raise missing(f"No {name} found")
    return answer(found)
