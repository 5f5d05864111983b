"""Interprets answers of Infor's gateway and of M3 programs: one table from status and code to error.

M3 says with HTTP 200 that it refused a record, in ``errorMessage`` of one result among many (v2) or in place
of the records (v1); counters of v2 are misspelt on the wire (``nrOfSuccessfullTransactions``). Both are facts
of the swagger files of M3's own REST service and of its public clients.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
from airflow_provider_brightpearl.systems.http.transport import excerpt

SYSTEM = "infor"
# unreadable answers: no JSON, unexpected JSON, bytes that are not UTF-8, or nested too deeply
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Record = Mapping[str, str]

# status -> error of a read, error of a write; after other 5xx a write may have happened all the same
_STATUS: dict[int, tuple[type[SyncError], type[SyncError]]] = {
    400: (SchemaMismatch, SchemaMismatch),
    401: (CredentialsRefused, CredentialsRefused),
    403: (CredentialsRefused, CredentialsRefused),
    404: (Misconfigured, Misconfigured),
    405: (Misconfigured, Misconfigured),
    413: (Misconfigured, Misconfigured),
}
_HINTS = {
    400: "the gateway rejected the call: check that this M3 has the program and the transaction",
    401: "the gateway refuses the token",
    403: "the app or its user may not use this API",
    404: "the gateway has no such tenant or API; check iu, ti and the suite path of the connection",
    405: "the gateway does not allow the method",
    413: "the call is too large for the gateway: lower batch_size of the connection",
}
# errorType or message code -> error; everything else is a refusal of the record
_CODES: dict[str, type[SyncError]] = {
    "TransactionNotFound": SchemaMismatch,
    "XAU0008": CredentialsRefused,
}
# a lock, and a record that another user changed in between: both pass
_PASSING = frozenset({"XO_1130", "XUP0001"})
# lists of tenants were seen to end at multiples of it
_CEILINGS = 100
_EXISTS = re.compile(r"XRE0104|[A-Z]{3}\d\d04|WMS3804")
_MISSING = re.compile(r"XRE0103|[A-Z]{3}\d\d03|WMS3703|XDE0001")


class State(StrEnum):
    """The outcome of one transaction."""

    DONE = "done"
    REFUSED = "refused"
    NOT_PROCESSED = "not processed"
    UNKNOWN = "unknown"


def may_be_cut(records: Sequence[object]) -> bool:
    """Whether a list has as many records as M3 ends its lists at, without a sign, however many were asked for."""
    return bool(records) and len(records) % _CEILINGS == 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one transaction: its records, or the message with code and field."""

    state: State = State.DONE
    records: tuple[Record, ...] = ()
    code: str = ""
    message: str = ""
    field: str = ""

    @property
    def done(self) -> bool:
        return self.state is State.DONE

    @property
    def first(self) -> Record:
        """Its first record, empty where it gave none."""
        return self.records[0] if self.records else {}

    @property
    def passing(self) -> bool:
        """Whether the same transaction may pass in a moment: it was locked, or not reached."""
        return self.state is State.NOT_PROCESSED or (self.state is State.REFUSED and self.code in _PASSING)

    @property
    def exists(self) -> bool:
        """Whether it was refused with a message of the family "already exists" (suffix 04)."""
        return self.state is State.REFUSED and bool(_EXISTS.fullmatch(self.code))

    @property
    def missing(self) -> bool:
        """Whether it was refused with a message of the family "does not exist" (suffix 03)."""
        return self.state is State.REFUSED and bool(_MISSING.fullmatch(self.code))

    @property
    def reason(self) -> str:
        """Code and text for a person."""
        return f"{self.code}: {self.message}" if self.code else self.message

    def records_or_raise(self, operation: str) -> tuple[Record, ...]:
        """Its records.

        Raises:
            RecordRefused: M3 refused the transaction.
            TimedOut: whether it happened is not known.
        """
        if self.state is State.UNKNOWN:
            raise TimedOut(self.message, system=SYSTEM, operation=operation)
        if not self.done:
            raise self.error(operation)
        return self.records

    def error(self, operation: str) -> SyncError:
        """The refusal as an error of our tree."""
        kind = _CODES.get(self.code, RecordRefused)
        field = f", field {self.field}" if self.field else ""
        return kind(f"{self.message}{field}", system=SYSTEM, operation=operation, code=self.code)


class _Result(msgspec.Struct):
    records: list[dict[str, Any]] | None = None
    errorMessage: str | None = None
    errorCode: str | None = None
    errorField: str | None = None
    errorType: str | None = None
    notProcessed: bool = False


class _Envelope(msgspec.Struct):
    results: list[_Result]
    wasTerminated: bool = False
    nrOfFailedTransactions: int | None = None


