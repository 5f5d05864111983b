"""A simulated shop in the shape of Shopify's REST Admin API: orders, webhooks, fulfillments with tracking."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..clock import Clock, parse_instant
from ..record_system import RecordSystem
from ..rolling_count import RollingCount
from ..settings import float_setting, int_setting
from ..system import ConnectionDetails, Record, SeedOptions
from .fulfillments import Invalid, create_fulfillment, set_tracking
from .orders import create_order, made_up
from .settings import default_settings
from .webhooks import TOPICS, Webhooks

Handler = Callable[["Shop", Request, Any], Any]
_FILTERS = {
    "limit", "since_id", "status", "created_at_min", "created_at_max", "updated_at_min", "updated_at_max",
    "page_info", "ids", "fields",
}  # fmt: skip


class Missing(Exception):
    """A request without its outermost key."""


class Shop(RecordSystem):
    """One shop with a private app."""

    name = "shop"

    def __init__(self, clock: Clock) -> None:
        names = ("orders", "fulfillment_orders", "fulfillments", "webhooks", "deliveries")
        super().__init__(clock, default_settings(), names, 5_000_001)
        self.webhooks = Webhooks(self)
        self._calls = RollingCount(clock, 3600)

    def routes(self) -> list[BaseRoute]:
        """The routes below /admin/api/{version}."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "orders.json", list_orders),
            ("POST", "orders.json", post_order),
            ("GET", "orders/count.json", count_orders),
            ("GET", "orders/{id:int}.json", get_order),
            ("GET", "orders/{id:int}/fulfillment_orders.json", list_fulfillment_orders),
            ("GET", "orders/{id:int}/fulfillments.json", list_fulfillments),
            ("POST", "fulfillments.json", post_fulfillment),
            ("POST", "fulfillments/{id:int}/update_tracking.json", update_tracking),
            ("GET", "webhooks.json", list_webhooks),
            ("POST", "webhooks.json", post_webhook),
            ("DELETE", "webhooks/{id:int}.json", delete_webhook),
        ]
        return [
            Route(f"/admin/api/{{version}}/{path}", self._endpoint(handler), methods=[method])
            for method, path, handler in table
        ]

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if request.headers.get("x-shopify-access-token") != self.settings["access_token"]:
                return _json(
                    {
                        "errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"
                    },
                    401,
                )
            if (wait := self._throttled()) is not None:
                message = (
                    "Exceeded the limit of calls for api client. Reduce request rates to resume service."
                )
                return _json({"errors": message}, 429, {"Retry-After": f"{wait:.1f}"})
            try:
                body = await request.body()
                return handler(self, request, orjson.loads(body) if body else {}) or _json({})
            except orjson.JSONDecodeError:
                return _json({"errors": {"base": ["Invalid JSON"]}}, 400)
            except Missing as error:
                return _json({"errors": {str(error): "Required parameter missing or invalid"}}, 400)
            except KeyError:
                return _json({"errors": "Not Found"}, 404)
            except (Invalid, ValueError) as error:
                return _json({"errors": {"base": [str(error)]}}, 422)

        return serve

    def _throttled(self) -> float | None:
        """Seconds to wait; None for a call that is allowed, which is counted."""
        bucket, rate = (
            int_setting(self.settings, "throttle_bucket"),
            float_setting(self.settings, "throttle_per_second"),
        )
        if bucket and self._calls.within(bucket / rate) >= bucket:
            return math.ceil(1 / rate)
        self._calls.add()
        return None

    def headers(self) -> dict[str, str]:
        """How much of the bucket is used."""
        bucket, rate = (
            int_setting(self.settings, "throttle_bucket"),
            float_setting(self.settings, "throttle_per_second"),
        )
        used = self._calls.within(bucket / rate) if bucket else 0
        return {"X-Shopify-Shop-Api-Call-Limit": f"{used}/{bucket}"}

    def seed(self, options: SeedOptions) -> None:
        """See `System.seed`: a shop without orders."""
        super().seed(options)
        self._calls.clear()

    def stop(self) -> None:
        """See `System.stop`."""
        self.webhooks.clear()

    def place(self, wanted: Record) -> Record:
        """Create an order and announce it. Raises: ValueError."""
        order = create_order(self, wanted)
        self.webhooks.announce("orders/create", order)
        return order

    def changed(self, collection: str, record: Record, is_new: bool) -> None:
        """See `RecordSystem.changed`."""
        if collection == "orders" and not is_new:
            self.webhooks.announce("orders/updated", record)

    def activity(
        self, orders_created: int = 1, skus: Sequence[str] = ("SKU-001",), order: Record | None = None
    ) -> Record:
        """Place orders, of two of each SKU or as given, and return their ids."""
        made = [self.place(order or made_up(skus)) for _ in range(orders_created)]
        return {"orders": [each["id"] for each in made]}

    def connection(self, url: str) -> ConnectionDetails:
        """See `System.connection`; nothing of this package connects to it."""
        known = self.settings
        return ConnectionDetails(
            "Shop",
            f"{url}/admin/api/2025-01",
            {"access token": str(known["access_token"]), "client secret": str(known["client_secret"])},
            "",
            {},
        )


