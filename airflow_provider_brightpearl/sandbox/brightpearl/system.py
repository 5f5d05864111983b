"""The simulated Brightpearl account as a system of the sandbox."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..clock import Clock
from ..system import ConnectionDetails, Record, SeedOptions
from .account import Account
from .activity import Activity
from .auth import CREDENTIALS, Authenticator
from .gateway import Gateway
from .json_patch import merge_patch
from .settings import default_settings
from .throttle import Throttle
from .variety import Variety

ACCOUNT_CODE = "acmetest"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Brightpearl:
    """One account, with private-app and OAuth authentication."""

    name = "brightpearl"

    def __init__(self, clock: Clock) -> None:
        self.settings: dict[str, object] = default_settings()
        self.account = Account(self.settings, clock)
        self.authenticator = Authenticator(self.settings, clock)
        self.throttle = Throttle(self.settings, clock)
        self.gateway = Gateway(ACCOUNT_CODE, self.account, self.authenticator, self.throttle)

    def routes(self) -> list[BaseRoute]:
        """The public API, and the token endpoint at its two paths."""
        return [
            Route("/public-api/{account}/{rest:path}", self.gateway.serve, methods=_METHODS),
            Route("/public-api/{account}", self.gateway.serve, methods=_METHODS),
            Route("/token/{account}", self._token, methods=["POST"]),
            Route("/{account}/oauth/token", self._token, methods=["POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        if request.path_params["account"] != ACCOUNT_CODE:
            return JSONResponse({"error": "invalid_client"}, 400)
        kind = request.headers.get("content-type", "")
        status, body = self.authenticator.token_response(
            await request.body(), kind, request.headers.get("host", "")
        )
        return JSONResponse(body, status)

    def seed(self, options: SeedOptions) -> None:
        """Build a new account."""
        self.account.seed(options)
        if options.variety:
            Variety(self.account, self.gateway.handle_unlogged).add()
        self.authenticator.clear()
        self.throttle.clear()

    def keep(self) -> bytes:
        """See `System.keep`: what is not as it was generated."""
        kept = {name: each.kept for name, each in self.account.collections.items()}
        return pickle.dumps((kept, self.account.last_row))

    def go_back(self, kept: bytes) -> None:
        """See `System.go_back`."""
        collections, self.account.last_row = pickle.loads(kept)  # noqa: S301
        for name, each in self.account.collections.items():
            each.go_back(collections[name])
        self.throttle.clear()
        self.account.webhooks.clear()
        self.account.searches.clear()

    def headers(self) -> dict[str, str]:
        """The throttle headers."""
        return self.throttle.headers()

    def collections(self) -> list[str]:
        """The names of all collections."""
        return list(self.account.collections)

    def count(self, collection: str) -> int:
        """The number of records in a collection."""
        return len(self.account.collections[collection])

    def snapshot(self, collection: str) -> Iterator[Record]:
        """Every record; those without a key field get an `id`."""
        source = self.account.collections[collection]
        for id in source.ids():
            record = source.get(id)
            if record is not None:
                yield record if source.key else {"id": id, **record}

    def patch(self, collection: str, id: str | None, patch: Record | None, quiet: bool = False) -> object:
        """Change a stored record past every check."""
        source = self.account.collections[collection]
        if id is None and patch and source.key in patch:
            source.put(int(patch[source.key]), {"createdOn": self.account.stamp(), **patch})
            return {"id": patch[source.key]}
        if id is None:
            return {"id": source.add({"createdOn": self.account.stamp(), **(patch or {})})}
        if patch is None:
            source.remove(int(id))
            self._announce(collection, "destroyed", int(id))
            return {}
        record = merge_patch(source.edit(int(id)), patch)
        if not quiet and (collection != "order" or "orderStatus" in patch):
            self._announce(collection, "modified", int(id))
        if not quiet and collection in ("order", "contact", "product") and "updatedOn" not in patch:
            self.account.touch(record)
        return record

    def _announce(self, collection: str, lifecycle: str, id: int) -> None:
        """Raise the event of a change by hand, where the vendor has one for it."""
        events = {
            ("order", "modified"): "order.modified.order-status",
            ("product", "modified"): "product.modified",
            ("product", "destroyed"): "product.destroyed",
            ("product-availability", "modified"): "product.modified.on-hand-modified",
            ("goods-out-note", "modified"): "goods-out-note.modified",
            ("goods-out-note", "destroyed"): "goods-out-note.destroyed",
            ("drop-ship-note", "destroyed"): "drop-ship-note.destroyed",
        }
        if (event := events.get((collection, lifecycle))) is not None:
            self.account.webhooks.raise_event(event, id)

    def activity(
        self,
        orders_changed: int = 0,
        orders_created: int = 0,
        customers_changed: int = 0,
        products_changed: int = 0,
        stock_corrected: int = 0,
        notes_shipped: int = 0,
        parts_shipped: int = 0,
        drop_shipped: int = 0,
        credits_created: int = 0,
        seed: int = 1,
    ) -> dict[str, Any]:
        """Make a plausible day of changes and return the affected ids; kinds of goods events only if requested."""
        goods = {
            "stock_corrected": stock_corrected,
            "notes_shipped": notes_shipped,
            "parts_shipped": parts_shipped,
            "drop_shipped": drop_shipped,
            "credits_created": credits_created,
        }
        acts = Activity(self.account, seed)
        return acts.run(orders_created, orders_changed, customers_changed, products_changed, goods)

    def stop(self) -> None:
        """See `System.stop`."""
        self.account.webhooks.clear()

    def connection(self, url: str) -> ConnectionDetails:
        """See `System.connection`."""
        known = CREDENTIALS
        return ConnectionDetails(
            "Brightpearl",
            f"{url}/public-api/{ACCOUNT_CODE}",
            {
                "account code": ACCOUNT_CODE,
                "app ref": known.app_ref,
                "staff token": known.staff_token,
                "account token": known.account_token,
                "OAuth token URL": f"{url}/token/{ACCOUNT_CODE}",
                "client id": known.client_id,
                "client secret": known.client_secret,
                "refresh token": known.refresh_token,
                "dev ref": known.dev_ref,
            },
            "brightpearl_default",
            {
                "conn_type": "brightpearl",
                "host": url,
                "login": ACCOUNT_CODE,
                "password": known.staff_token,
                "extra": {"app_ref": known.app_ref, "token_kind": "staff"},
            },
        )
