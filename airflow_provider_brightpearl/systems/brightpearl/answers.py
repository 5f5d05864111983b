"""Interprets Brightpearl's answers: one table from status and code to error, and the readers of bodies.

Brightpearl says "too many requests" with 503, "bad filter" and "bad patch" with 500, and "none" with 404
CMNC-404 or an empty list (public documentation and recorded traffic).
"""

from __future__ import annotations

from decimal import Decimal
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
from airflow_provider_brightpearl.systems.http.header_values import retry_after, seconds_in
from airflow_provider_brightpearl.systems.http.secrets import redacted
from airflow_provider_brightpearl.systems.http.transport import READS, excerpt, request_id

SYSTEM = "brightpearl"
NOTHING_FOUND = "CMNC-404"
_BAD_FILTER = "CMNC-018"
_BAD_PATCH = "CMNC-044"
_DEFAULT_PERIOD = 60.0

# status (and code, where one status means several things) -> error of a read, error of a write
_TABLE: dict[int | tuple[int, str], tuple[type[SyncError], type[SyncError]]] = {
    400: (SchemaMismatch, RecordRefused),
    401: (CredentialsRefused, CredentialsRefused),
    403: (CredentialsRefused, CredentialsRefused),
    404: (SchemaMismatch, RecordRefused),
    405: (SchemaMismatch, SchemaMismatch),
    409: (RecordRefused, RecordRefused),
    412: (RecordRefused, RecordRefused),
    413: (RecordRefused, RecordRefused),
    414: (Misconfigured, Misconfigured),
    415: (SchemaMismatch, SchemaMismatch),
    422: (SchemaMismatch, RecordRefused),
    429: (RateLimited, RateLimited),
    (500, _BAD_FILTER): (SchemaMismatch, RecordRefused),
    (500, _BAD_PATCH): (SchemaMismatch, RecordRefused),
}


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    errors: list[_Error] = []
    response: Any = None


class _Envelope(msgspec.Struct):
    response: msgspec.Raw = msgspec.Raw(b"null")


# unreadable answers: no JSON, unexpected JSON, bytes that are not UTF-8, or nested too deeply
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_bodies = msgspec.json.Decoder(_Body)
_envelopes = msgspec.json.Decoder(_Envelope)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_maps = msgspec.json.Decoder(dict[str, msgspec.Raw])
_values = msgspec.json.Decoder(float_hook=Decimal)


def check(response: requests.Response, operation: str, *, read: bool) -> None:
    """Raises the error that an answer means; accepts good ones, and "nothing found" of a read."""
    status = response.status_code
    if 200 <= status < 300:
        return
    code, message = _reason(response)
    if read and status == 404 and code == NOTHING_FOUND:
        return
    evidence: dict[str, Any] = {
        "system": SYSTEM, "operation": operation, "status": status, "code": code,
        "request_id": request_id(response.headers, "Ruid"),
    }  # fmt: skip
    if throttled(status, message):
        raise RateLimited(
            "the request rate limit is exceeded", wait_seconds=_announced_wait(response.headers), **evidence
        )
    raise kind_of(status, code, read=read)(message, **evidence)


def kind_of(status: int, code: str, *, read: bool) -> type[SyncError]:
    """The error that a bad status and its code mean."""
    row = _TABLE.get((status, code)) or _TABLE.get(status)
    if row is not None:
        return row[0] if read else row[1]
    if status < 500:
        return SchemaMismatch
    # a write that ends in a 5xx may have happened
    return Unavailable if read else TimedOut


def _reason(response: requests.Response) -> tuple[str, str]:
    """Code and message of an error body, in the shapes ``errors``, text ``response``, or neither."""
    try:
        body = _bodies.decode(response.content)
    except UNREADABLE:
        return "", f"not a JSON answer ({excerpt(response)})"
    if body.errors:
        return body.errors[0].code, redacted("; ".join(error.message for error in body.errors))
    if isinstance(body.response, str):
        return "", redacted(body.response)
    return "", f"an error without a reason ({excerpt(response)})"


def throttled(status: int, message: str) -> bool:
    """Whether a call was not processed since the quota is used up."""
    return status == 429 or (status == 503 and "too many requests" in message.lower())


def _announced_wait(headers: Any) -> float:
    period = seconds_in(headers.get("brightpearl-next-throttle-period"), unit=0.001)
    announced = retry_after(headers) if period is None else period
    return _DEFAULT_PERIOD if announced is None else announced


def broken(response: requests.Response, error: Exception) -> SyncError:
    """The error for a good status with a body that cannot be read: cut, empty or not JSON."""
    request = response.request
    return (Unavailable if request.method in READS else TimedOut)(
        f"the answer is not the expected JSON: {error} ({excerpt(response)})",
        system=SYSTEM,
        operation=f"{request.method} {request.path_url.split('?')[0][:110]}",
        status=response.status_code,
        request_id=request_id(response.headers, "Ruid"),
    )


def value(response: requests.Response) -> Any:
    """The ``response`` of a body, numbers with a point as Decimal; None where there is none."""
    if response.status_code == 404:
        return None
    try:
        return _values.decode(_envelopes.decode(response.content).response)
    except UNREADABLE as error:
        raise broken(response, error) from None


def entries(response: requests.Response, member: str = "") -> list[tuple[str, bytes]]:
    """Key (empty in lists) and raw bytes of each entry of ``response``, without parsing the entries."""
    if response.status_code == 404:
        return []
    try:
        raw = _envelopes.decode(response.content).response
        if member:
            raw = _maps.decode(raw).get(member, msgspec.Raw(b"[]"))
        pairs = _pairs(bytes(raw))
    except UNREADABLE as error:
        raise broken(response, error) from None
    return [(key, _one_line(bytes(entry))) for key, entry in pairs]


def _pairs(raw: bytes) -> list[tuple[str, msgspec.Raw]]:
    if raw.lstrip()[:1] == b"{":
        return list(_maps.decode(raw).items())
    if raw.strip() == b"null":
        raise msgspec.DecodeError("no response in it")
    return [("", entry) for entry in _lists.decode(raw)]


def _one_line(record: bytes) -> bytes:
    # JSON text may hold line breaks between its tokens, never inside a string
    return record.replace(b"\r", b"").replace(b"\n", b"") if b"\n" in record or b"\r" in record else record
