"""What an endpoint sees of a request, and the response shapes of the vendor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from . import id_sets

if TYPE_CHECKING:
    from .account import Account

Record = dict[str, Any]


class ServiceError(Exception):
    """An error of a service: `{"errors":[{"code","message"}]}`."""

    def __init__(self, status: int, code: str, message: str, more: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status, self.reasons = status, [(code, message), *more]

    def body(self) -> Record:
        """The answer's body."""
        return {"errors": [{"code": code, "message": message} for code, message in self.reasons]}


class ProxyError(Exception):
    """An error of the proxy, before any service is reached: `{"response": "<sentence>"}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message

    def body(self) -> Record:
        """The answer's body."""
        return {"response": self.message}


class UnknownAddress(ProxyError):
    """A method and path that the sandbox does not have.

    The status is one that no client takes for an empty result. What the vendor answers is not known.
    """

    def __init__(self, method: str, path: str) -> None:
        super().__init__(501, f"The sandbox has no resource {method} /{path}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A body with a status other than 200."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, matched to a resource."""

    account: Account
    method: str
    path: str
    path_args: tuple[str, ...]
    query: dict[str, str]
    raw_query: str
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names; none in a multi-message

    def json(self) -> Any:
        """The parsed body. Raises: ServiceError CMNC-010 without a body, the generic 500 if it is malformed."""
        if not self.content.strip():
            raise ServiceError(400, "CMNC-010", "A JSON body is required for this request")
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise ServiceError(500, "CMNU-003", "An unexpected error occurred") from None

    def json_object(self) -> Record:
        """The parsed body, which must be an object. Raises: ServiceError."""
        found = self.json()
        if not isinstance(found, dict):
            raise ServiceError(500, "CMNU-003", "An unexpected error occurred")
        return found

    def optional_parts(self, *known: str) -> set[str]:
        """The values of `includeOptional`; an unknown one is an error (INFERRED)."""
        wanted = {part for part in self.query.get("includeOptional", "").split(",") if part}
        if wanted - set(known):
            raise ServiceError(
                400, "CMNC-017", f"Unknown includeOptional value: {sorted(wanted - set(known))[0]}"
            )
        return wanted


def response(value: Any) -> Record:
    """The usual response envelope."""
    return {"response": value}


def not_found(message: str) -> ServiceError:
    """The 404 for a record or path that does not exist."""
    return ServiceError(404, "CMNC-404", message)


def id_ranges(text: str, most: int | None) -> list[tuple[int, int]]:
    """The ranges of an id set in a path. Raises: ServiceError if it is malformed or has more ids than `most`."""
    found = id_sets.parse(text)
    if found is None:
        raise ServiceError(400, "CMNC-011", f"The ID set {text} cannot be parsed")  # INFERRED code and text
    if most is not None and id_sets.size(found) > most:
        raise ServiceError(
            400, "CMNC-012", f"ID set must not contain more than {most} IDs"
        )  # INFERRED code and text
    return found


def single_id(text: str) -> int:
    """A single id in a path. Raises: ServiceError."""
    if not text.isdigit():
        raise ServiceError(400, "CMNC-011", f"The ID {text} cannot be parsed")
    return int(text)


def to_json(value: Any, gson: bool) -> bytes:
    """JSON as the vendor's serialiser writes it; `gson` escapes `=`, `<`, `>`, `&` and `'`."""
    found = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    if gson:
        for sign in b"=<>&'":
            char = bytes((sign,))
            if char in found:
                found = found.replace(char, b"\\u00%02x" % sign)
    return found
