"""A request and its response, independent of HTTP: composite subrequests use the same classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from starlette.types import Scope

from ..system import note_unknown_address
from .errors import ApiError, UnknownAddress, address_not_found, malformed_json
from .jobs import Jobs
from .json_format import dump_json, load_json
from .org import DmlContext, Org

JSON_TYPE = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Call:
    """One REST request below /services/data/vNN.N/."""

    org: Org
    method: str
    version: str  # "62.0"
    segments: tuple[str, ...]  # decoded, so a key may hold a slash
    query: Mapping[str, str]
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    user: str
    origin: str
    jobs: Jobs
    parsed: object = None  # the parsed body of a subrequest
    dispatch: Callable[[Call], Answer] | None = None
    scope: Scope = field(default_factory=dict)  # of the HTTP request

    @property
    def base(self) -> str:
        """The path prefix of all resources of this version."""
        return f"/services/data/v{self.version}"

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises: ApiError."""
        value = self.parsed if self.parsed is not None else self._decoded()
        if not isinstance(value, dict):
            raise malformed_json("Unexpected input: a JSON object is required")
        return value

    def _decoded(self) -> object:
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError(
                "UNSUPPORTED_MEDIA_TYPE", f"Content-Type {kind or 'missing'} not supported", status=415
            )
        return load_json(self.body)

    def dml(self) -> DmlContext:
        """A context for the writes of this request."""
        return self.org.dml(self.user, self.headers)

    def sub(self, **changes: object) -> Call:
        """A subrequest of this one."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a JSON value, or bytes of another media type; None for no body."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = JSON_TYPE

    def encoded(self) -> bytes:
        """The body as bytes."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else dump_json(self.body)


Endpoint = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Resource:
    """One method of one path pattern; `{name}` segments become arguments of the endpoint."""

    method: str
    pattern: tuple[str, ...]
    endpoint: Endpoint
    parameters: frozenset[str] = frozenset()


def resource(method: str, path: str, endpoint: Endpoint, *parameters: str) -> Resource:
    """A row of the resource table."""
    return Resource(method, tuple(path.split("/")), endpoint, frozenset(parameters))


class Resources:
    """Routes requests to endpoints; literal segments are case-insensitive."""

    def __init__(self, table: list[Resource]) -> None:
        self._by_length: dict[int, list[Resource]] = {}
        for one in table:
            self._by_length.setdefault(len(one.pattern), []).append(one)

    def serve(self, call: Call) -> Answer:
        """Serve a request; an ApiError becomes an error response."""
        try:
            return self._serve(call)
        except UnknownAddress as error:
            note_unknown_address(call.scope, call.method, f"{call.base}/{'/'.join(call.segments)}")
            return Answer(error.as_request_error(), error.status)
        except ApiError as error:
            return Answer(error.as_request_error(), error.status)

    def _serve(self, call: Call) -> Answer:
        allowed: list[str] = []
        method = "GET" if call.method == "HEAD" else call.method
        for one in self._by_length.get(len(call.segments), ()):
            arguments = _match(one.pattern, call.segments)
            if arguments is None:
                continue
            if one.method == method:
                _check_parameters(one, call)
                return one.endpoint(call, **arguments)
            allowed.append(one.method)
        if not allowed:
            raise address_not_found()
        raise UnknownAddress(
            "METHOD_NOT_ALLOWED",
            f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(dict.fromkeys(allowed))}",
            status=405,
        )


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    arguments: dict[str, str] = {}
    for expected, given in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            arguments[expected[1:-1]] = given
        elif expected != given.lower():
            return None
    return arguments


def _check_parameters(one: Resource, call: Call) -> None:
    unknown = [name for name in call.query if name.lower() not in one.parameters]
    if unknown and call.org.settings["strict_parameters"]:
        raise ApiError("INVALID_PARAMETER_VALUE", f"unknown query parameter: {', '.join(unknown)}")
