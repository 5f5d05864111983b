"""Interprets Salesforce's answers: one table from status and code to error, and answers to rows as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import requests

from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    RateLimited,
    RecordRefused,
    SchemaMismatch,
    SyncError,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.systems.http.header_values import retry_after
from airflow_provider_brightpearl.systems.http.secrets import redacted
from airflow_provider_brightpearl.systems.http.transport import ODD_SHAPE, excerpt, request_id

SYSTEM = "salesforce"
# unreadable answers: no JSON, unexpected JSON, bytes that are not UTF-8, or nested too deeply
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NO_ID = "NO_ID"
HALTED, UNPROCESSED = "PROCESSING_HALTED", "UNPROCESSED"
# the org's codes for rows that it has not tried
_UNREACHED = (HALTED, UNPROCESSED)
RETRYABLE_CODES = frozenset({
    "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "API_TEMPORARILY_UNAVAILABLE", *_UNREACHED,
})  # fmt: skip
# passes by itself, whatever error of a trigger or flow wraps it; Apex names each of its limits in a LimitException
_PASSING = (
    *RETRYABLE_CODES, "STORAGE_LIMIT_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "Apex CPU time limit exceeded",
    "Too many SOQL queries", "System.LimitException", "REQUEST_RUNNING_TOO_LONG", "UNKNOWN_EXCEPTION", NO_ID,
)  # fmt: skip
_PAUSE = 30.0
# calls of a day count for 24 hours each, so that some are free again within an hour
_DAILY_PAUSE = 3600.0
# the org's code for a deleted row
GONE = ("ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY")

# status or code (the code wins) -> error of the whole call
_TABLE: dict[int | str, type[SyncError]] = {
    400: SchemaMismatch,
    401: CredentialsRefused,
    403: CredentialsRefused,
    404: SchemaMismatch,
    405: SchemaMismatch,
    408: TimedOut,
    409: RecordRefused,
    412: RecordRefused,
    414: Misconfigured,
    415: SchemaMismatch,
    431: Misconfigured,
    "MALFORMED_QUERY": Misconfigured,
    "JSON_PARSER_ERROR": Misconfigured,
    "INVALID_QUERY_LOCATOR": Unavailable,
    "QUERY_TIMEOUT": Unavailable,
    "UNABLE_TO_LOCK_ROW": Unavailable,
    "SERVER_UNAVAILABLE": Unavailable,
}


class ExpiredSession(CredentialsRefused):
    """The session id is not valid any more; one login may help."""


class RowAnswer(msgspec.Struct, frozen=True, gc=False):
    """The org's answer to one row: its id, or why it was refused (``code``, ``message``, ``fields``)."""

    key: str
    id: str = ""
    created: bool = False
    success: bool = True
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()

    @property
    def retryable(self) -> bool:
        """Whether the same row may pass a moment later, as after a lock."""
        return not self.success and self.code in RETRYABLE_CODES

    @property
    def unreached(self) -> bool:
        """Whether the org has not tried the row."""
        return not self.success and self.code in _UNREACHED

    def after(self, tries: int) -> RowAnswer:
        """The same; of a row that was locked to the last, with how often it was sent."""
        if not self.retryable:
            return self
        return msgspec.structs.replace(self, message=f"{self.message} (the same after {tries} tries)")


def is_passing(code: str, message: str) -> bool:
    """Whether a refusal may pass with time."""
    return any(text in f"{code} {message}" for text in _PASSING)


class _Row(msgspec.Struct):
    id: str | None = None
    success: bool = False
    created: bool = False
    errors: list[dict[str, Any]] = []


_rows = msgspec.json.Decoder(list[_Row])
_errors = msgspec.json.Decoder(list[dict[str, Any]])


