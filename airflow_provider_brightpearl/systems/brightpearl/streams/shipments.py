"""Goods-out notes and drop-ship notes as one stream of shipments.

Neither has an ``updatedOn``. A goods-out note is found when it is made and when it is shipped, and while it
is not shipped it is read again by every run. Drop-ship notes have no search at all: they are asked for by the
sales orders that were made or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Read
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.systems.brightpearl.client import period
from airflow_provider_brightpearl.systems.brightpearl.columns import SHIPMENT
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, with_members
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import (
    CHUNK,
    MARGIN,
    changed_ids,
    instant,
    is_number,
    margin_around,
    named_ids,
)

_NOTES = "warehouse-service/order/*/goods-note/goods-out/{ids}"
_DROP_SHIP_NOTES = "warehouse-service/order/*/goods-note/drop-ship/{ids}"
_DROP_SHIP_OF_ORDERS = "warehouse-service/order/{ids}/goods-note/drop-ship"
_ORDERS, _SALES = "order-service/order-search", {"orderTypeId": "1"}
NOTES_PER_CALL = 500
DROP_SHIP = "DS"


class _Part(msgspec.Struct, rename="camel"):
    product_id: msgspec.Raw = msgspec.Raw(b"null")
    quantity: msgspec.Raw = msgspec.Raw(b"null")


class _Note(msgspec.Struct, rename="camel"):
    order_rows: msgspec.Raw = msgspec.Raw(b"{}")


_GOODS_OUT = Follow(
    "goods-note/goods-out", batch=NOTES_PER_CALL, of="warehouse-service/goods-note/goods-out-search"
)
_DROP_SHIPS = Follow("goods-note/drop-ship", of="order-service/order-search")


class GoodsOutNotes:
    """Goods-out notes without transfers between warehouses; for accounts that drop-ship nothing."""

    schema = SHIPMENT
    estimate = staticmethod(by_id(_GOODS_OUT, records_of=_GOODS_OUT.of))

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        yield from _goods_out(session, selection)
        named = [text for text in selection.ids if not is_number(text)]
        yield from ((text, None) for text in named)

    def count_later(self, session: ReadSession) -> None:
        return None


class Shipments:
    """Goods-out notes and, with an id such as ``DS31001``, drop-ship notes."""

    schema = SHIPMENT
    estimate = staticmethod(by_id(_GOODS_OUT, _DROP_SHIPS, records_of=_GOODS_OUT.of))

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        yield from _goods_out(session, selection)
        yield from _drop_ships(session, selection)

    def count_later(self, session: ReadSession) -> None:
        return None


def _goods_out(session: ReadSession, selection: Selection) -> Iterator[Read]:
    found = {*named_ids(selection), *_found(session, selection)}
    for ids in chunked(sorted(found), CHUNK):
        missing = {str(number) for number in ids}
        for key, raw in session.mapped(_NOTES, ids, NOTES_PER_CALL):
            missing.discard(key)
            yield key, _record(key, "goods-out", raw)
        yield from ((source_id, None) for source_id in sorted(missing, key=int))


def _found(session: ReadSession, selection: Selection) -> Iterator[int]:
    window = selection.window
    if selection.full_resync:
        yield from _search(session, {}, None)
    elif window is not None and not window.empty:
        yield from _within(session, window, rescan=selection.moves_watermark)


def _within(session: ReadSession, window: Window, *, rescan: bool) -> Iterator[int]:
    inside = margin_around(window)
    yield from _search(session, {"createdOn": inside}, ("createdOn", window))
    if window.start is None:
        return
    before = {"createdOn": period(None, window.start + MARGIN)}
    yield from _search(session, {"shippedOn": inside, **before}, ("shippedOn", window))
    if rescan:
        # its carrier, tracking reference or rows may have changed, and nothing else would show it
        yield from _search(session, {"shipped": "false", **before}, None)


def _search(
    session: ReadSession, filters: Mapping[str, str], inside: tuple[str, Window] | None
) -> Iterator[int]:
    columns = ("goodsOutNoteId", "createdOn", "shippedOn")
    path = "warehouse-service/goods-note/goods-out-search"
    for row in session.search(path, columns, {"transfer": "false", **filters}, finds_records=True):
        # whether a period's ends belong to it is not documented: the window decides
        if inside is None or instant(row[inside[0]]) in inside[1]:
            yield int(row["goodsOutNoteId"])


def _drop_ships(session: ReadSession, selection: Selection) -> Iterator[Read]:
    named = {text.removeprefix(DROP_SHIP) for text in selection.ids if not is_number(text)}
    seen = set()
    for path, ids in (
        (_DROP_SHIP_NOTES, sorted(int(text) for text in named if is_number(text))),
        (_DROP_SHIP_OF_ORDERS, sorted(set(_orders(session, selection)))),
    ):
        for key, raw in session.mapped(path, ids):
            if key not in seen:
                seen.add(key)
                yield DROP_SHIP + key, _record(DROP_SHIP + key, "drop-ship", raw)
    yield from ((source_id, None) for source_id in selection.ids if _is_lost(source_id, seen))


def _is_lost(source_id: str, seen: set[str]) -> bool:
    """Whether an id that is not a goods-out note's was not found among drop-ship notes."""
    return not is_number(source_id) and source_id.removeprefix(DROP_SHIP) not in seen


def _orders(session: ReadSession, selection: Selection) -> Iterator[int]:
    window = selection.window
    if selection.full_resync:
        for row in session.search(_ORDERS, ("orderId",), _SALES):
            yield int(row["orderId"])
    elif window is not None and not window.empty:
        yield from chain.from_iterable(changed_ids(session, _ORDERS, "orderId", _SALES, window))


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
