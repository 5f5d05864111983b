"""Products with their prices and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members


class _Product(msgspec.Struct):
    id: msgspec.Raw
    salesChannels: msgspec.Raw = msgspec.Raw(b"[]")


class _Prices(msgspec.Struct):
    productId: int
    priceLists: msgspec.Raw = msgspec.Raw(b"[]")


def join_prices(session: ReadSession, records: Sequence[bytes]) -> Iterator[bytes]:
    """Products with ``priceLists`` from product-price and ``channel``, their first sales channel."""
    products = [msgspec.json.decode(record, type=_Product) for record in records]
    ids = [decoded_as(int, product.id) for product in products]
    found = session.records("product-service/product-price", {number for number in ids if number is not None})
    prices = {price.productId: price for price in (msgspec.json.decode(raw, type=_Prices) for raw in found)}
    for record, number, product in zip(records, ids, products, strict=True):
        parts = {"priceLists": bytes(prices[number].priceLists)} if number in prices else {}
        channels = decoded_as(list[msgspec.Raw], product.salesChannels)
        if channels is None or channels:
            parts["channel"] = bytes(product.salesChannels if channels is None else channels[0])
        yield with_members(record, **parts)
