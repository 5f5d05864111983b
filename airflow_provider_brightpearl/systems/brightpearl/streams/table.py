"""Brightpearl's streams by name: which search finds changed records, where they are read, what is joined to them.

Other packages add theirs by an entry point of the group ``GROUP``, whose name is the stream's and whose object is a
``Stream``, such as a ``SearchedStream``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.brightpearl.columns import CONTACT, CREDIT, ORDER, PRODUCT
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.streams.availability import Availability
from airflow_provider_brightpearl.systems.brightpearl.streams.contacts import join_addresses
from airflow_provider_brightpearl.systems.brightpearl.streams.credits import join_originals
from airflow_provider_brightpearl.systems.brightpearl.streams.payments import Payments
from airflow_provider_brightpearl.systems.brightpearl.streams.products import join_prices
from airflow_provider_brightpearl.systems.brightpearl.streams.shipments import GoodsOutNotes, Shipments
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import SearchedStream, Stream
from airflow_provider_brightpearl.systems.plugins import with_plugins

GROUP = "airflow_provider_brightpearl.streams"
# what the search of a window sets itself
_RESERVED = frozenset({"createdOn", "updatedOn", "columns", "sort", "pageSize", "firstResult"})
_CUSTOM = {"includeOptional": "customFields"}

STREAMS: Mapping[str, Stream] = {
    "contacts": SearchedStream(
        CONTACT,
        # most contacts have one address for all purposes
        by_id(Follow("contact-service/contact"), Follow("contact-service/postal-address", 1.3)),
        "contact-service/contact-search",
        "contactId",
        "contact-service/contact",
        filters={"isSupplier": "false", "isStaff": "false"},
        params=_CUSTOM,
        join=join_addresses,
    ),
    "products": SearchedStream(
        PRODUCT,
        by_id(Follow("product-service/product"), Follow("product-service/product-price")),
        "product-service/product-search",
        "productId",
        "product-service/product",
        params=_CUSTOM,
        join=join_prices,
        events=("product.created", "product.modified", "product.destroyed"),
    ),
    "sales_orders": SearchedStream(
        ORDER,
        by_id(Follow("order-service/order")),
        "order-service/order-search",
        "orderId",
        "order-service/order",
        filters={"orderTypeId": "1"},
        params=_CUSTOM,
        # an order that was not made by POST of a sales order announces its creation as a change
        events=("sales-order.created", "order.modified"),
    ),
    "sales_credits": SearchedStream(
        CREDIT,
        by_id(Follow("order-service/order"), Follow("order-service/order", step="originals")),
        "order-service/order-search",
        "orderId",
        "order-service/order",
        filters={"orderTypeId": "3"},
        params=_CUSTOM,
        join=join_originals,
        events=("order.modified",),
    ),
    "payments": Payments(),
    "availability": Availability(),
    "shipments": Shipments(),
    "goods_out_notes": GoodsOutNotes(),
}


@cache
def streams() -> Mapping[str, Stream]:
    """All streams by name, those of other packages among them.

    Raises:
        Misconfigured: an entry point is not a stream, or takes a name that is taken.
    """
    return with_plugins(
        STREAMS,
        GROUP,
        Stream,  # type: ignore[type-abstract]
        what="a stream of Brightpearl",
        prefix="brightpearl.",
        name_of=lambda name, _: name,
    )


def filtered_stream(name: str, filters: Mapping[str, str]) -> Stream:
    """The stream of that name, its search narrowed by filters of a flow, which replace its own of the same name.

    Raises:
        Misconfigured: the stream is not found by one search, or a filter is one that a window sets.
    """
    stream = streams()[name]
    if not filters:
        return stream
    if not isinstance(stream, SearchedStream):
        raise Misconfigured(
            f"filters: brightpearl.{name} is not found by one search; use where: of the object"
        )
    taken = sorted({*filters} & {*_RESERVED, stream.id_column})
    if taken:
        raise Misconfigured(f"filters.{taken[0]}: is set by the window or by the ids of a run")
    return replace(stream, filters={**stream.filters, **filters})
