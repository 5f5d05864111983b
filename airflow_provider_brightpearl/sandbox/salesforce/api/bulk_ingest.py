"""Bulk API 2.0 ingest: create, upload, close, poll, results (reference, section 3.7)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..csv_format import Dialect
from ..errors import ApiError, malformed_json
from ..ingest_run import FAILED, IngestRun
from ..org import Org

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
FINAL = ("JobComplete", "Failed", "Aborted")
SMALL = 262_144  # uploads up to this size are processed by the poll that reports them as complete
BATCH = 10_000  # results are shuffled in batches of this size
_KEYS = {
    "object", "operation", "externalIdFieldName", "contentType", "lineEnding", "columnDelimiter",
    "assignmentRuleId",
}  # fmt: skip


@dataclass(slots=True)
class Job:
    """One ingest job: its run, and the state its client has seen."""

    id: str
    load: IngestRun
    version: str
    created: str
    since: float
    state: str = "Open"
    modified: str = ""
    polls: int = 0
    closed: float = 0.0
    started: float = 0.0
    took_ms: int = 0


def create_job(call: Call) -> Answer:
    """POST jobs/ingest."""
    body = call.json()
    if unknown := set(body) - _KEYS:
        raise malformed_json(f"Unrecognized field {sorted(unknown)}")
    entity = call.org.schema.in_body(body.get("object"))
    operation = str(body.get("operation"))
    if operation not in OPERATIONS:
        raise ApiError("INVALID_JOB", f"operation '{operation}' is not supported")
    if body.get("contentType", "CSV") != "CSV":
        raise ApiError("INVALID_JOB", "contentType must be CSV")
    key = _key_name(call, operation, str(body.get("externalIdFieldName") or ""), entity.name)
    dialect = Dialect.of(body)
    load = IngestRun(entity, operation, key, dialect, call.user)
    now = call.org.now()
    job = Job(call.jobs.next_id(), load, call.version, now, call.org.clock.seconds(), modified=now)
    call.jobs.ingest[job.id] = job
    return Answer(_job_info(call, job))


def _key_name(call: Call, operation: str, name: str, object_name: str) -> str:
    if operation != "upsert":
        return ""
    field = call.org.schema.entities[object_name].key_field(name)
    if field is None:
        raise ApiError(
            "INVALID_JOB", f"InvalidJob : Field name provided, {name} does not match an External ID"
        )
    return field.name


def upload(call: Call, job_id: str) -> Answer:
    """PUT jobs/ingest/{id}/batches: the single upload of a job."""
    job = _require_job(call, job_id)
    if job.state != "Open" or job.load.body:
        raise ApiError("INVALID_JOB_STATE", "the job does not accept an upload")
    if not call.headers.get("content-type", "").lower().startswith("text/csv"):
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", "Content-Type text/csv is required", status=415)
    if len(call.body) > int_setting(call.org.settings, "bulk_max_bytes"):
        raise ApiError("LIMIT_EXCEEDED", "the upload is too large", status=413)
    job.load.body = call.body
    return Answer(status=201)


def change_job(call: Call, job_id: str) -> Answer:
    """PATCH jobs/ingest/{id}: UploadComplete or Aborted."""
    job, body = _require_job(call, job_id), call.json()
    wanted = body.get("state")
    if set(body) != {"state"} or wanted not in ("UploadComplete", "Aborted"):
        raise ApiError("INVALID_JOB_STATE", "state must be UploadComplete or Aborted")
    if wanted == "Aborted" and job.state not in FINAL:
        job.load.stopped, job.state = True, "Aborted"
    elif wanted == "UploadComplete" and job.state == "Open":
        job.state, job.closed = "UploadComplete", call.org.clock.seconds()
        if len(job.load.body) > SMALL:
            threading.Thread(target=_run_job, args=(call.org, job), daemon=True).start()
    else:
        raise ApiError("INVALID_JOB_STATE", f"a job in state {job.state} cannot become {wanted}")
    job.modified = call.org.now()
    return Answer(_job_info(call, job))


def _run_job(org: Org, job: Job) -> None:
    job.started = time.perf_counter()
    job.load.run(org)
    job.took_ms = round((time.perf_counter() - job.started) * 1000)


def get_job(call: Call, job_id: str) -> Answer:
    """GET jobs/ingest/{id}: the state advances with polls and time."""
    job = _require_job(call, job_id)
    if job.state in ("UploadComplete", "InProgress"):
        _advance_job(call.org, job)
    return Answer(_job_info(call, job))


def _advance_job(org: Org, job: Job) -> None:
    job.polls += 1
    waited = org.clock.seconds() - job.closed >= int_setting(org.settings, "bulk_seconds")
    if job.polls < int_setting(org.settings, "bulk_polls") or not waited:
        if job.polls > 1 or int_setting(org.settings, "bulk_polls") <= 2:
            job.state = "InProgress"
        return
    if len(job.load.body) <= SMALL:
        _run_job(org, job)
    job.state = "InProgress"
    if job.load.finished:
        ended = "Failed" if job.load.error else "JobComplete"
        job.state = "Aborted" if job.load.stopped else ended
        job.modified = org.now()


def delete_job(call: Call, job_id: str) -> Answer:
    """DELETE jobs/ingest/{id}: only for finished or aborted jobs."""
    job = _require_job(call, job_id)
    if job.state not in FINAL:
        raise ApiError("INVALID_JOB_STATE", "only a finished or aborted job can be deleted")
    del call.jobs.ingest[job.id]
    return Answer(status=204)


def list_jobs(call: Call) -> Answer:
    """GET jobs/ingest."""
    jobs: Iterable[Job] = list(call.jobs.ingest.values())
    return Answer({"done": True, "records": [_job_info(call, job) for job in jobs], "nextRecordsUrl": None})


def _require_job(call: Call, job_id: str) -> Job:
    jobs: dict[str, Job] = call.jobs.ingest
    return call.jobs.require(jobs, job_id)


def _job_info(call: Call, job: Job) -> dict[str, object]:
    load = job.load
    shown: dict[str, object] = {
        "id": job.id,
        "operation": load.operation,
        "object": load.entity.name,
        "createdById": load.user,
        "createdDate": job.created,
        "systemModstamp": job.modified,
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "jobType": "V2Ingest",
        "contentUrl": f"services/data/v{job.version}/jobs/ingest/{job.id}/batches",
        "lineEnding": load.dialect.line_ending,
        "columnDelimiter": load.dialect.delimiter,
    }
    if load.key:
        shown["externalIdFieldName"] = load.key
    if job.state not in ("Open", "UploadComplete"):
        shown |= {
            "numberRecordsProcessed": len(load.results),
            "numberRecordsFailed": load.failures,
            "retries": 0,
            "totalProcessingTime": job.took_ms,
            "apiActiveProcessingTime": job.took_ms,
            "apexProcessingTime": 0,
        }
    if load.error:
        shown["errorMessage"] = load.error
    return shown


# --- results -----------------------------------------------------------------------------------------


def successful(call: Call, job_id: str) -> Answer:
    """GET jobs/ingest/{id}/successfulResults."""
    return _results(call, job_id, failed=False)


def failed(call: Call, job_id: str) -> Answer:
    """GET jobs/ingest/{id}/failedResults."""
    return _results(call, job_id, failed=True)


def unprocessed(call: Call, job_id: str) -> Answer:
    """GET jobs/ingest/{id}/unprocessedrecords."""
    job = _require_ended_job(call, job_id)
    rows = job.load.rows() if job.load.body else iter([[]])
    header = next(rows)
    return _csv(job, [header, *islice(rows, len(job.load.results), None)])


def _require_ended_job(call: Call, job_id: str) -> Job:
    job = _require_job(call, job_id)
    if job.state not in FINAL:
        raise ApiError("INVALID_JOB_STATE", "the job has not ended")
    return job


def _results(call: Call, job_id: str, *, failed: bool) -> Answer:
    job = _require_ended_job(call, job_id)
    rows = job.load.rows() if job.load.body else iter([[]])
    header = next(rows)
    lead = ["sf__Id", "sf__Error" if failed else "sf__Created"]
    found = _failures(job.load, header, rows) if failed else _successes(job.load, rows)
    if call.org.settings["bulk_shuffle"]:
        found = _shuffled(found, job.id)
    return _csv(job, _with_header([*lead, *header], found))


def _successes(load: IngestRun, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    for result, created, cells in zip(load.results, load.created, rows, strict=False):
        if not result.startswith(FAILED):
            yield [result, "true" if created else "false", *cells]


def _failures(load: IngestRun, header: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    place = header.index("Id") if "Id" in header else None
    for result, cells in zip(load.results, rows, strict=False):
        if result.startswith(FAILED):
            yield [cells[place] if place is not None else "", result[1:], *cells]


def _shuffled(rows: Iterator[list[str]], seed: str) -> Iterator[list[str]]:
    """The rows shuffled, because the vendor does not guarantee the order of the upload."""
    order = random.Random(seed)
    while batch := list(islice(rows, BATCH)):
        order.shuffle(batch)
        yield from batch


def _with_header(header: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield header
    yield from rows


def _csv(job: Job, rows: Iterable[list[str]]) -> Answer:
    return Answer(job.load.dialect.write(rows), media="text/csv;charset=UTF-8")


TABLE: list[Resource] = [
    resource("POST", "jobs/ingest", create_job),
    resource("GET", "jobs/ingest", list_jobs, "ispkchunkingenabled", "jobtype", "querylocator"),
    resource("GET", "jobs/ingest/{job_id}", get_job),
    resource("PATCH", "jobs/ingest/{job_id}", change_job),
    resource("DELETE", "jobs/ingest/{job_id}", delete_job),
    resource("PUT", "jobs/ingest/{job_id}/batches", upload),
    resource("GET", "jobs/ingest/{job_id}/successfulresults", successful),
    resource("GET", "jobs/ingest/{job_id}/failedresults", failed),
    resource("GET", "jobs/ingest/{job_id}/unprocessedrecords", unprocessed),
]