class _V1(msgspec.Struct):
    MIRecord: Any = None
    Message: str | None = None
    code: str = msgspec.field(name="@code", default="")
    field: str | None = msgspec.field(name="@field", default="")
    ErrorMessage: dict[str, Any] | None = None


_envelopes = msgspec.json.Decoder(_Envelope, strict=False)
_v1 = msgspec.json.Decoder(_V1)


def check(response: requests.Response, operation: str, *, read: bool, wait_seconds: float) -> None:
    """Raises the error that a status means; ``wait_seconds`` is for a quota that names no wait."""
    status = response.status_code
    if 200 <= status < 300:
        return
    evidence: dict[str, Any] = {"system": SYSTEM, "operation": operation, "status": status}
    if status == 429:
        announced = retry_after(response.headers)
        seconds = wait_seconds if announced is None else announced
        raise RateLimited("the gateway's rate limit is exceeded", wait_seconds=seconds, **evidence)
    if status in _STATUS:
        raise _STATUS[status][0 if read else 1](f"{_HINTS[status]} ({excerpt(response)})", **evidence)
    if status < 500:
        raise SchemaMismatch(f"an unknown answer ({excerpt(response)})", **evidence)
    raise (Unavailable if read else TimedOut)(f"the gateway has no answer ({excerpt(response)})", **evidence)


def answers(response: requests.Response, operation: str, count: int, *, read: bool) -> list[Answer]:
    """The answers to ``count`` transactions of one v2 call, in their order; what is missing is unknown.

    Raises:
        Unavailable, TimedOut: a good status with a body that is cut, not JSON, or contradicts its counters.
        CredentialsRefused, SchemaMismatch: all were refused for one reason that no record can fix.
    """
    try:
        envelope = _envelopes.decode(response.content)
    except UNREADABLE as error:
        raise broken(response, error, operation=operation, read=read) from None
    found = [_answer(result) for result in envelope.results[:count]]
    refused = sum(answer.state is State.REFUSED for answer in found)
    if len(found) == count and refused < (envelope.nrOfFailedTransactions or 0):
        raise broken(response, "more failures are counted than returned", operation=operation, read=read)
    missing = Answer(State.UNKNOWN, message="the answer to this transaction is missing")
    found += [missing] * (count - len(found))
    _raise_if_hopeless(found, operation)
    return found


def _answer(result: _Result) -> Answer:
    if result.notProcessed:
        return Answer(State.NOT_PROCESSED, message="not processed: M3 ended the job before")
    if result.errorMessage is not None or result.errorCode or result.errorType:
        code = (result.errorCode or result.errorType or "").strip()
        message = redacted((result.errorMessage or result.errorType or "").strip())
        return Answer(State.REFUSED, (), code, message, (result.errorField or "").strip())
    return Answer(records=_texts(result.records or ()))


def _raise_if_hopeless(found: Sequence[Answer], operation: str) -> None:
    codes = {answer.code if answer.state is State.REFUSED else "" for answer in found}
    if len(codes) == 1 and codes <= _CODES.keys():
        raise found[0].error(operation)


def answer_v1(response: requests.Response, operation: str, *, read: bool) -> Answer:
    """The answer of one v1 call; records that came before a refusal do not make it a success."""
    try:
        body = _v1.decode(response.content)
    except UNREADABLE as error:
        raise broken(response, error, operation=operation, read=read) from None
    if body.ErrorMessage is not None:
        details = {name: str(value or "").strip() for name, value in body.ErrorMessage.items()}
        refused = Answer(
            State.REFUSED,
            (),
            details.get("@code", ""),
            redacted(details.get("Message", "")),
            details.get("@field", ""),
        )
    elif body.Message is not None:
        refused = Answer(
            State.REFUSED, (), body.code.strip(), redacted(body.Message.strip()), (body.field or "").strip()
        )
    else:
        return Answer(records=_texts([_named(entry) for entry in _as_list(body.MIRecord)]))
    _raise_if_hopeless([refused], operation)
    return refused


def _as_list(value: Any) -> Sequence[Any]:
    # a single record may be an object, where the answer was converted from XML
    return value if isinstance(value, list) else [value] if value else ()


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {str(pair["Name"]): pair["Value"] for pair in _as_list(entry.get("NameValue"))}


def _texts(records: Sequence[Mapping[str, Any]]) -> tuple[Record, ...]:
    # v1 pads values to the field's length
    plain = (
        {name: str(value).rstrip() for name, value in record.items() if value is not None}
        for record in records
    )
    return tuple(record for record in plain if record)


def broken(response: requests.Response, problem: object, *, operation: str, read: bool) -> SyncError:
    """The error for a good status with a body that is cut, not JSON, or of another shape."""
    return (Unavailable if read else TimedOut)(
        f"unexpected answer: {problem} ({excerpt(response)})",
        system=SYSTEM,
        operation=operation,
        status=response.status_code,
    )
