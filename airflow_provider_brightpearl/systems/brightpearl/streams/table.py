"""Brightpearl's streams by name: which search finds changed records, where they are read, what is joined to them."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_brightpearl.systems.brightpearl.columns import CONTACT, CREDIT, ORDER, PRODUCT
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.streams.availability import Availability
from airflow_provider_brightpearl.systems.brightpearl.streams.contacts import join_addresses
from airflow_provider_brightpearl.systems.brightpearl.streams.credits import join_originals
from airflow_provider_brightpearl.systems.brightpearl.streams.payments import Payments
from airflow_provider_brightpearl.systems.brightpearl.streams.products import join_prices
from airflow_provider_brightpearl.systems.brightpearl.streams.shipments import GoodsOutNotes, Shipments
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import SearchedStream, Stream

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
    ),
    "sales_orders": SearchedStream(
        ORDER,
        by_id(Follow("order-service/order")),
        "order-service/order-search",
        "orderId",
        "order-service/order",
        filters={"orderTypeId": "1"},
        params=_CUSTOM,
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
    ),
    "payments": Payments(),
    "availability": Availability(),
    "shipments": Shipments(),
    "goods_out_notes": GoodsOutNotes(),
}
