"""query and queryAll with paging (reference, section 3.3)."""

from __future__ import annotations

import re

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..errors import ApiError
from ..soql.execution import QueryResult, run_query

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
    found = run_query(call.org, text, include_deleted)
    return Answer(_page(call, found, None, 0))


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
    page["records"] = [found.show(row, call.base) for row in found.rows[offset:end]]
    return page


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
