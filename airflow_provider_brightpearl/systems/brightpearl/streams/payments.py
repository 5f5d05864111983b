"""Customer payments as a stream: rows of a search, with the currency of their orders.

No resource gives payments by id, so the search has to. A payment never changes: one that was taken
back is another row, and so is the capture of an authorised one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS
from airflow_provider_brightpearl.systems.brightpearl.columns import PAYMENT
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, with_members
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import (
    CHUNK,
    instant,
    margin_around,
    named_ids,
    not_found,
)

SEARCH = "accounting-service/customer-payment-search"
COLUMNS = (
    "paymentId", "transactionRef", "transactionCode", "paymentMethodCode", "paymentType", "orderId",
    "currencyCode", "amountAuthorized", "amountPaid", "paymentDate", "createdOn", "journalId",
)  # fmt: skip


class _Order(msgspec.Struct):
    id: int
    reference: msgspec.Raw = msgspec.Raw(b"null")
    currency: msgspec.Raw = msgspec.Raw(b"null")


class Payments:
    """Payments by id, each with ``order``: reference and currency of its order, nothing where it is gone."""

    schema = PAYMENT
    estimate = staticmethod(by_id(Follow("order-service/order")))

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        found: set[str] = set()
        for rows in chunked(_unique(_rows(session, selection)), CHUNK):
            orders = {int(row["orderId"]) for row in rows if row.get("orderId")}
            records = session.records("order-service/order", orders)
            known = {order.id: order for order in (msgspec.json.decode(raw, type=_Order) for raw in records)}
            for row in rows:
                order = known.get(int(row["orderId"] or 0))
                raw = msgspec.json.encode(row)
                found.add(str(row["paymentId"]))
                yield (
                    str(row["paymentId"]),
                    with_members(raw, order=msgspec.json.encode(order)) if order else raw,
                )
        yield from not_found(selection, found)

    def count_later(self, session: ReadSession) -> None:
        return None


def _unique(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    for row in rows:
        if row["paymentId"] not in seen:
            seen.add(row["paymentId"])
            yield row


def _rows(session: ReadSession, selection: Selection) -> Iterator[dict[str, Any]]:
    window = selection.window
    for group in idset.batches(named_ids(selection), MAX_IDS, 1500):
        yield from _search(session, {"paymentId": idset.compress(group)})
    if selection.full_resync:
        yield from _search(session, {})
    elif window is not None and not window.empty:
        for row in _search(session, {"createdOn": margin_around(window)}):
            # whether a period's ends belong to it is not documented: the window decides
            if instant(row["createdOn"]) in window:
                yield row


def _search(session: ReadSession, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    return session.search(SEARCH, COLUMNS, filters, finds_records=True)
