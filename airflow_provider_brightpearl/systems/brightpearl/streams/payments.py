"""Customer payments as a stream: rows of a search, with the currency of their orders.

No resource returns payments by id, so the search has to. A payment never changes: a refund is another
row, and so is the capture of an authorised payment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from more_itertools import chunked, unique_everseen

from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS
from airflow_provider_brightpearl.systems.brightpearl.columns import PAYMENT
from airflow_provider_brightpearl.systems.brightpearl.complete import Collected, is_number
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import (
    CHUNK,
    named_ids,
    not_found,
    number_in,
    rows_within,
)

SEARCH = "accounting-service/customer-payment-search"
COLUMNS = (
    "paymentId", "transactionRef", "transactionCode", "paymentMethodCode", "paymentType", "orderId",
    "currencyCode", "amountAuthorized", "amountPaid", "paymentDate", "createdOn", "journalId",
)  # fmt: skip


# replaces bytes that are not UTF-8 in the rows of a search
_REPLACED = "\ufffd"


class _Order(msgspec.Struct):
    id: int
    reference: msgspec.Raw = msgspec.Raw(b"null")
    currency: msgspec.Raw = msgspec.Raw(b"null")


class Payments:
    """Payments by id, each with ``order``: reference and currency of its order, nothing where it has none.

    A payment whose order cannot be read is left out; later runs read it again.
    """

    schema = PAYMENT
    estimate = staticmethod(by_id(Follow("order-service/order")))

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        found: set[str] = set()
        for rows in chunked(unique_everseen(_rows(session, selection), _id_of), CHUNK):
            orders = session.fetch("order-service/order", set(filter(None, map(_order_of, rows))), "id")
            for row in rows:
                found.add(_id_of(row))
                yield _id_of(row), _with_order(row, orders)
        yield from not_found(selection, found)

    def is_id(self, text: str) -> bool:
        return is_number(text)

    def count_later(self, session: ReadSession) -> None:
        return None


def _order_of(row: Mapping[str, Any]) -> int:
    text = str(row.get("orderId") or "")
    return int(text) if is_number(text) else 0


def _with_order(row: Mapping[str, Any], orders: Collected) -> bytes | Unread:
    raw, number = msgspec.json.encode(row), _order_of(row)
    for name, value in row.items():
        if isinstance(value, str) and _REPLACED in value:
            return Unread(f"{name} holds bytes that are not UTF-8: correct the text", raw)
    if number in orders.unread:
        return Unread(f"orderId {number}: {orders.unread[number].reason}", raw)
    if number not in orders.records:
        return raw
    order = decoded_as(_Order, orders.records[number])
    return with_members(raw, order=msgspec.json.encode(order)) if order else raw


def _id_of(row: Mapping[str, Any]) -> str:
    return str(number_in(row, "paymentId"))


def _rows(session: ReadSession, selection: Selection) -> Iterator[dict[str, Any]]:
    window = selection.window
    for group in idset.batches(named_ids(selection), MAX_IDS, 1500):
        yield from _search(session, {"paymentId": idset.compress(group)})
    if selection.full_resync:
        yield from _search(session, {})
    elif window is not None and not window.empty:
        yield from rows_within(session, SEARCH, COLUMNS, {}, "createdOn", window, finds_records=True)


def _search(session: ReadSession, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    return session.search(SEARCH, COLUMNS, filters, finds_records=True)