def list_orders(shop: Shop, request: Request, body: Any) -> Response:
    """Orders by id, in pages; the next one is in the Link header."""
    query = dict(request.query_params)
    if unknown := set(query) - _FILTERS:
        raise Invalid(f"unknown parameter {sorted(unknown)[0]}")
    limit = int(query.get("limit", 50))
    if not 1 <= limit <= 250:
        raise Invalid("limit must be between 1 and 250")
    after = int(query.get("page_info") or query.get("since_id") or 0)
    found = [
        order for order in shop.records["orders"].values() if order["id"] > after and _matches(order, query)
    ]
    headers = {}
    if len(found) > limit:
        page = urlencode({"limit": limit, "page_info": found[limit - 1]["id"]})
        link = f"{str(request.url).partition('?')[0]}?{page}"
        headers["Link"] = f'<{link}>; rel="next"'
    names = query["fields"].split(",") if "fields" in query else None
    shown = [{n: v for n, v in order.items() if names is None or n in names} for order in found[:limit]]
    return _json({"orders": shown}, 200, headers)


def _matches(order: Record, query: dict[str, str]) -> bool:
    if query.get("ids") and str(order["id"]) not in query["ids"].split(","):
        return False
    for name in ("created_at", "updated_at"):
        moment = parse_instant(order[name])
        if f"{name}_min" in query and moment < parse_instant(query[f"{name}_min"]):
            return False
        if f"{name}_max" in query and moment > parse_instant(query[f"{name}_max"]):
            return False
    status = query.get("status", "any" if "page_info" in query else "open")
    state = "cancelled" if order["cancelled_at"] else "closed" if order["closed_at"] else "open"
    return status in ("any", state)


def count_orders(shop: Shop, request: Request, body: Any) -> Response:
    """The number of orders."""
    query = dict(request.query_params)
    return _json({"count": sum(_matches(order, query) for order in shop.records["orders"].values())})


def post_order(shop: Shop, request: Request, body: Any) -> Response:
    """Place an order."""
    return _json({"order": shop.place(_required(body, "order"))}, 201)


def get_order(shop: Shop, request: Request, body: Any) -> Response:
    """One order."""
    return _json({"order": shop.records["orders"][request.path_params["id"]]})


def list_fulfillment_orders(shop: Shop, request: Request, body: Any) -> Response:
    """What is to be shipped of an order."""
    return _json({"fulfillment_orders": _of_order(shop, "fulfillment_orders", request)})


def list_fulfillments(shop: Shop, request: Request, body: Any) -> Response:
    """What was shipped of an order."""
    return _json({"fulfillments": _of_order(shop, "fulfillments", request)})


def _of_order(shop: Shop, collection: str, request: Request) -> list[Record]:
    order = shop.records["orders"][request.path_params["id"]]
    return [each for each in shop.records[collection].values() if each["order_id"] == order["id"]]


def post_fulfillment(shop: Shop, request: Request, body: Any) -> Response:
    """Ship all or some lines of an order, with a tracking number."""
    made = create_fulfillment(shop, _required(body, "fulfillment"))
    order = shop.records["orders"][made["order_id"]]
    shop.webhooks.announce("fulfillments/create", made)
    shop.webhooks.announce("orders/updated", order)
    if order["fulfillment_status"] == "fulfilled":
        shop.webhooks.announce("orders/fulfilled", order)
    return _json({"fulfillment": made}, 201)


def update_tracking(shop: Shop, request: Request, body: Any) -> Response:
    """Change the tracking number of a fulfillment."""
    found = shop.records["fulfillments"][request.path_params["id"]]
    set_tracking(shop, found, _required(body, "fulfillment").get("tracking_info") or {})
    shop.webhooks.announce("fulfillments/update", found)
    return _json({"fulfillment": found})


def list_webhooks(shop: Shop, request: Request, body: Any) -> Response:
    """All subscriptions."""
    return _json({"webhooks": list(shop.records["webhooks"].values())})


def post_webhook(shop: Shop, request: Request, body: Any) -> Response:
    """Subscribe to a topic."""
    wanted = _required(body, "webhook")
    address, topic = str(wanted.get("address", "")), wanted.get("topic")
    if topic not in TOPICS:
        return _json({"errors": {"topic": ["Invalid topic specified."]}}, 422)
    if not re.match(r"https?://", address):
        return _json({"errors": {"address": ["protocol http:// is not supported"]}}, 422)
    known = shop.records["webhooks"].values()
    if any((hook["topic"], hook["address"]) == (topic, address) for hook in known):
        return _json({"errors": {"address": ["for this topic has already been taken"]}}, 422)
    made = shop.add(
        "webhooks", {"topic": topic, "address": address, "format": "json", "created_at": shop.now()}
    )
    return _json({"webhook": made}, 201)


def delete_webhook(shop: Shop, request: Request, body: Any) -> Response:
    """Delete a subscription."""
    del shop.records["webhooks"][request.path_params["id"]]
    return _json({})


def _required(body: Any, name: str) -> Record:
    """The object with a name in a body. Raises: Missing."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise Missing(name)
    return found


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json; charset=utf-8")
