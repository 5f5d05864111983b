"""Runs an ingest job: rows in chunks, results by position (reference, section 3.7)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..settings import int_setting
from .api.collections import repeated_keys, split_key, upsert_once
from .csv_format import Dialect
from .errors import ApiError
from .org import DmlContext, Org
from .schema import Entity
from .writes import create, delete, update

FAILED = "\0"  # prefix of a result that is an error text rather than an id
Raw = dict[str, object]
Column = tuple[str, str]  # the field or relationship; the key field of the parent for a relationship


class BadBatch(Exception):
    """The whole upload is rejected."""


@dataclass(slots=True)
class IngestRun:
    """One upload and the results of its rows."""

    entity: Entity
    operation: str
    key: str
    dialect: Dialect
    user: str
    body: bytes = b""
    results: list[str] = field(default_factory=list)  # an id, or FAILED + error, in row order
    created: bytearray = field(default_factory=bytearray)
    failures: int = 0
    error: str = ""
    stopped: bool = False
    finished: bool = False

    def rows(self) -> Iterator[list[str]]:
        """The rows of the upload, header first."""
        return self.dialect.rows(self.body.decode("utf-8-sig"))

    def run(self, org: Org) -> None:
        """Write all rows; a problem of the whole upload is stored in `error`."""
        try:
            self._check_text(org)
            self._write_all(org)
        except BadBatch as error:
            self.error = str(error)
        except UnicodeDecodeError:
            self.error = "ClientInputError : The content is not UTF-8"
        finally:
            self.finished = True

    def _check_text(self, org: Org) -> None:
        head = self.body[:65_536].decode("utf-8-sig", "ignore")
        if not head.strip():
            raise BadBatch("InvalidBatch : The upload is empty")
        if len(head.split("\n", 1)[0]) > 32_000:
            raise BadBatch("InvalidBatch : The header line is too long")
        if org.settings["bulk_strict_line_ending"] and not self.dialect.has_line_ending(head):
            ending = self.dialect.line_ending
            text = "LineEnding is invalid on user data. Current LineEnding setting is"
            raise BadBatch(f"ClientInputError : {text} {ending}")

    def _write_all(self, org: Org) -> None:
        rows = self.rows()
        with org.lock:
            columns = self._columns(next(rows))
        most = int_setting(org.settings, "bulk_fail_after_rows")
        aborted = int_setting(org.settings, "bulk_abort_after_rows")
        while chunk := list(itertools.islice(rows, int_setting(org.settings, "bulk_chunk_rows"))):
            if aborted and len(self.results) >= aborted:
                self.stopped = True
                return
            if most and len(self.results) >= most:
                raise BadBatch("InternalServerError : the job was stopped by the service")
            with org.lock:
                if self.stopped:
                    return
                self._write_chunk(org, columns, chunk)
            # reacquiring the lock at once would starve the requests that wait for it
            time.sleep(0.0001)

    def _columns(self, header: list[str]) -> list[Column]:
        columns = [self._column(name) for name in header]
        if len(set(columns)) != len(columns):
            raise BadBatch("InvalidBatch : Duplicate field name in the header")
        names = [name for name, _ in columns]
        if self.operation in ("delete", "hardDelete") and header != ["Id"]:
            raise BadBatch("InvalidBatch : Field name not found : a delete accepts only the column Id")
        if self.operation == "update" and "Id" not in names:
            raise BadBatch("InvalidBatch : Field name not found : Id")
        if self.operation == "upsert" and self.key not in names:
            raise BadBatch(f"InvalidBatch : Field name not found : {self.key}")
        return columns

    def _column(self, name: str) -> Column:
        relation, dot, key = name.partition(".")
        if dot:
            link = self.entity.relation(relation)
            if link is not None and key:
                return link.relationship, key
        elif (field := self.entity.field(name)) is not None:
            return field.name, ""
        raise BadBatch(f"InvalidBatch : Field name not found : {name}")

    def _write_chunk(self, org: Org, columns: list[Column], chunk: list[list[str]]) -> None:
        dml = org.dml(self.user, is_csv=True)
        raws = [_row_to_body(columns, cells) for cells in chunk]
        repeated = repeated_keys([raw.get(self.key) for raw in raws]) if self.operation == "upsert" else set()
        for raw in raws:
            try:
                record_id, created = self._write(org, raw, dml, repeated)
            except ApiError as error:
                self.failures += 1
                self.results.append(FAILED + error.as_bulk_error())
                self.created.append(0)
            else:
                self.results.append(record_id)
                self.created.append(created)

    def _write(self, org: Org, raw: Raw, dml: DmlContext, repeated: set[str]) -> tuple[str, bool]:
        if self.operation == "upsert":
            key = self.entity.fields[self.key]
            value, values = split_key(raw, key)
            return upsert_once(org, self.entity, key, value, values, dml, repeated)
        record_id = raw.pop("Id", None)
        if self.operation == "insert":
            if record_id:
                raise ApiError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"]
                )
            return create(org, self.entity, raw, dml), True
        if not record_id:
            raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
        if self.operation == "update":
            return update(org, self.entity, str(record_id), raw, dml), False
        gone = delete(org, self.entity, str(record_id), dml)
        if self.operation == "hardDelete":
            org.store[self.entity.name].recycle_bin.pop(gone, None)
        return gone, False


def _row_to_body(columns: list[Column], cells: list[str]) -> Raw:
    """A row as a record body: empty cells are ignored, `#N/A` clears a value."""
    if len(cells) != len(columns):
        raise BadBatch("InvalidBatch : A row and the header differ in their number of cells")
    raw: Raw = {}
    for (name, key), cell in zip(columns, cells, strict=True):
        if cell == "":
            continue
        value = None if cell == "#N/A" else cell
        raw[name] = {key: value} if key and value is not None else value
    return raw
