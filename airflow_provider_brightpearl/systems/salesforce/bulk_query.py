"""Bulk API 2.0 query jobs: for lists that would take many pages of a plain query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json import dumps
from urllib.parse import quote

import msgspec
import requests

from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.errors import SchemaMismatch, SyncError, TimedOut, Unavailable
from airflow_provider_brightpearl.systems.http.header_values import count_in
from airflow_provider_brightpearl.systems.http.secrets import redacted
from airflow_provider_brightpearl.systems.salesforce import csv
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM, UNREADABLE, broken
from airflow_provider_brightpearl.systems.salesforce.bulk import PATIENCE, Call, pause_before_look

# rows from which on a job takes fewer calls than pages of 2,000
QUERY_THRESHOLD = 20_000
PAGE = 100_000


# codes of queries that fail however often they are sent
_OF_THE_QUERY = (
    "InvalidBatch", "InvalidEntity", "InvalidField", "FeatureNotEnabled", "INVALID_FIELD", "INVALID_TYPE",
    "INVALID_QUERY", "MALFORMED_QUERY", "INSUFFICIENT_ACCESS", "No such column", "is not supported",
)  # fmt: skip


class _Job(msgspec.Struct):
    id: str
    state: str = ""
    errorMessage: str | None = None


_jobs = msgspec.json.Decoder(_Job)


def bulk_query(
    call: Call,
    look: Call,
    sleep: Callable[[float], None],
    soql: str,
    *,
    deleted: bool = False,
    page: int = PAGE,
) -> Iterator[dict[str, str]]:
    """Rows of a query as text by column; empty text stands for null.

    Args:
        call: one call of the client.
        look: the same for polls of the running job, which the client counts separately.
        sleep: seconds to sleep between looks.
        soql: no sums, no child queries; the order is the org's.
        deleted: whether rows in the recycle bin count too.
        page: rows a call.

    Raises:
        SchemaMismatch: the job failed because of the request: a field, an object, the query.
        Unavailable: it failed for another reason, or was aborted; the same query may pass.
        TimedOut: it is not done after hours.
    """
    wanted = dumps({"operation": "queryAll" if deleted else "query", "query": soql})
    # creating the job again after a lost answer is harmless
    job = call("POST", "jobs/query", _job, body=wanted, repeatable=True)
    path = f"jobs/query/{job.id}"
    _wait(look, sleep, path)
    locator = ""
    while locator != "null":
        where = f"&locator={quote(locator)}" if locator else ""
        text, locator = call("GET", f"{path}/results?maxRecords={page}{where}", _page)
        yield from csv.rows(text)


def _wait(look: Call, sleep: Callable[[float], None], path: str) -> None:
    waited = 0.0
    while waited < PATIENCE:
        pause = pause_before_look(waited)
        with current().waiting("the query job is running", pause):
            sleep(pause)
        waited += pause
        job = look("GET", path, _job)
        if job.state == "JobComplete":
            return
        if job.state in ("Failed", "Aborted"):
            raise _failure(job, path)
    raise TimedOut(f"the query job is not done after {waited:.0f} s", system=SYSTEM, operation=f"GET {path}")


def _failure(job: _Job, path: str) -> SyncError:
    reason = redacted(job.errorMessage or "the org gives no reason")
    kind = SchemaMismatch if any(word in reason for word in _OF_THE_QUERY) else Unavailable
    return kind(f"the query job ended as {job.state}: {reason}", system=SYSTEM, operation=f"GET {path}")


def _job(response: requests.Response) -> _Job:
    try:
        return _jobs.decode(response.content)
    except UNREADABLE as error:
        raise broken(response, error) from None


def _page(response: requests.Response) -> tuple[str, str]:
    """The text of a page of rows that are all there, and the locator of the next one."""
    # a byte that is not UTF-8 stays in its cell, so that it spoils one row and not the page
    text = response.content.decode("utf-8-sig", "surrogateescape")
    expected, found = count_in(response.headers.get("Sforce-NumberOfRecords")), csv.count(text)
    if expected is not None and expected != found:
        raise broken(response, ValueError(f"{found} result rows of {expected}"))
    return text, response.headers.get("Sforce-Locator") or "null"
