"""Converts HTTP requests to calls and back: versions, sessions, limits, encoded slashes in path segments."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..system import note_unknown_address
from .api.describe import get_resources, versions
from .api.resource_table import TABLE
from .call import Answer, Call, Resources
from .errors import ApiError, UnknownAddress, address_not_found
from .jobs import Jobs
from .login import Login
from .org import Org
from .sessions import Sessions
from .soap import Soap

_VERSION = re.compile(r"v(\d{2}\.\d)", re.IGNORECASE)
_log = logging.getLogger(__name__)
MAX_HEAD_BYTES = 16_384  # of URL and headers together


class Gateway:
    """Everything below /services."""

    def __init__(self, org: Org, sessions: Sessions, jobs: Jobs) -> None:
        self._org, self._sessions, self._jobs = org, sessions, jobs
        self._login = Login(org, sessions)
        self._soap = Soap(org, sessions, self._login)
        self._resources = Resources(TABLE)

    async def answer(self, request: Request) -> Response:
        """Serve a request; the Starlette endpoint for all paths, because they are case-insensitive."""
        body = await request.body()
        answer = await run_in_threadpool(self._answer, request, body)
        return Response(
            b"" if request.method == "HEAD" else answer.encoded(),
            answer.status,
            dict(answer.headers),
            answer.media if answer.body is not None else None,
        )

    def _answer(self, request: Request, body: bytes) -> Answer:
        try:
            with self._org.lock:
                return self._route(request, body)
        except ApiError as error:
            if isinstance(error, UnknownAddress):
                note_unknown_address(request.scope, request.method, request.url.path)
            return Answer(error.as_request_error(), error.status)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            # edited records may hold values of any type; the vendor reports an unexpected error
            _log.exception("%s %s", request.method, request.url.path)
            unknown = ApiError("UNKNOWN_EXCEPTION", f"An unexpected error occurred: {error}", status=500)
            return Answer(unknown.as_request_error(), unknown.status)

    def _route(self, request: Request, body: bytes) -> Answer:
        _check_length(request)
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        segments = [unquote(part) for part in raw.decode("latin-1").split("/")][2:]
        if segments and segments[-1] == "":
            segments.pop()
        headers = {name.lower(): value for name, value in request.headers.items()}
        origin = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
        first = segments[0].lower() if segments else ""
        if first == "oauth2":
            return self._oauth(request, segments[1:], body, headers, origin)
        if first == "soap" and len(segments) >= 3 and request.method == "POST":
            return self._soap_answer(request, segments, body, headers, origin)
        if first == "data":
            return self._data(request, segments[1:], body, headers, origin)
        raise address_not_found()

    async def identity(self, request: Request) -> Response:
        """GET /id/{organization}/{user}."""
        origin = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
        with self._org.lock:
            found = self._login.identity(
                request.headers.get("authorization", ""), **request.path_params, origin=origin
            )
        return Response(found.encoded(), found.status, media_type=found.media)

    def _soap_answer(
        self, request: Request, segments: list[str], body: bytes, headers: Mapping[str, str], origin: str
    ) -> Answer:
        def make_call(version: str, user: str) -> Call:
            return self._call(request, version, (), body, headers, origin, user)

        return self._soap.answer(segments[1].lower(), segments[2], body, origin, make_call)

    def _oauth(
        self, request: Request, rest: list[str], body: bytes, headers: Mapping[str, str], origin: str
    ) -> Answer:
        call = (request.method, rest[0].lower() if len(rest) == 1 else "")
        if call == ("POST", "token"):
            return self._login.token(body, headers, origin)
        if call in (("GET", "userinfo"), ("POST", "userinfo")):
            return self._login.userinfo(headers.get("authorization", ""))
        if call == ("POST", "revoke"):
            return self._login.revoke(body, dict(request.query_params))
        raise address_not_found()

    def _data(
        self, request: Request, rest: list[str], body: bytes, headers: Mapping[str, str], origin: str
    ) -> Answer:
        if not rest and request.method == "GET":
            return Answer(versions())
        version = _VERSION.fullmatch(rest[0]) if rest else None
        if version is None:
            raise address_not_found()
        user = self._sessions.user_of(headers.get("authorization", ""))
        client = re.search(r"client=([^,;\s]+)", headers.get("sforce-call-options", ""))
        kind = "bulk" if rest[1:2] == ["jobs"] else "rest"
        origin_of_changes = f"com/salesforce/api/{kind}/{version[1]}" + (
            f";client={client[1]}" if client else ""
        )
        self._org.change_log.begin(origin_of_changes)
        if rest[1:2] != ["jobs"] or self._org.settings["bulk_calls_count"]:
            self._sessions.count_call()
        call = self._call(request, version[1], tuple(rest[1:]), body, headers, origin, user)
        return self._dispatch(call)

    def _call(
        self,
        request: Request,
        version: str,
        segments: tuple[str, ...],
        body: bytes,
        headers: Mapping[str, str],
        origin: str,
        user: str,
    ) -> Call:
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
        return Call(
            org=self._org,
            method=request.method,
            version=version,
            segments=segments,
            query=query,
            headers=headers,
            body=body,
            user=user,
            origin=origin,
            jobs=self._jobs,
            dispatch=self._dispatch,
            scope=request.scope,
        )

    def _dispatch(self, call: Call) -> Answer:
        if not call.segments and call.method == "GET":
            return get_resources(call)
        return self._resources.serve(call)


def _check_length(request: Request) -> None:
    address = len(request.scope.get("raw_path", b"")) + len(request.scope["query_string"])
    fields = sum(len(name) + len(value) for name, value in request.scope["headers"])
    if address > MAX_HEAD_BYTES:
        raise ApiError("URI_TOO_LONG", "The requested URI is too long", status=414)
    if address + fields > MAX_HEAD_BYTES:
        raise ApiError("HEADERS_TOO_LONG", "The request header is too long", status=431)
