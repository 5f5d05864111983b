"""A simulated carrier or warehouse of somebody else (3PL): takes shipments, ships them, and confirms.

Its API is made up, in the manner of many: JSON, a bearer key, and an HMAC over time and raw body of what it sends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..clock import Clock, parse_instant
from ..record_system import RecordSystem
from ..system import ConnectionDetails, Record
from .confirmations import Confirmations
from .settings import default_settings

CONFIRMED, DELIVERED = "shipment.confirmed", "shipment.delivered"
_MOST = 100  # shipments in a list


class Carrier(RecordSystem):
    """One account with the carrier."""

    name = "carrier"

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, default_settings(), ("shipments", "deliveries"), 700_001)
        self.confirmations = Confirmations(self)

    def routes(self) -> list[BaseRoute]:
        """The routes below /carrier/v1."""
        return [
            Route("/carrier/v1/shipments", self._guarded(self._list), methods=["GET"]),
            Route("/carrier/v1/shipments", self._guarded(self._create), methods=["POST"]),
            Route("/carrier/v1/shipments/{id:int}", self._guarded(self._get), methods=["GET"]),
        ]

    def _guarded(
        self, handler: Callable[[Request, Any], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {self.settings['api_key']}":
                return _json({"error": "unauthorized"}, 401)
            body = await request.body()
            try:
                return handler(request, orjson.loads(body) if body else {})
            except ValueError as error:
                return _json({"error": str(error)}, 400)

        return serve

    def _list(self, request: Request, body: Any) -> Response:
        query = dict(request.query_params)
        if unknown := set(query) - {"reference", "updated_since", "after"}:
            raise ValueError(f"unknown parameter {sorted(unknown)[0]}")
        since = parse_instant(query["updated_since"]) if "updated_since" in query else None
        found = [
            one
            for one in self.records["shipments"].values()
            if one["id"] > int(query.get("after", 0))
            and query.get("reference", one["reference"]) == one["reference"]
            and (since is None or parse_instant(one["updated_at"]) >= since)
        ]
        return _json({"shipments": found[:_MOST], "has_more": len(found) > _MOST})

    def _create(self, request: Request, body: Any) -> Response:
        """Take a shipment; one with a reference that came before is not made again."""
        reference = str(body.get("reference") or "")
        known = next(
            (one for one in self.records["shipments"].values() if one["reference"] == reference), None
        )
        if known is not None:
            return _json(known, 200)
        return _json(self.accept(reference, body.get("lines"), body.get("ship_to")), 201)

    def _get(self, request: Request, body: Any) -> Response:
        found = self.records["shipments"].get(request.path_params["id"])
        return _json({"error": "not found"}, 404) if found is None else _json(found)

    def accept(self, reference: str, lines: Any, ship_to: Any = None) -> Record:
        """Store a shipment. Raises: ValueError for one without reference or lines."""
        if not reference:
            raise ValueError("reference is required")
        if not isinstance(lines, list) or not all(_is_line(line) for line in lines) or not lines:
            raise ValueError("lines must have a sku and a positive quantity each")
        return self.add(
            "shipments",
            {
                "reference": reference,
                "status": "accepted",
                "lines": [{**line, "quantity_shipped": 0} for line in lines],
                "ship_to": ship_to or {},
                "parcels": [],
                "created_at": self.now(),
                "updated_at": self.now(),
            },
        )

    def activity(
        self,
        shipped: int = 0,
        delivered: int = 0,
        references: Sequence[str] = (),
        lines: Sequence[Mapping[str, Any]] = ({"sku": "SKU-001", "quantity": 2},),
        short: bool = False,
    ) -> Record:
        """Ship and deliver the oldest shipments, and return their ids.

        Args:
            shipped: number of accepted shipments to ship.
            delivered: number of shipped ones to deliver.
            references: shipments that the carrier learned of elsewhere; they are shipped too.
            lines: their lines.
            short: one piece of each line stays behind.
        """
        waiting = [self.accept(reference, [dict(line) for line in lines]) for reference in references]
        waiting += [one for one in self._with_status("accepted") if one not in waiting][:shipped]
        arriving = self._with_status("shipped")[:delivered]
        for one in waiting:
            self._ship(one, short)
        for one in arriving:
            one |= {"status": "delivered", "delivered_at": self.now(), "updated_at": self.now()}
            self.confirmations.announce(DELIVERED, one)
        return {"shipped": [one["id"] for one in waiting], "delivered": [one["id"] for one in arriving]}

    def _with_status(self, status: str) -> list[Record]:
        return [one for one in self.records["shipments"].values() if one["status"] == status]

    def _ship(self, one: Record, short: bool) -> None:
        number = f"AE{one['id']:010d}GB"
        for line in one["lines"]:
            line["quantity_shipped"] = line["quantity"] - (1 if short else 0)
        one |= {
            "status": "shipped",
            "carrier": self.settings["company"],
            "service": "next day",
            "tracking_number": number,
            "tracking_url": f"https://track.carrier.example/{number}",
            "parcels": [{"tracking_number": number, "weight_kg": "1.250"}],
            "shipped_at": self.now(),
            "updated_at": self.now(),
        }
        self.confirmations.announce(CONFIRMED, one)

    def changed(self, collection: str, record: Record, is_new: bool) -> None:
        """See `RecordSystem.changed`: a shipment that is edited is confirmed again, such as after a correction."""
        if collection == "shipments" and record.get("status") == "shipped":
            self.confirmations.announce(CONFIRMED, record)

    def stop(self) -> None:
        """See `System.stop`."""
        self.confirmations.clear()

    def connection(self, url: str) -> ConnectionDetails:
        """See `System.connection`; nothing of this package connects to it."""
        known = self.settings
        return ConnectionDetails(
            "Carrier",
            f"{url}/carrier/v1",
            {"API key": str(known["api_key"]), "signing secret": str(known["secret"])},
            "",
            {},
        )


def _is_line(line: Any) -> bool:
    quantity = line.get("quantity") if isinstance(line, dict) else None
    return isinstance(quantity, int) and quantity > 0 and bool(line.get("sku"))


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