def check(response: requests.Response, operation: str, *, read: bool) -> None:
    """Raises the error that an answer to a whole call means; accepts good ones."""
    status = response.status_code
    if 200 <= status < 300:
        return
    code, message = _reason(response)
    evidence: dict[str, Any] = {
        "system": SYSTEM, "operation": operation, "status": status, "code": code,
        "request_id": request_id(response.headers, "X-SFDC-Request-Id"),
    }  # fmt: skip
    if status == 401 and code == "INVALID_SESSION_ID":
        raise ExpiredSession(message, **evidence)
    if code == "REQUEST_LIMIT_EXCEEDED" or status in (420, 429):
        raise RateLimited(message, wait_seconds=_wait(response, code, message), **evidence)
    kind = _TABLE.get(code) or _TABLE.get(status) or (SchemaMismatch if status < 500 else None)
    # a write that ends in a 5xx may have happened
    raise (kind or (Unavailable if read else TimedOut))(message, **evidence)


def _wait(response: requests.Response, code: str, message: str) -> float:
    """Seconds to wait; an hour after the daily limit, whose 24 hours roll."""
    if code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" not in message.lower():
        return _DAILY_PAUSE
    announced = retry_after(response.headers)
    return _PAUSE if announced is None else announced


def _reason(response: requests.Response) -> tuple[str, str]:
    try:
        errors = _errors.decode(response.content)
        code, message, _ = describe_error(errors[0]) if errors else ("", "an error without a reason", ())
    except ODD_SHAPE:
        return "", f"not the expected JSON ({excerpt(response)})"
    return code, redacted(message)


def describe_error(error: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """Code, message and fields of one error; rows say statusCode where whole calls say errorCode."""
    code = str(error.get("statusCode") or error.get("errorCode") or "")
    fields = tuple(str(name) for name in error.get("fields") or ())
    return code, redacted(str(error.get("message", ""))) + _duplicate_rule(error), fields


def _duplicate_rule(error: Mapping[str, Any]) -> str:
    # real answers spell the key without the letter
    found = error.get("duplicateResut") or error.get("duplicateResult")
    if not isinstance(found, Mapping):
        return ""
    matches = [
        str(record.get("record", {}).get("Id", ""))
        for result in found.get("matchResults") or ()
        for record in result.get("matchRecords") or ()
    ]
    return f" (duplicate rule {found.get('duplicateRule', '')}, matches {', '.join(matches) or 'unknown'})"


def row_answers(keys: Sequence[str]) -> Callable[[requests.Response], list[RowAnswer]]:
    """Reads the answer to a collections call whose rows had these keys, in the same order."""

    def read(response: requests.Response) -> list[RowAnswer]:
        try:
            rows = _rows.decode(response.content)
        except UNREADABLE as error:
            raise broken(response, error) from None
        if len(rows) != len(keys):
            raise broken(response, ValueError(f"{len(rows)} answers to {len(keys)} rows"))
        return [_row_answer(key, row) for key, row in zip(keys, rows, strict=True)]

    return read


def _row_answer(key: str, row: _Row) -> RowAnswer:
    if row.success:
        if not row.id:
            return RowAnswer(key, "", False, False, NO_ID, "the org took the row and returned no id")
        return RowAnswer(key, row.id, row.created)
    code, message, fields = describe_error(row.errors[0]) if row.errors else ("", "no reason given", ())
    return RowAnswer(key, row.id or "", False, False, code, message, fields)


def broken(response: requests.Response, error: Exception) -> SyncError:
    """The error for a good status with a body that cannot be read: cut, empty or not JSON.

    A write behind it may have happened.
    """
    request = response.request
    return (Unavailable if request.method == "GET" else TimedOut)(
        f"unexpected answer: {error} ({excerpt(response)})",
        system=SYSTEM,
        operation=f"{request.method} {request.path_url.split('?')[0]}",
        status=response.status_code,
        request_id=request_id(response.headers, "X-SFDC-Request-Id"),
    )


def refused_login(message: str) -> CredentialsRefused:
    """The error of a login that only a person can fix."""
    return CredentialsRefused(redacted(message), system=SYSTEM, operation="login")
