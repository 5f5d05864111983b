"""The ION API gateway: paths, tokens, limits, time-outs, and M3 behind it (reference 1, 2.2 to 2.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from .errors import GatewayRefusal
from .execution import Item, Machine, Result
from .rate_limits import Limits
from .request_parsing import asked, bulk_items, check_parameters, options_of
from .responses import as_xml, envelope, first_version
from .settings import TENANT, number
from .tenant import World
from .tokens import Tokens
from .transaction_faults import TIMEOUT, Trouble

_log = logging.getLogger(__name__)
_REST = "M3/m3api-rest/"


class Gateway:
    """Everything under the tenant's path."""

    def __init__(self, world: World, tokens: Tokens, limits: Limits) -> None:
        self._world, self._tokens, self._limits = world, tokens, limits
        self._machine, self._trouble = Machine(world), Trouble(world.settings)

    async def answer(self, request: Request) -> Response:
        """The Starlette endpoint for all paths."""
        body = await request.body()
        try:
            path = self._path(request)
            if path.startswith("as/"):
                return await run_in_threadpool(self._token_service, request, path[3:], body)
            self._tokens.check(request.headers.get("authorization", ""))
            held = self._limits.spend()
            if held:
                await asyncio.sleep(held)
            return await run_in_threadpool(self._m3, request, path, body)
        except GatewayRefusal as refusal:
            return _refused(refusal)

    def _path(self, request: Request) -> str:
        """What follows the tenant, matrix parameters included; an unknown tenant is an unknown path."""
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        tenant, _, rest = raw.decode("latin-1").lstrip("/").partition("/")
        if tenant != TENANT:
            raise GatewayRefusal(404, "Not found")
        return str(rest)

    def _token_service(self, request: Request, path: str, body: bytes) -> Response:
        if path not in ("token.oauth2", "revoke_token.oauth2"):
            raise GatewayRefusal(404, "Not found")
        if request.method != "POST":
            raise GatewayRefusal(405, "Method not allowed")
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._world.lock:
            if path == "token.oauth2":
                return _json(self._tokens.grant(body, headers), {"Cache-Control": "no-store"})
            self._tokens.revoke(body, headers)
            return Response(b"", 200)

    def _m3(self, request: Request, path: str, body: bytes) -> Response:
        if len(body) > number(self._world.settings, "max_body_bytes"):
            raise GatewayRefusal(413, "Payload too large")
        if not path.startswith(_REST):
            raise GatewayRefusal(404, "Not found")
        with self._world.lock:
            try:
                return self._route(request, path[len(_REST) :], body)
            except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
                # planted data may be of any type; what M3 trips over is an error of the target
                _log.exception("%s %s", request.method, request.url.path)
                raise GatewayRefusal(500, "Internal Server Error") from None

    def _route(self, request: Request, path: str, body: bytes) -> Response:
        query = request.scope["query_string"].decode("latin-1")
        settings = self._world.settings
        if path == "csrf":
            return Response("sandbox-csrf-token", media_type="text/plain")
        if path.startswith("v2/execute") and settings["v2"]:
            rest = path.removeprefix("v2/executeSnd" if path.startswith("v2/executeSnd") else "v2/execute")
            bulk = not rest.partition(";")[0].strip("/")
            return self._bulk(request, rest, query, body) if bulk else self._single(request, rest, query)
        if path.startswith("execute/") and settings["v1"]:
            return self._first(request, path.removeprefix("execute/"), query)
        raise GatewayRefusal(404, "Not found")

    def _single(self, request: Request, rest: str, query: str) -> Response:
        item = self._item(request, rest, query)
        result = self._run([item])[0]
        return _json(envelope([result], self._world.settings, bulk=False))

    def _bulk(self, request: Request, rest: str, query: str, body: bytes) -> Response:
        if request.method != "POST":
            raise GatewayRefusal(405, "Method not allowed")
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise GatewayRefusal(415, "Unsupported media type")
        call = asked(rest, query)
        check_parameters({**call.parameters, **call.fields}, self._world.settings)
        items = bulk_items(body, call.parameters, self._world.settings)
        if items and not self._machine.knows(items[0].program):
            raise GatewayRefusal(number(self._world.settings, "unknown_program_status"), "Unknown program")
        return _json(envelope(self._run(items), self._world.settings, bulk=True))

    def _first(self, request: Request, rest: str, query: str) -> Response:
        item = self._item(request, rest, query, first=True)
        call = asked(rest, query)
        metadata = call.parameters.get("metadata", "true") != "false"
        body = first_version(self._run([item])[0], self._world.settings, metadata)
        if "xml" in request.headers.get("accept", ""):
            return Response(as_xml(body), media_type="application/xml")
        return _json(body)

    def _item(self, request: Request, rest: str, query: str, first: bool = False) -> Item:
        """The one transaction of a GET; an unknown program or transaction does not reach M3."""
        if request.method != "GET":
            raise GatewayRefusal(405, "Method not allowed")
        settings, call = self._world.settings, asked(rest, query)
        if len(call.segments) != 2:
            raise GatewayRefusal(404, "Not found")
        check_parameters(call.parameters, settings)
        program, transaction = call.segments
        if not self._machine.knows(program):
            raise GatewayRefusal(number(settings, "unknown_program_status"), "Unknown program")
        status = number(settings, "unknown_transaction_status")
        if status != 200 and not self._machine.knows(program, transaction):
            raise GatewayRefusal(status, "Unknown transaction")
        return Item(program, transaction, call.fields, options_of(call.parameters, settings, first))

    def _run(self, items: Sequence[Item]) -> list[Result]:
        """Carry out a call within the target time-out; M3 may finish what nobody waits for any more."""
        named = [(item.transaction, item.record) for item in items]
        program = items[0].program if items else ""
        if self._trouble.call("timeout_before", program, named):
            raise TIMEOUT
        late = self._trouble.call("timeout_after", program, named)
        settings = self._world.settings
        each = number(settings, "transaction_milliseconds")
        in_time = number(settings, "target_timeout_seconds") * 1000 // each if each else len(items)
        stops = len(items) > in_time and settings["after_timeout"] == "stop"
        results = self._machine.run_all(items[:in_time] if stops else items)
        if late or len(items) > in_time:
            raise TIMEOUT
        return results


def _json(body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), 200, headers, "application/json;charset=UTF-8")


def _refused(refusal: GatewayRefusal) -> Response:
    if isinstance(refusal.body, dict):
        return Response(orjson.dumps(refusal.body), refusal.status, refusal.headers, "application/json")
    return Response(str(refusal.body), refusal.status, refusal.headers, "text/plain")
