"""Customer payments as a stream: rows of a search, with the currency of their orders.

No resource gives payments by id, so the search has to. A payment never changes: one that was taken
back is another row, and so is the capture of an authorised one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_brightpearl.clients import idset
from airflow_provider_brightpearl.clients.brightpearl import MAX_IDS, period
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.endpoints.brightpearl_reading import Reading, with_members

SEARCH = "accounting-service/customer-payment-search"
COLUMNS = (
    "paymentId", "transactionRef", "transactionCode", "paymentMethodCode", "paymentType", "orderId",
    "currencyCode", "amountAuthorized", "amountPaid", "paymentDate", "createdOn", "journalId",
)  # fmt: skip
_CHUNK = 10 * MAX_IDS


class _Order(msgspec.Struct):
    id: int
    reference: msgspec.Raw = msgspec.Raw(b"null")
    currency: msgspec.Raw = msgspec.Raw(b"null")


def read_payments(reading: Reading, selection: Selection) -> Iterator[bytes]:
    """Payments by id, each with ``order``: reference and currency of its order, nothing where it is gone."""
    rows = iter(_unique(_found(reading, selection)))
    while chunk := list(islice(rows, _CHUNK)):
        orders = {int(row["orderId"]) for row in chunk if row.get("orderId")}
        found = reading.records("order-service/order", orders)
        known = {order.id: order for order in (msgspec.json.decode(raw, type=_Order) for raw in found)}
        for row in chunk:
            order = known.get(int(row["orderId"] or 0))
            raw = msgspec.json.encode(row)
            yield with_members(raw, order=msgspec.json.encode(order)) if order else raw


def _unique(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    for row in rows:
        if row["paymentId"] not in seen:
            seen.add(row["paymentId"])
            yield row


def _found(reading: Reading, selection: Selection) -> Iterator[dict[str, Any]]:
    window = selection.window
    for group in idset.batches(sorted(int(text) for text in selection.ids if text.isdigit()), MAX_IDS, 1500):
        yield from _search(reading, {"paymentId": idset.compress(group)})
    if selection.everything:
        yield from _search(reading, {})
    elif window is not None and not window.empty:
        for row in _search(reading, {"createdOn": period(window.start, window.end)}):
            # whether a period's ends belong to it is not documented: the window decides
            if datetime.fromisoformat(row["createdOn"]) in window:
                yield row


def _search(reading: Reading, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    return reading.search(SEARCH, COLUMNS, filters)
