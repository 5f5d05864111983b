"""The ION API gateway: paths, tokens, limits, timeouts, and M3 behind it (reference 1, 2.2 to 2.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..settings import int_setting
from ..system import note_unknown_address
from .errors import GatewayError, UnknownAddress
from .execution import M3, TransactionCall, TransactionResult
from .messaging import PREFIX, Messaging
from .rate_limits import RateLimits
from .request_parsing import check_parameters, parse_bulk, parse_options, parse_path
from .responses import as_xml, v1_response, v2_response
from .settings import TENANT
from .tenant import Tenant
from .tokens import TokenService
from .transaction_faults import TIMEOUT, TransactionFaults

_log = logging.getLogger(__name__)
_REST = "M3/m3api-rest/"


class Gateway:
    """Everything below the path of the tenant."""

    def __init__(self, tenant: Tenant, tokens: TokenService, limits: RateLimits) -> None:
        self._tenant, self._tokens, self._limits = tenant, tokens, limits
        self._m3, self._faults = M3(tenant), TransactionFaults(tenant.settings)
        self.messaging = Messaging(tenant, self._m3)

    async def answer(self, request: Request) -> Response:
        """Serve a request; the Starlette endpoint for all paths."""
        body = await request.body()
        try:
            path = self._path(request)
            if path.startswith("as/"):
                return await run_in_threadpool(self._serve_token_service, request, path[3:], body)
            self._tokens.authenticate(request.headers.get("authorization", ""))
            delay = self._limits.take()
            if delay:
                await asyncio.sleep(delay)
            return await run_in_threadpool(self._serve_m3, request, path, body)
        except GatewayError as error:
            if isinstance(error, UnknownAddress):
                note_unknown_address(request.scope, request.method, request.url.path)
            return _error_response(error)

    def _path(self, request: Request) -> str:
        """The path after the tenant, with matrix parameters. Raises: GatewayError 404 for another tenant."""
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        tenant, _, rest = raw.decode("latin-1").lstrip("/").partition("/")
        if tenant != TENANT:
            raise UnknownAddress()
        return str(rest)

    def _serve_token_service(self, request: Request, path: str, body: bytes) -> Response:
        if path not in ("token.oauth2", "revoke_token.oauth2"):
            raise UnknownAddress()
        if request.method != "POST":
            raise GatewayError(405, "Method not allowed")
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._tenant.lock:
            if path == "token.oauth2":
                return _json(self._tokens.grant(body, headers), {"Cache-Control": "no-store"})
            self._tokens.revoke(body, headers)
            return Response(b"", 200)

    def _serve_m3(self, request: Request, path: str, body: bytes) -> Response:
        if len(body) > int_setting(self._tenant.settings, "max_body_bytes"):
            raise GatewayError(413, "Payload too large")
        if path.startswith(PREFIX):
            kind = request.headers.get("content-type", "")
            with self._tenant.lock:
                status, found = self.messaging.serve(request.method, path[len(PREFIX) :], kind, body)
                self.messaging.publish()
            return Response(orjson.dumps(found), status, media_type="application/json")
        if not path.startswith(_REST):
            raise UnknownAddress()
        with self._tenant.lock:
            try:
                return self._route(request, path[len(_REST) :], body)
            except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
                # edited records may hold values of any type; the target fails on them
                _log.exception("%s %s", request.method, request.url.path)
                raise GatewayError(500, "Internal Server Error") from None
            finally:
                self.messaging.publish()

    def _route(self, request: Request, path: str, body: bytes) -> Response:
        query = request.scope["query_string"].decode("latin-1")
        settings = self._tenant.settings
        if path == "csrf":
            return Response("sandbox-csrf-token", media_type="text/plain")
        if path.startswith("v2/execute") and settings["v2"]:
            rest = path.removeprefix("v2/executeSnd" if path.startswith("v2/executeSnd") else "v2/execute")
            bulk = not rest.partition(";")[0].strip("/")
            return self._bulk(request, rest, query, body) if bulk else self._single(request, rest, query)
        if path.startswith("execute/") and settings["v1"]:
            return self._v1(request, path.removeprefix("execute/"), query)
        raise UnknownAddress()

    def _single(self, request: Request, rest: str, query: str) -> Response:
        item = self._item(request, rest, query)
        result = self._run([item])[0]
        return _json(v2_response([result], self._tenant.settings, bulk=False))

    def _bulk(self, request: Request, rest: str, query: str, body: bytes) -> Response:
        if request.method != "POST":
            raise GatewayError(405, "Method not allowed")
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise GatewayError(415, "Unsupported media type")
        call = parse_path(rest, query)
        check_parameters({**call.parameters, **call.fields}, self._tenant.settings)
        items = parse_bulk(body, call.parameters, self._tenant.settings)
        if items and not self._m3.knows(items[0].program):
            raise GatewayError(
                int_setting(self._tenant.settings, "unknown_program_status"), "Unknown program"
            )
        return _json(v2_response(self._run(items), self._tenant.settings, bulk=True))

    def _v1(self, request: Request, rest: str, query: str) -> Response:
        item = self._item(request, rest, query, v1=True)
        call = parse_path(rest, query)
        metadata = call.parameters.get("metadata", "true") != "false"
        body = v1_response(self._run([item])[0], self._tenant.settings, metadata)
        if "xml" in request.headers.get("accept", ""):
            return Response(as_xml(body), media_type="application/xml")
        return _json(body)

    def _item(self, request: Request, rest: str, query: str, v1: bool = False) -> TransactionCall:
        """The transaction of a GET. Raises: GatewayError for an unknown program or transaction."""
        if request.method != "GET":
            raise GatewayError(405, "Method not allowed")
        settings, call = self._tenant.settings, parse_path(rest, query)
        if len(call.segments) != 2:
            raise UnknownAddress()
        check_parameters(call.parameters, settings)
        program, transaction = call.segments
        if not self._m3.knows(program):
            raise GatewayError(int_setting(settings, "unknown_program_status"), "Unknown program")
        status = int_setting(settings, "unknown_transaction_status")
        if status != 200 and not self._m3.knows(program, transaction):
            raise GatewayError(status, "Unknown transaction")
        return TransactionCall(
            program, transaction, call.fields, parse_options(call.parameters, settings, v1)
        )

    def _run(self, items: Sequence[TransactionCall]) -> list[TransactionResult]:
        """Run the transactions of a request within the target timeout; M3 may finish after the timeout."""
        named = [(item.transaction, item.record) for item in items]
        program = items[0].program if items else ""
        if self._faults.applies_to_call("timeout_before", program, named):
            raise TIMEOUT
        late = self._faults.applies_to_call("timeout_after", program, named)
        settings = self._tenant.settings
        each = int_setting(settings, "transaction_milliseconds")
        in_time = int_setting(settings, "target_timeout_seconds") * 1000 // each if each else len(items)
        stops = len(items) > in_time and settings["after_timeout"] == "stop"
        results = self._m3.run_all(items[:in_time] if stops else items)
        if late or len(items) > in_time:
            raise TIMEOUT
        return results


def _json(body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), 200, headers, "application/json;charset=UTF-8")


def _error_response(error: GatewayError) -> Response:
    if isinstance(error.body, dict):
        return Response(orjson.dumps(error.body), error.status, error.headers, "application/json")
    return Response(str(error.body), error.status, error.headers, "text/plain")
