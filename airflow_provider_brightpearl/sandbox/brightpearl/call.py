"""What a resource sees of a call, and the ways an answer can look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from . import id_sets

if TYPE_CHECKING:
    from .account import World

Record = dict[str, Any]


class Failure(Exception):
    """An answer in the shape `{"errors":[{"code","message"}]}`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> Record:
        """The answer's body."""
        return {"errors": [{"code": self.code, "message": self.message}]}


class Refusal(Exception):
    """An answer of the proxy before any service: `response` is a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message

    def body(self) -> Record:
        """The answer's body."""
        return {"response": self.message}


@dataclass(frozen=True, slots=True)
class Answer:
    """A body with a status other than 200."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, already matched to a resource."""

    world: World
    method: str
    path: str
    parts: tuple[str, ...]
    query: dict[str, str]
    raw_query: str
    content: bytes

    def json(self) -> Any:
        """The body; CMNC-010 without one, the generic 500 when it is malformed."""
        if not self.content.strip():
            raise Failure(400, "CMNC-010", "A JSON body is required for this request")
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise Failure(500, "CMNU-003", "An unexpected error occurred") from None

    def record(self) -> Record:
        """The body, which must be an object."""
        found = self.json()
        if not isinstance(found, dict):
            raise Failure(500, "CMNU-003", "An unexpected error occurred")
        return found

    def optional(self, *known: str) -> set[str]:
        """The optional parts asked for; one that does not exist is an error (INFERRED)."""
        wanted = {part for part in self.query.get("includeOptional", "").split(",") if part}
        if wanted - set(known):
            raise Failure(400, "CMNC-017", f"Unknown includeOptional value: {sorted(wanted - set(known))[0]}")
        return wanted


def answer(value: Any) -> Record:
    """The usual envelope."""
    return {"response": value}


def missing(message: str) -> Failure:
    """The 404 of a resource that is not there."""
    return Failure(404, "CMNC-404", message)


def ranges(text: str, most: int | None) -> list[tuple[int, int]]:
    """The ranges of an id set in a path, at most so many ids."""
    found = id_sets.parse(text)
    if found is None:
        raise Failure(400, "CMNC-011", f"The ID set {text} cannot be parsed")  # INFERRED: code and text
    if most is not None and id_sets.size(found) > most:
        raise Failure(400, "CMNC-012", f"ID set must not contain more than {most} IDs")  # INFERRED likewise
    return found


def one(text: str) -> int:
    """A single id in a path."""
    if not text.isdigit():
        raise Failure(400, "CMNC-011", f"The ID {text} cannot be parsed")
    return int(text)


def dump(value: Any, gson: bool) -> bytes:
    """JSON as the vendor's serialiser writes it: `=`, `<`, `>`, `&` and `'` as unicode escapes."""
    found = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    if gson:
        for sign in b"=<>&'":
            char = bytes((sign,))
            if char in found:
                found = found.replace(char, b"\\u00%02x" % sign)
    return found
