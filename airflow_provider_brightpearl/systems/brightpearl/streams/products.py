"""Products with their prices and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members


class _Product(msgspec.Struct):
    id: msgspec.Raw
    salesChannels: msgspec.Raw = msgspec.Raw(b"[]")


class _Prices(msgspec.Struct):
    priceLists: msgspec.Raw = msgspec.Raw(b"[]")


def join_prices(session: ReadSession, records: Sequence[bytes]) -> Iterator[bytes | Unread]:
    """Products with ``priceLists`` from product-price and ``channel``, their first sales channel.

    A product without prices has an empty list there (reference); one whose prices cannot be read is left out.
    """
    products = [decoded_as(_Product, record) or _Product(msgspec.Raw(b"")) for record in records]
    ids = [decoded_as(int, product.id) for product in products]
    wanted = {number for number in ids if number is not None}
    prices = session.fetch("product-service/product-price", wanted, "productId")
    for record, number, product in zip(records, ids, products, strict=True):
        if number in prices.unread:
            yield Unread(f"priceLists: {prices.unread[number].reason}", record)
            continue
        found = decoded_as(_Prices, prices.records[number]) if number in prices.records else None
        parts = {"priceLists": bytes(found.priceLists)} if found else {}
        channels = decoded_as(list[msgspec.Raw], product.salesChannels)
        if channels is None or channels:
            parts["channel"] = bytes(product.salesChannels if channels is None else channels[0])
        yield with_members(record, **parts)
