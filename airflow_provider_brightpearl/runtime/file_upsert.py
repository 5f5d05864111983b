"""The rows of a file upserted into Salesforce, in steps between which the worker may be given up.

Nothing is sent before the whole file has been read once: a key that is missing or repeated stops it all. What has
been sent is in the state, so that whoever goes on with it sends nothing again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import filterfalse, islice
from pathlib import Path
from typing import Any

import msgspec
from more_itertools import chunked
from upath import UPath

from airflow_provider_brightpearl.errors import RunChanged, SchemaMismatch
from airflow_provider_brightpearl.stores.files import whole_file
from airflow_provider_brightpearl.stores.row_files import RowFormat, read_rows, write_lines
from airflow_provider_brightpearl.systems.salesforce.client import BULK_THRESHOLD, RowAnswer, SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.collections import (
    COLLECTION_ROWS,
    row_json,
    row_of_cells,
)
from airflow_provider_brightpearl.systems.salesforce.csv import has_null_text

# rows in memory at a time
_CHUNK = 20_000
# how often rows that were locked are sent, the first time among them
_ATTEMPTS = 3
_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class JobRef:
    """A bulk job with its number of rows; ``attempt`` counts from 1."""

    path: str
    rows: int
    attempt: int


@dataclass(slots=True)
class UpsertState:
    """What has been sent so far, as plain values for ``next_kwargs`` of a deferred task.

    ``rows`` are those of the file, once it has been read, else -1; so are those ``apart``, which no job can hold and
    which are sent first. The jobs of attempt ``awaited`` have ended.
    ``digest`` is that of the file whose rows were counted.
    """

    rows: int = -1
    apart: int = -1
    sent: int = 0
    attempt: int = 1
    awaited: int = 0
    jobs: list[JobRef] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any] | None) -> UpsertState:
        return msgspec.convert(values or {}, cls)

    @property
    def running(self) -> list[str]:
        """Paths of the jobs that are not known to have ended."""
        return [job.path for job in self.jobs if job.attempt > self.awaited]


@dataclass(frozen=True, slots=True)
class FileUpsert:
    """Upserts the rows of a local file by external id.

    Args:
        client: calls to the org.
        object_name: such as ``Account``.
        key_field: external id field, a column of the file.
        file: the file.
        kind: its format.
        bulk: by Bulk API jobs (True) or collections (False); by the number of rows if None.
    """

    client: SalesforceClient
    object_name: str
    key_field: str
    file: Path
    kind: RowFormat
    bulk: bool | None = None

    def send(self, state: UpsertState) -> None:
        """Sends what ``state`` does not count as sent; afterwards its ``running`` jobs are waited for.

        Raises:
            SchemaMismatch: a key is missing or repeated, or a line cannot be read; nothing was sent.
            RunChanged: the file is not the one that was begun with.
            SyncError: some rows were not sent; ``state`` says how far it came.
        """
        if state.rows < 0:
            state.rows, state.digest = self._count(), self._digest()
        if state.sent >= state.rows:
            return
        if self._digest() != state.digest:
            raise RunChanged(
                f"{self.file.name} has changed while the task waited, after {state.sent} of {state.rows} rows: "
                "clear the task, and it sends all rows of the file as it is now"
            )
        if state.rows >= BULK_THRESHOLD if self.bulk is None else self.bulk:
            self._submit(state)
        else:
            self._collections(state)

    def again(self, state: UpsertState) -> bool:
        """Sends rows that were locked once more, after all jobs have ended; says whether there were any."""
        if state.awaited < state.attempt or state.attempt >= _ATTEMPTS:
            return False
        locked = [
            row_json(row_of_cells(cells))
            for answer, cells in self._refusals(state, state.attempt)
            if answer.retryable
        ]
        if not locked:
            return False
        jobs = self.client.bulk_jobs().submit(self.object_name, self.key_field, locked)
        state.jobs += [JobRef(path, count, state.attempt + 1) for path, count in jobs]
        state.attempt += 1
        return True

    def finish(self, state: UpsertState, refused_to: UPath) -> dict[str, Any]:
        """Writes the refused rows to a file of JSON lines, and says what became of all of them.

        A file of an earlier run goes away where nothing was refused.
        """
        examples: list[dict[str, Any]] = []

        def lines() -> Iterator[bytes]:
            for refused in self._refused(state):
                if len(examples) < _EXAMPLES:
                    examples.append({name: refused[name] for name in ("key", "code", "message")})
                yield msgspec.json.encode(refused)

        with whole_file(refused_to) as file:
            count = write_lines(file, lines())
        if not count:
            refused_to.unlink(missing_ok=True)
        return {
            "rows": state.rows,
            "written": state.rows - count,
            "refused": count,
            "refused_rows": examples,
            "refused_path": str(refused_to) if count else None,
            "jobs": [job.path.rpartition("/")[2] for job in state.jobs],
        }

    def _digest(self) -> str:
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _count(self) -> int:
        seen: set[str] = set()
        number = 0
        for number, row in enumerate(read_rows(self.file, self.kind), 1):
            key = "" if row.get(self.key_field) is None else str(row[self.key_field])
            if not key:
                raise SchemaMismatch(f"{self.file.name}, row {number}: {self.key_field} is missing")
            if key in seen:
                raise SchemaMismatch(f"{self.file.name}, row {number}: duplicate {self.key_field} {key}")
            seen.add(key)
        return number

    def _submit(self, state: UpsertState) -> None:
        if state.apart < 0:
            # in a CSV file #N/A is null already
            state.apart = 0 if self.kind is RowFormat.CSV else sum(map(has_null_text, self._texts()))
        if state.sent < state.apart:
            self._upsert(state, islice(filter(has_null_text, self._texts()), state.sent, None))
        jobs = self.client.bulk_jobs()
        others = filterfalse(has_null_text, self._texts())
        for texts in chunked(islice(others, state.sent - state.apart, None), _CHUNK):
            for path, count in jobs.submit(self.object_name, self.key_field, texts):
                state.jobs.append(JobRef(path, count, state.attempt))
                state.sent += count

    def _collections(self, state: UpsertState) -> None:
        kinds: dict[str, str] = {}
        if self.kind is RowFormat.CSV:
            described = self.client.describe(self.object_name)["fields"]
            kinds = {str(each["name"]): str(each["type"]) for each in described}
        self._upsert(state, islice(self._texts(kinds), state.sent, None))

    def _upsert(self, state: UpsertState, rows: Iterable[str]) -> None:
        for texts in chunked(rows, COLLECTION_ROWS):
            answers = self.client.upsert(self.object_name, self.key_field, texts)
            pairs = zip(answers, texts, strict=True)
            state.refused += [
                _refusal(answer, msgspec.json.decode(text)) for answer, text in pairs if not answer.success
            ]
            state.sent += len(texts)

    def _texts(self, kinds: dict[str, str] | None = None) -> Iterator[str]:
        for number, row in enumerate(read_rows(self.file, self.kind), 1):
            try:
                yield row_json(row_of_cells(row, kinds) if self.kind is RowFormat.CSV else row)
            except (TypeError, ValueError) as error:
                raise SchemaMismatch(f"{self.file.name}, row {number}: {error}") from None

    def _refused(self, state: UpsertState) -> Iterator[dict[str, Any]]:
        yield from state.refused
        for attempt in range(1, state.attempt + 1):
            for answer, cells in self._refusals(state, attempt):
                if attempt == state.attempt or not answer.retryable:
                    yield _refusal(answer, cells)

    def _refusals(self, state: UpsertState, attempt: int) -> Iterator[tuple[RowAnswer, dict[str, str]]]:
        jobs = self.client.bulk_jobs()
        for job in state.jobs:
            if job.attempt == attempt:
                yield from jobs.refusals(job.path, self.key_field, job.rows)


def _refusal(answer: RowAnswer, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": answer.key,
        "code": answer.code,
        "message": answer.message,
        "fields": list(answer.fields),
        "row": row,
    }
