"""Bulk API 2.0 query (reference, section 3.8)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..csv_format import Dialect
from ..errors import ApiError, malformed_json
from ..soql.aggregates import is_aggregate
from ..soql.execution import QueryResult, run_query
from ..soql.grammar import parse
from ..store import Row

_KEYS = {"operation", "query", "contentType", "columnDelimiter", "lineEnding"}


@dataclass(slots=True)
class QueryJob:
    """One query job; it is run on creation, and its rows are available after enough polls."""

    id: str
    operation: str
    text: str
    version: str
    dialect: Dialect
    found: QueryResult
    user: str
    created: str
    since: float
    object_name: str
    state: str = "UploadComplete"
    polls: int = 0


def create_query(call: Call) -> Answer:
    """POST jobs/query."""
    body = call.json()
    operation, text = body.get("operation"), body.get("query")
    if set(body) - _KEYS or operation not in ("query", "queryAll") or not isinstance(text, str):
        raise malformed_json("a query job needs operation (query or queryAll) and query")
    dialect = Dialect.of(body)
    _check_bulk(text)
    job = QueryJob(
        call.jobs.next_id(), operation, text, call.version, dialect,
        run_query(call.org, text, operation == "queryAll"), call.user, call.org.now(), call.org.clock.seconds(),
        call.org.schema.in_body(parse(text).source).name,
    )  # fmt: skip
    call.jobs.queries[job.id] = job
    return Answer(_job_info(job))


def _check_bulk(text: str) -> None:
    query = parse(text)
    children = any(column.child is not None for column in query.columns)
    functions = any(column.function not in ("", "FIELDS") for column in query.columns)
    if is_aggregate(query) or query.offset or children or functions:
        raise ApiError("API_ERROR", "Aggregates, OFFSET and child queries are not supported in bulk queries")


def get_job(call: Call, job_id: str) -> Answer:
    """GET jobs/query/{id}."""
    job = _require_job(call, job_id)
    if job.state in ("UploadComplete", "InProgress"):
        job.polls += 1
        waited = call.org.clock.seconds() - job.since >= int_setting(call.org.settings, "bulk_seconds")
        ready = job.polls >= int_setting(call.org.settings, "bulk_polls") and waited
        job.state = "JobComplete" if ready else "InProgress"
    return Answer(_job_info(job))


def change_job(call: Call, job_id: str) -> Answer:
    """PATCH jobs/query/{id}: Aborted."""
    job = _require_job(call, job_id)
    if call.json() != {"state": "Aborted"} or job.state in ("JobComplete", "Aborted"):
        raise ApiError("INVALID_JOB_STATE", f"a job in state {job.state} can only be aborted before it ends")
    job.state = "Aborted"
    return Answer(_job_info(job))


def delete_job(call: Call, job_id: str) -> Answer:
    """DELETE jobs/query/{id}."""
    job = _require_job(call, job_id)
    if job.state not in ("JobComplete", "Aborted"):
        raise ApiError("INVALID_JOB_STATE", "only a finished or aborted job can be deleted")
    del call.jobs.queries[job.id]
    return Answer(status=204)


def list_jobs(call: Call) -> Answer:
    """GET jobs/query."""
    records = [_job_info(job) for job in call.jobs.queries.values()]
    return Answer({"done": True, "records": records, "nextRecordsUrl": None})


def get_results(call: Call, job_id: str) -> Answer:
    """GET jobs/query/{id}/results: a page of CSV, with the locator of the next one."""
    job = _require_job(call, job_id)
    if job.state != "JobComplete":
        raise ApiError("INVALID_JOB_STATE", "the job has not ended")
    if job.version != call.version:
        raise ApiError("API_VERSION_MISMATCH", "the job was created with another API version", status=409)
    start = _start(call.query.get("locator", ""))
    size = int(call.query.get("maxRecords") or int_setting(call.org.settings, "bulk_page_size"))
    rows = job.found.rows[start : start + max(1, size)]
    end = start + len(rows)
    headers = {
        "Sforce-NumberOfRecords": str(len(rows)),
        "Sforce-Locator": f"L{end:x}" if end < len(job.found.rows) else "null",
    }
    lines = [job.found.names, *(_cells(job.found.show(row, call.base), job.found.names) for row in rows)]
    return Answer(job.dialect.write(lines), headers=headers, media="text/csv;charset=UTF-8")


def _start(locator: str) -> int:
    if not locator:
        return 0
    try:
        return int(locator.removeprefix("L"), 16)
    except ValueError:
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator") from None


def _cells(record: Row, names: list[str]) -> list[str]:
    lower = _lowered(record)
    return [_text(_at(lower, name.lower().split("."))) for name in names]


def _lowered(record: Row) -> Row:
    return {
        k.lower(): _lowered(v) if isinstance(v, dict) else v for k, v in record.items() if k != "attributes"
    }


def _at(record: object, path: list[str]) -> object:
    for part in path:
        if not isinstance(record, dict):
            return None
        record = record.get(part)
    return record


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.removesuffix("+0000") + "Z" if text.endswith(".000+0000") else text


def _require_job(call: Call, job_id: str) -> QueryJob:
    jobs: dict[str, QueryJob] = call.jobs.queries
    return call.jobs.require(jobs, job_id)


def _job_info(job: QueryJob) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object_name,
        "createdById": job.user,
        "createdDate": job.created,
        "systemModstamp": job.created,
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "jobType": "V2Query",
        "lineEnding": job.dialect.line_ending,
        "columnDelimiter": job.dialect.delimiter,
    }
    if job.state == "JobComplete":
        shown |= {"numberRecordsProcessed": len(job.found.rows), "retries": 0, "totalProcessingTime": 1}
    return shown


TABLE: list[Resource] = [
    resource("POST", "jobs/query", create_query),
    resource("GET", "jobs/query", list_jobs, "ispkchunkingenabled", "jobtype", "querylocator"),
    resource("GET", "jobs/query/{job_id}", get_job),
    resource("PATCH", "jobs/query/{job_id}", change_job),
    resource("DELETE", "jobs/query/{job_id}", delete_job),
    resource("GET", "jobs/query/{job_id}/results", get_results, "maxrecords", "locator"),
]
