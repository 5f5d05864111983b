"""Goods-out notes and drop-ship notes as one stream of shipments.

Neither has an ``updatedOn``. A goods-out note is found when it is made and when it is shipped, and while it
is not shipped it is read again by every run. Drop-ship notes have no search at all: they are asked for by the
sales orders that were made or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_brightpearl.clients.brightpearl import MAX_IDS, period
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.endpoints.brightpearl_reading import Reading, with_members

_NOTES = "warehouse-service/order/*/goods-note/goods-out/{ids}"
_DROP_SHIP_NOTES = "warehouse-service/order/*/goods-note/drop-ship/{ids}"
_DROP_SHIP_OF_ORDERS = "warehouse-service/order/{ids}/goods-note/drop-ship"
NOTES_A_CALL = 500
_CHUNK = 10 * MAX_IDS
DROP_SHIP = "DS"


class _Part(msgspec.Struct, rename="camel"):
    product_id: msgspec.Raw = msgspec.Raw(b"null")
    quantity: msgspec.Raw = msgspec.Raw(b"null")


class _Note(msgspec.Struct, rename="camel"):
    order_rows: msgspec.Raw = msgspec.Raw(b"{}")


def read_shipments(reading: Reading, selection: Selection) -> Iterator[bytes]:
    """Goods-out notes and, with an id such as ``DS31001``, drop-ship notes."""
    yield from read_goods_out(reading, selection)
    yield from _drop_ships(reading, selection)


def read_goods_out(reading: Reading, selection: Selection) -> Iterator[bytes]:
    """Goods-out notes without transfers between warehouses; for accounts that drop-ship nothing."""
    found = {int(text) for text in selection.ids if text.isdigit()}
    found.update(_found(reading, selection))
    ids = iter(sorted(found))
    while chunk := list(islice(ids, _CHUNK)):
        for key, raw in reading.mapped(_NOTES, chunk, NOTES_A_CALL):
            yield _record(key, "goods-out", raw)


def _found(reading: Reading, selection: Selection) -> Iterator[int]:
    window = selection.window
    if selection.everything:
        yield from _search(reading, {}, None)
    elif window is not None and not window.empty:
        yield from _within(reading, window, rescan=selection.moves_watermark)


def _within(reading: Reading, window: Window, *, rescan: bool) -> Iterator[int]:
    inside = period(window.start, window.end)
    yield from _search(reading, {"createdOn": inside}, ("createdOn", window))
    if window.start is None:
        return
    before = {"createdOn": period(None, window.start)}
    yield from _search(reading, {"shippedOn": inside, **before}, ("shippedOn", window))
    if rescan:
        # its carrier, tracking reference or rows may have changed, and nothing else would tell
        yield from _search(reading, {"shipped": "false", **before}, None)


def _search(reading: Reading, filters: Mapping[str, str], inside: tuple[str, Window] | None) -> Iterator[int]:
    columns = ("goodsOutNoteId", "createdOn", "shippedOn")
    path = "warehouse-service/goods-note/goods-out-search"
    for row in reading.search(path, columns, {"transfer": "false", **filters}):
        # whether a period's ends belong to it is not documented: the window decides
        if inside is None or datetime.fromisoformat(row[inside[0]]) in inside[1]:
            yield int(row["goodsOutNoteId"])


def _drop_ships(reading: Reading, selection: Selection) -> Iterator[bytes]:
    named = [text.removeprefix(DROP_SHIP) for text in selection.ids if text.startswith(DROP_SHIP)]
    seen = set()
    for path, ids in (
        (_DROP_SHIP_NOTES, sorted({int(text) for text in named if text.isdigit()})),
        (_DROP_SHIP_OF_ORDERS, sorted(set(_orders(reading, selection)))),
    ):
        for key, raw in reading.mapped(path, ids):
            if key not in seen:
                seen.add(key)
                yield _record(DROP_SHIP + key, "drop-ship", raw)


def _orders(reading: Reading, selection: Selection) -> Iterator[int]:
    window = selection.window
    if selection.everything:
        yield from _order_search(reading, {})
    elif window is not None and not window.empty:
        inside = period(window.start, window.end)
        yield from _order_search(reading, {"createdOn": inside})
        if window.start is not None:
            yield from _order_search(reading, {"updatedOn": inside, "createdOn": period(None, window.start)})


def _order_search(reading: Reading, filters: Mapping[str, str]) -> Iterator[int]:
    for row in reading.search("order-service/order-search", ("orderId",), {"orderTypeId": "1", **filters}):
        yield int(row["orderId"])


def _record(id_text: str, kind: str, raw: bytes) -> bytes:
    """A note with its id, its kind and ``lines``: one per order row and product, shelves added up."""
    rows = msgspec.json.decode(raw, type=_Note).order_rows
    return with_members(
        raw, id=msgspec.json.encode(id_text), kind=msgspec.json.encode(kind), lines=_flat(bytes(rows))
    )


def _flat(rows: bytes) -> bytes:
    try:
        parts = msgspec.json.decode(rows, type=dict[str, list[_Part]])
    except msgspec.ValidationError:
        # the mapping names what is wrong with it
        return rows
    return msgspec.json.encode([line for row in parts for line in _lines(row, parts[row])])


def _lines(row: str, parts: list[_Part]) -> Iterator[dict[str, Any]]:
    by_product: dict[bytes, list[bytes]] = {}
    for part in parts:
        by_product.setdefault(bytes(part.product_id), []).append(bytes(part.quantity))
    for product, quantities in by_product.items():
        yield {"orderRowId": row, "productId": msgspec.Raw(product), "quantity": _sum(quantities)}


def _sum(quantities: list[bytes]) -> str | msgspec.Raw:
    try:
        return str(sum(Decimal(each.strip(b'"').decode()) for each in quantities))
    except ArithmeticError:
        return msgspec.Raw(next(each for each in quantities if not _is_number(each)))


def _is_number(text: bytes) -> bool:
    return text.strip(b'"').replace(b".", b"", 1).removeprefix(b"-").isdigit()
