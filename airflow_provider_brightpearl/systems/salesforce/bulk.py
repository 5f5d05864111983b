"""Bulk API 2.0 ingest jobs, driven call by call: create, upload, close, poll, results.

Result rows come in any order and are matched by key; failed rows are fetched only where the job counts some.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from json import dumps
from typing import Any, Protocol, TypeVar

import msgspec
import requests

from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.errors import SchemaMismatch, SyncError, TimedOut, Unavailable
from airflow_provider_brightpearl.systems.salesforce import csv
from airflow_provider_brightpearl.systems.salesforce.answers import (
    SYSTEM,
    UNPROCESSED,
    UNREADABLE,
    RowAnswer,
    broken,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_FILE = 95_000_000
PATIENCE = 6 * 3600.0
_SUBMITS = 3
_UPLOADED = '{"state":"UploadComplete"}'
_ABORTED = '{"state":"Aborted"}'
_ERROR = re.compile(r"(?s)(?P<code>[A-Z][A-Z0-9_]+):(?P<message>.*?)(?::(?P<fields>[^:]*?))?\s*(?:--)?\s*$")
_SCHEMA_WORDS = ("InvalidBatch", "InvalidEntity", "InvalidField", "Field name not found", "INVALID_FIELD")


class Call(Protocol):
    """One call of the client, with re-login and retries."""

    def __call__(
        self,
        method: str,
        path: str,
        read: Callable[[requests.Response], T],
        *,
        body: str | bytes | None = None,
        content_type: str = ...,
        repeatable: bool = ...,
    ) -> T: ...


class _Job(msgspec.Struct):
    id: str
    state: str = ""
    errorMessage: str | None = None
    numberRecordsProcessed: int = 0
    numberRecordsFailed: int = 0


def pause_before_look(waited: float) -> float:
    """Seconds until the next look at a job that has taken ``waited`` seconds so far.

    Its end is noticed within two seconds or a quarter of its duration, whichever is more.
    """
    return max(2.0, waited / 4) if waited else 1.0


_jobs = msgspec.json.Decoder(_Job)


class BulkJobs:
    """Upserts by way of ingest jobs.

    Args:
        call: one call of the client.
        look: the same for looks at a running job, which the client counts apart.
        sleep: seconds to sleep between looks.
        max_file: bytes of one upload.
        patience: seconds after which a job is given up.
    """

    def __init__(
        self,
        call: Call,
        look: Call,
        sleep: Callable[[float], None],
        *,
        max_file: int = MAX_FILE,
        patience: float = PATIENCE,
    ) -> None:
        self._call = call
        self._look = look
        self._sleep = sleep
        self._max_file = max_file
        self._patience = patience
        # id of the last job, for people
        self.last_job = ""

    def upsert(self, object_name: str, key_field: str, rows: Sequence[str]) -> Iterator[RowAnswer]:
        """Answers to all rows, job after job, in no given order; rows left out come as UNPROCESSED."""
        for content, count in csv.files(rows, key_field, self._max_file):
            path = self._submitted(object_name, key_field, content)
            job = self._finished(path, count)
            yield from self._results(path, job, key_field, count)

    # step by step, for callers that free their worker while the jobs run

    def submit(self, object_name: str, key_field: str, rows: Sequence[str]) -> Iterator[tuple[str, int]]:
        """Path and number of rows of each job, closed and running, one a file of rows in their order."""
        for content, count in csv.files(rows, key_field, self._max_file):
            yield self._submitted(object_name, key_field, content), count

    def ended(self, path: str) -> bool:
        """Whether a job is done, in one look.

        Raises:
            SchemaMismatch: the job failed for a field or object that the org does not have.
            Unavailable: the job failed for another reason, or was aborted.
        """
        job = self._look("GET", path, _job)
        if job.state in ("Failed", "Aborted"):
            raise _failure(job)
        return job.state == "JobComplete"

    def refusals(self, path: str, key_field: str, sent: int) -> Iterator[tuple[RowAnswer, dict[str, str]]]:
        """Answer and cells of each row that a job of ``sent`` rows did not write."""
        job = self._call("GET", path, _job)
        if job.numberRecordsFailed:
            for row in self._call("GET", f"{path}/failedResults", _table(job.numberRecordsFailed, key_field)):
                yield _failed(row, key_field), _own_cells(row)
        if left := sent - job.numberRecordsProcessed:
            for row in self._call("GET", f"{path}/unprocessedrecords", _table(left, key_field)):
                yield _unprocessed(row, key_field), _own_cells(row)

    def abort(self, path: str) -> None:
        """Ends a job that has not ended yet; rows that it has written stay written."""
        try:
            self._call("PATCH", path, _job, body=_ABORTED)
        except SchemaMismatch as error:
            log.info("bulk job %s cannot be aborted, it has ended: %s", path.rpartition("/")[2], error)

    def _give_up(self, path: str) -> None:
        """Aborts a job, or it would stay, and write its old rows over newer ones when the org gets to it."""
        try:
            self.abort(path)
        except SyncError as error:
            log.warning("bulk job %s is given up and goes on: %s", path.rpartition("/")[2], error)

    def _submitted(self, object_name: str, key_field: str, content: bytes) -> str:
        """The path of a job that holds the content and is closed."""
        for _ in range(_SUBMITS - 1):
            try:
                return self._submit(object_name, key_field, content)
            except TimedOut as error:
                # a job that was not closed does nothing, so a new one is safe
                log.info("bulk job: starting over: %s", error)
        return self._submit(object_name, key_field, content)

    def _submit(self, object_name: str, key_field: str, content: bytes) -> str:
        wanted = {
            "object": object_name, "operation": "upsert", "externalIdFieldName": key_field,
            "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA",
        }  # fmt: skip
        job = self._call("POST", "jobs/ingest", _job, body=dumps(wanted), repeatable=False)
        self.last_job = job.id
        path = f"jobs/ingest/{job.id}"
        try:
            self._call(
                "PUT", f"{path}/batches", _nothing,
                body=content, content_type="text/csv; charset=UTF-8", repeatable=False,
            )  # fmt: skip
        except TimedOut:
            self._give_up(path)
            raise
        self._close(path)
        return path

    def _close(self, path: str) -> None:
        """Closes a job; raises ``TimedOut`` only where the org says after each try that it is still open."""
        for number in range(_SUBMITS):
            try:
                self._call("PATCH", path, _job, body=_UPLOADED, repeatable=False)
                return
            except TimedOut:
                if self._call("GET", path, _job).state != "Open":
                    return
                if number == _SUBMITS - 1:
                    raise

    def _finished(self, path: str, rows: int) -> _Job:
        waited = 0.0
        processed = 0
        while waited < self._patience:
            pause = pause_before_look(waited)
            with current().waiting(f"the bulk job has processed {processed:,} of {rows:,} rows", pause):
                self._sleep(pause)
            waited += pause
            job = self._look("GET", path, _job)
            if job.state == "JobComplete":
                return job
            if job.state in ("Failed", "Aborted"):
                raise _failure(job)
            processed = job.numberRecordsProcessed
        self._give_up(path)
        raise TimedOut(f"bulk job is not done after {waited:.0f} s", system=SYSTEM, operation=f"GET {path}")

    def _results(self, path: str, job: _Job, key_field: str, sent: int) -> Iterator[RowAnswer]:
        good = job.numberRecordsProcessed - job.numberRecordsFailed
        if good:
            read = _cells(good, (key_field, "sf__Id", "sf__Created"))
            for key, target_id, created in self._call("GET", f"{path}/successfulResults", read):
                yield RowAnswer(key, target_id, created == "true")
        if job.numberRecordsFailed:
            for row in self._call("GET", f"{path}/failedResults", _table(job.numberRecordsFailed, key_field)):
                yield _failed(row, key_field)
        left = sent - job.numberRecordsProcessed
        if left:
            for row in self._call("GET", f"{path}/unprocessedrecords", _table(left, key_field)):
                yield _unprocessed(row, key_field)


def _unprocessed(row: dict[str, str], key_field: str) -> RowAnswer:
    return RowAnswer(row[key_field], success=False, code=UNPROCESSED, message="not processed")


def _own_cells(row: dict[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if not name.startswith("sf__")}


def _job(response: requests.Response) -> _Job:
    try:
        return _jobs.decode(response.content)
    except UNREADABLE as error:
        raise broken(response, error) from None


def _nothing(response: requests.Response) -> None:
    return None


def _table(expected: int, key_field: str) -> Callable[[requests.Response], list[dict[str, str]]]:
    """Reads result rows by column name; each has all columns, and a key."""

    def parsed(text: str) -> list[dict[str, str]]:
        rows = csv.read(text)
        if any(not row.get(key_field) or None in row.values() or None in row for row in rows):
            raise ValueError(f"a result row without {key_field}, or with other columns than the header")
        return rows

    return _checked(expected, parsed)


def _cells(expected: int, names: Sequence[str]) -> Callable[[requests.Response], list[tuple[str, ...]]]:
    """Reads some columns of result rows."""
    return _checked(expected, partial(csv.pick, names=names))


def _checked(expected: int, parse: Callable[[str], list[T]]) -> Callable[[requests.Response], list[T]]:
    def read(response: requests.Response) -> list[T]:
        try:
            rows = parse(response.content.decode("utf-8-sig"))
        except ValueError as error:
            raise broken(response, error) from None
        if len(rows) != expected:
            raise broken(response, ValueError(f"{len(rows)} result rows of {expected}"))
        return rows

    return read


def _failed(row: dict[str, str], key_field: str) -> RowAnswer:
    text = row.get("sf__Error", "")
    parts = _ERROR.match(text)
    if parts is None:
        return RowAnswer(row[key_field], row.get("sf__Id") or "", success=False, message=text)
    fields = tuple(name.strip() for name in (parts["fields"] or "").split(",") if name.strip())
    return RowAnswer(
        row[key_field], row.get("sf__Id") or "", False, False, parts["code"], parts["message"].strip(), fields
    )


def _failure(job: _Job) -> SchemaMismatch | Unavailable:
    reason = job.errorMessage or "no reason given"
    evidence: dict[str, Any] = {"system": SYSTEM, "operation": f"bulk job {job.id}", "code": job.state}
    if any(word in reason for word in _SCHEMA_WORDS):
        return SchemaMismatch(f"the bulk job does not fit the org: {reason}", **evidence)
    return Unavailable(f"the bulk job ended as {job.state}: {reason}", **evidence)
