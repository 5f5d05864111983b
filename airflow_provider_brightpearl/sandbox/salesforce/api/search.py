"""SOSL: search and parameterizedSearch (REST API guide, "Search" and "Parameterized Search")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..call import Answer, Call, Resource, resource
from ..errors import ApiError
from ..soql.execution import run_query
from ..store import Row

_SEARCH = re.compile(
    r"\s*FIND\s*\{(?P<term>(?:\\.|[^}\\])*)\}"
    r"(?:\s*IN\s+(?P<group>ALL|NAME|EMAIL|PHONE|SIDEBAR)\s+FIELDS)?"
    r"(?:\s*RETURNING\s+(?P<returning>.*?))?(?:\s*LIMIT\s+(?P<limit>\d+))?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_TYPES = {"EMAIL": ("email",), "PHONE": ("phone",)}
_TEXTS = ("string", "textarea", "email", "phone", "picklist", "url")
_MOST = 2000


def get_search(call: Call) -> Answer:
    """GET search: a SOSL query."""
    found = _SEARCH.match(call.query.get("q", ""))
    if found is None:
        raise ApiError("MALFORMED_SEARCH", "line 1:0 mismatched input: FIND is required")
    term = re.sub(r"\\(.)", r"\1", found["term"])
    wanted = list(_split(found["returning"] or ""))
    limit = int(found["limit"] or _MOST)
    return _found(call, term, (found["group"] or "ALL").upper(), wanted, limit)


def get_parameterized(call: Call) -> Answer:
    """GET parameterizedSearch: a term, and the objects and fields to return."""
    names = [name for name in call.query.get("sobject", "").split(",") if name]
    fields = call.query.get("fields", "Id")
    group = call.query.get("in", "ALL").upper()
    limit = int(call.query.get("overallLimit") or _MOST)
    return _found(call, call.query.get("q", ""), group, [f"{name}({fields})" for name in names], limit)


def post_parameterized(call: Call) -> Answer:
    """POST parameterizedSearch: the same as JSON."""
    body: Any = call.json()
    common = body.get("fields") or ["Id"]
    wanted = []
    for each in body.get("sobjects") or []:
        where = f" WHERE {each['where']}" if each.get("where") else ""
        limit = f" LIMIT {each['limit']}" if each.get("limit") else ""
        wanted.append(f"{each['name']}({', '.join(each.get('fields') or common)}{where}{limit})")
    group = str(body.get("in") or "ALL").upper()
    return _found(call, str(body.get("q") or ""), group, wanted, int(str(body.get("overallLimit") or _MOST)))


def _split(returning: str) -> Iterable[str]:
    """`A(Id, Name), B` as its parts: commas within brackets do not separate."""
    depth, part = 0, ""
    for sign in returning:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            yield part.strip()
            part = ""
        else:
            part += sign
    if part.strip():
        yield part.strip()


def _found(call: Call, term: str, group: str, wanted: list[str], limit: int) -> Answer:
    if len(term.strip().strip("*?")) < 2:
        raise ApiError("MALFORMED_SEARCH", "search term must be longer than one character: " + term)
    schema = call.org.schema
    parts = wanted or [name for name, entity in schema.entities.items() if entity.sobject.writable]
    records: list[object] = []
    for part in parts:
        name, _, inner = part.partition("(")
        entity = schema.in_body(name.strip())
        kinds = _TYPES.get(group, _TEXTS)
        names = [
            field.name
            for field in entity.fields.values()
            if field.type in kinds and (group != "NAME" or field.name.endswith("Name"))
        ]
        query = _as_query(entity.name, inner.rstrip().removesuffix(")"))
        found = run_query(call.org, query, False)
        table = call.org.store[entity.name].rows
        matching = [row for row in found.rows if _matches(table.get(str(row.get("Id")), row), names, term)]
        records += [found.show(row, call.base) for row in matching]
    return Answer({"searchRecords": records[:limit]})


def _as_query(name: str, inner: str) -> str:
    clause = re.search(r"\b(WHERE|ORDER\s+BY|LIMIT|USING)\b", inner, re.IGNORECASE)
    fields = inner[: clause.start()] if clause else inner
    rest = inner[clause.start() :] if clause else ""
    return f"SELECT {fields.strip() or 'Id'} FROM {name} {rest}".strip()  # noqa: S608 - SOQL of the sandbox


def _matches(row: Row, names: list[str], term: str) -> bool:
    """True if every word of the term begins a word of a field, as the vendor's index finds them."""
    words = " ".join(str(row[name]) for name in names if row.get(name)).casefold()
    for word in term.casefold().replace('"', " ").split():
        pattern = re.escape(word).replace(r"\*", r"\w*").replace(r"\?", r"\w")
        if not re.search(rf"(?<!\w){pattern}(?!\w)", words):
            return False
    return True


TABLE: list[Resource] = [
    resource("GET", "search", get_search, "q"),
    resource("GET", "parameterizedsearch", get_parameterized, "q", "sobject", "fields", "in", "overalllimit"),
    resource("POST", "parameterizedsearch", post_parameterized),
]
