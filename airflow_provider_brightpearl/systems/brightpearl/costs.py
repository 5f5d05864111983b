"""What a piece costs by a price list of Brightpearl, for stock whose source does not know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.reading import Odd

_PRICES = "product-service/product-price"
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def list_costs(client: BrightpearlClient, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Any]:
    """The cost of one piece, as stock corrections take it, by product and price list; 200 products a call.

    A product without a price in the list, or whose prices Brightpearl does not answer for, is missing.
    """
    places = set(wanted)
    if not places:
        return {}
    raw = client.get_records(_PRICES, {product for product, _ in places}, set_aside=Odd())
    found = {}
    for record in map(_decode, raw):
        for each in record["priceLists"]:
            place = (int(record["productId"]), int(each["priceListId"]))
            price = _of_one(each["quantityPrice"])
            if place in places and price is not None:
                found[place] = {"currency": each["currencyCode"], "value": price}
    return found


def _of_one(by_quantity: Mapping[str, Any]) -> Decimal | None:
    """The price at the lowest quantity, None where there is none."""
    lowest = min(by_quantity, key=Decimal, default=None)
    return None if lowest is None else Decimal(by_quantity[lowest])
