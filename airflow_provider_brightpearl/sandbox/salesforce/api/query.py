"""query and queryAll with paging (reference, section 3.3)."""

from __future__ import annotations

import re
from typing import Any

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..errors import ApiError
from ..soql.execution import QueryResult, run_query
from ..store import Row

MIN_PAGE_SIZE, MAX_RECORDS = 200, 2000


def get_query(call: Call) -> Answer:
    """GET query."""
    return _first_page(call, False)


def get_query_all(call: Call) -> Answer:
    """GET queryAll: includes deleted records."""
    return _first_page(call, True)


def _first_page(call: Call, include_deleted: bool) -> Answer:
    text = call.query.get("q", "")
    if not text.strip():
        raise ApiError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    try:
        found = run_query(call.org, text, include_deleted)
    except ApiError as error:
        raise _with_place(error, text) from None
    return Answer(_page(call, found, None, 0))


_HINTS = {
    "INVALID_FIELD": "If you are attempting to use a custom field, be sure to append the '__c' after the custom "
    "field name. Please reference your WSDL or the describe call for the appropriate names.",
    "INVALID_TYPE": "If you are attempting to use a custom object, be sure to append the '__c' after the entity "
    "name. Please reference your WSDL or the describe call for the appropriate names.",
}


def _with_place(error: ApiError, text: str) -> ApiError:
    """The error with the place in the query, as the vendor writes it: lines, a mark, row and column."""
    quoted = re.findall(r"'([^']+)'", error.message)
    at = re.search(rf"(?<![\w.]){re.escape(quoted[0])}\b", text) if quoted else None
    if error.code not in _HINTS or at is None:
        return error
    message = error.message.replace("on sobject of type ", "on entity '").rstrip(".")
    message += "'." if "on entity" in message else "."
    start = max(0, at.start() - 40)
    fragment, column = (
        text[start : at.end() + 40].replace("\n", " "),
        at.start() - text.rfind("\n", 0, at.start()),
    )
    row = text.count("\n", 0, at.start()) + 1
    mark = " " * (at.start() - start) + "^"
    place = f"\n{fragment}\n{mark}\nERROR at Row:{row}:Column:{column}\n"
    return ApiError(error.code, f"{place}{message} {_HINTS[error.code]}", status=error.status)


def get_more(call: Call, locator: str) -> Answer:
    """GET query/{cursor}-{offset}."""
    cursor, _, offset = locator.rpartition("-")
    found = call.jobs.cursors.get(cursor)
    if found is None or not offset.isdigit() or int(offset) >= len(found.rows):
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return Answer(_page(call, found, cursor, int(offset)))


def _page(call: Call, found: QueryResult, cursor: str | None, offset: int) -> dict[str, object]:
    size = _page_size(call)
    end = offset + size
    done = end >= len(found.rows)
    page: dict[str, object] = {"totalSize": found.total, "done": done}
    if not done:
        cursor = cursor or call.jobs.cursors.keep(found)
        page["nextRecordsUrl"] = f"{call.base}/query/{cursor}-{end}"
    page["records"] = [_paged(call, found.show(row, call.base)) for row in found.rows[offset:end]]
    return page


def _paged(call: Call, record: Row) -> Row:
    """A record whose longer child lists are cut after their first page, which names the next one."""
    size = int_setting(call.org.settings, "child_page_size")
    return {name: _first_children(call, value, size) for name, value in record.items()}


def _first_children(call: Call, value: Any, size: int) -> Any:
    if not isinstance(value, dict) or len(value.get("records", ())) <= size:
        return value
    records = value["records"]
    cursor = call.jobs.cursors.keep(QueryResult(records, len(records), lambda row, base: row, []))
    more = {"done": False, "nextRecordsUrl": f"{call.base}/query/{cursor}-{size}"}
    return {**value, **more, "records": records[:size]}


def _page_size(call: Call) -> int:
    asked = re.search(r"batchSize\s*=\s*(\d+)", call.headers.get("sforce-query-options", ""), re.IGNORECASE)
    size = (
        min(MAX_RECORDS, max(MIN_PAGE_SIZE, int(asked[1])))
        if asked
        else int_setting(call.org.settings, "page_size")
    )
    return max(1, min(size, int_setting(call.org.settings, "page_max")))


TABLE: list[Resource] = [
    resource("GET", "query", get_query, "q"),
    resource("GET", "queryall", get_query_all, "q"),
    resource("GET", "query/{locator}", get_more),
    resource("GET", "queryall/{locator}", get_more),
]
