"""The entry point: authentication, throttling, routing, and the vendor's response format."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ..settings import int_setting
from ..system import note_unknown_address
from .account import Account
from .auth import Authenticator
from .call import Answer, Call, ProxyError, Record, ServiceError, UnknownAddress, response, to_json
from .resources import match
from .services import (  # noqa: F401 - importing them registers their resources
    accounting,
    contact,
    drop_ship,
    goods_out,
    integration,
    order,
    order_writes,
    product,
    reservations,
    sales_orders,
    warehouse,
)
from .throttle import Throttle

TOO_MANY = "You have sent too many requests. Please wait before sending another request"
# clients send these with every GET; they do nothing outside of searches
_PAGING = frozenset({"firstResult", "lastResult", "pageSize"})
_FIXED = {
    "cache-control": "no-cache, must-revalidate",
    "pragma": "no-cache",
    "expires": "Thu, 01 Jan 1998 00:00:00 GMT",
}


class Gateway:
    """Serves the requests of one account."""

    def __init__(
        self, account_code: str, account: Account, authenticator: Authenticator, throttle: Throttle
    ) -> None:
        self.account_code, self.account, self.authenticator, self.throttle = (
            account_code,
            account,
            authenticator,
            throttle,
        )

    async def serve(self, request: Request) -> Response:
        """Serve a request below /public-api."""
        raw = request.scope.get("raw_path", b"").decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        if len(raw) + len(query) > int_setting(self.account.settings, "max_uri"):
            return Response("<html><h1>414 Request-URI Too Large</h1></html>", 414, media_type="text/html")
        content = await request.body()
        status, body, kind = self._answer(request, query, content)
        headers = {"ruid": str(uuid.uuid4()), "message-type": kind, **_FIXED}
        if status == 429:
            period = int(self.throttle.headers()["brightpearl-next-throttle-period"])
            headers["retry-after"] = str(-(-period // 1000))
        return Response(
            to_json(body, bool(self.account.settings["gson_escapes"])),
            status,
            headers,
            media_type="application/json;charset=UTF-8",
        )

    def _answer(self, request: Request, query: str, content: bytes) -> tuple[int, object, str]:
        try:
            self._admit(request)
            path = (
                unquote(request.scope["path"]).split("/", 3)[3]
                if request.scope["path"].count("/") > 2
                else ""
            )
            return self.handle(request.method, path, query, content, request.scope)
        except ProxyError as refusal:
            return refusal.status, refusal.body(), "api-proxy"

    def _admit(self, request: Request) -> None:
        pool = _pool(request.headers)
        if not self.throttle.take(pool):
            raise ProxyError(int_setting(self.account.settings, "throttle_status"), TOO_MANY)
        if request.path_params["account"] != self.account_code:
            raise ProxyError(401, "Not authenticated. You must provide a valid authentication token.")
        self.authenticator.authenticate(request.headers)

    def handle(
        self, method: str, path: str, query: str, content: bytes, scope: Scope
    ) -> tuple[int, object, str]:
        """Status, body and message type of an admitted request, or of one message of a multi-message."""
        kind = "api-proxy"
        try:
            if path == "multi-message" and method == "POST":
                return *self._many(content, scope), "multi-message"
            resource, parts = match(method, re.sub("/{2,}", "/", path).strip("/"))
            kind = resource.message_type
            given = parse_qsl(query, keep_blank_values=True)
            allowed = (resource.params or frozenset()) | _PAGING
            unknown = [name for name, _ in given if resource.params is not None and name not in allowed]
            if unknown:
                raise ServiceError(400, "CMNC-017", f"Unknown parameter: {unknown[0]}")  # INFERRED code
            found = resource.endpoint(
                Call(self.account, method, path, parts, dict(given), query, content, _headers(scope))
            )
        except UnknownAddress as failure:
            note_unknown_address(scope, method, path)
            return failure.status, failure.body(), "api-proxy"
        except ServiceError as failure:
            return failure.status, failure.body(), kind
        except (TypeError, ValueError, AttributeError, LookupError):
            # The vendor answers values of unexpected types with its generic error (CMNU-003).
            logging.getLogger(__name__).exception("unexpected error in %s /%s", method, path)
            return 500, ServiceError(500, "CMNU-003", "An unexpected error occurred").body(), kind
        return (found.status, found.body, kind) if isinstance(found, Answer) else (200, found, kind)

    def handle_unlogged(self, method: str, path: str, query: str, content: bytes) -> tuple[int, object]:
        """Status and body of a request that the sandbox makes itself."""
        status, body, _ = self.handle(method, path, query, content, {"headers": []})
        return status, body

    def _many(self, content: bytes, scope: Scope) -> tuple[int, Record]:
        try:
            body = orjson.loads(content)
            messages = body["messages"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ServiceError(500, "CMNU-003", "An unexpected error occurred") from None
        if len(messages) > 10:
            raise ServiceError(400, "CMNC-013", "At most 10 messages are allowed")  # INFERRED code
        done: list[Record] = []
        for message in messages:
            if done and body.get("onFail") == "STOP" and done[-1]["statusCode"] >= 400:
                break
            done.append(self._message(message, scope))
        left = [message.get("label") for message in messages[len(done) :]]
        bad = any(one["statusCode"] >= 400 for one in done)
        return 207 if bad else 200, response({"processedMessages": done, "unprocessedMessages": left})

    def _message(self, message: Record, scope: Scope) -> Record:
        path, _, query = str(message.get("uri", "")).lstrip("/").partition("?")
        content = orjson.dumps(message["body"]) if "body" in message else b""
        status, body, _ = self.handle(str(message.get("httpMethod", "")), path, query, content, scope)
        return {
            "label": message.get("label"),
            "statusCode": status,
            "body": {"content": orjson.dumps(body).decode()},
        }


def _headers(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _pool(headers: Mapping[str, str]) -> str:
    # Private apps share one pool; public apps have one per developer.
    if headers.get("authorization", "").startswith("Bearer "):
        return "public:" + headers.get("brightpearl-dev-ref", "")
    return "private"
