"""Goods-out notes and drop-ship notes as one stream of shipments.

Neither has an ``updatedOn``. A goods-out note is found when it is created and when it is shipped, and every run
reads it again until it is shipped. Drop-ship notes have no search: they are read through the sales orders that
were created or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec
from more_itertools import chunked, unique_everseen

from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.systems.brightpearl.client import period
from airflow_provider_brightpearl.systems.brightpearl.columns import SHIPMENT
from airflow_provider_brightpearl.systems.brightpearl.complete import is_number
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import (
    CHUNK,
    MARGIN,
    changed_ids,
    named_ids,
    no_ids,
    number_in,
    rows_within,
    unread,
)

_NOTES = "warehouse-service/order/*/goods-note/goods-out/{ids}"
_DROP_SHIP_NOTES = "warehouse-service/order/*/goods-note/drop-ship/{ids}"
_DROP_SHIP_OF_ORDERS = "warehouse-service/order/{ids}/goods-note/drop-ship"
_SEARCH = "warehouse-service/goods-note/goods-out-search"
_ORDERS, _SALES = "order-service/order-search", {"orderTypeId": "1"}
NOTES_PER_CALL = 500
DROP_SHIP = "DS"


class _Part(msgspec.Struct, rename="camel"):
    product_id: msgspec.Raw = msgspec.Raw(b"null")
    quantity: msgspec.Raw = msgspec.Raw(b"null")


class _Note(msgspec.Struct, rename="camel"):
    order_rows: msgspec.Raw = msgspec.Raw(b"{}")


_GOODS_OUT = Follow("goods-note/goods-out", batch=NOTES_PER_CALL, of=_SEARCH)
_DROP_SHIPS = Follow("goods-note/drop-ship", of="order-service/order-search")
_OF_GOODS_OUT = ("goods-out-note.created", "goods-out-note.modified", "goods-out-note.destroyed")


class GoodsOutNotes:
    """Goods-out notes without transfers between warehouses; for accounts that drop-ship nothing."""

    schema = SHIPMENT
    estimate = staticmethod(by_id(_GOODS_OUT, records_of=_GOODS_OUT.of))
    events = _OF_GOODS_OUT

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        yield from _goods_out(session, selection)
        yield from no_ids(selection)

    def is_id(self, text: str) -> bool:
        return is_number(text)

    def count_later(self, session: ReadSession) -> None:
        return None


class Shipments:
    """Goods-out notes and, with an id such as ``DS31001``, drop-ship notes."""

    schema = SHIPMENT
    estimate = staticmethod(by_id(_GOODS_OUT, _DROP_SHIPS, records_of=_GOODS_OUT.of))
    events = (
        *_OF_GOODS_OUT, "drop-ship-note.created", "drop-ship-note.modified.shipped", "drop-ship-note.destroyed",
    )  # fmt: skip

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        yield from _goods_out(session, selection)
        yield from _drop_ships(session, selection)

    def is_id(self, text: str) -> bool:
        return is_number(text.removeprefix(DROP_SHIP))

    def count_later(self, session: ReadSession) -> None:
        return None


def _goods_out(session: ReadSession, selection: Selection) -> Iterator[Read]:
    found = {*named_ids(selection), *_found(session, selection)}
    for ids in chunked(sorted(found), CHUNK):
        session.batches += 1
        notes = session.fetch_map(_NOTES, ids, NOTES_PER_CALL)
        for number, raw in notes.records.items():
            yield str(number), _record(str(number), "goods-out", raw)
        yield from unread(notes)


def _found(session: ReadSession, selection: Selection) -> Iterator[int]:
    window = selection.window
    if selection.full_resync:
        yield from _search(session, {})
    elif window is not None and not window.empty:
        yield from _within(session, window, rescan=selection.moves_watermark)


def _within(session: ReadSession, window: Window, *, rescan: bool) -> Iterator[int]:
    yield from _search(session, {}, ("createdOn", window))
    if window.start is None:
        return
    before = {"createdOn": period(None, window.start + MARGIN)}
    yield from _search(session, before, ("shippedOn", window))
    if rescan:
        # its carrier, tracking reference or rows may have changed, and nothing else would show it
        yield from _search(session, {"shipped": "false", **before})


def _search(
    session: ReadSession, filters: Mapping[str, str], inside: tuple[str, Window] | None = None
) -> Iterator[int]:
    columns, own = ("goodsOutNoteId", "createdOn", "shippedOn"), {"transfer": "false", **filters}
    if inside is None:
        rows = session.search(_SEARCH, columns, own, finds_records=True)
    else:
        rows = rows_within(session, _SEARCH, columns, own, *inside, finds_records=True)
    for row in rows:
        yield number_in(row, "goodsOutNoteId")


def _drop_ships(session: ReadSession, selection: Selection) -> Iterator[Read]:
    others = [text for text in selection.ids if not is_number(text)]
    named = {text.removeprefix(DROP_SHIP) for text in others}
    notes = session.fetch_map(_DROP_SHIP_NOTES, [int(text) for text in named if is_number(text)])
    # an order without drop-ship notes is left out of the answer, so nothing can be missed here
    of_orders = session.mapped(_DROP_SHIP_OF_ORDERS, sorted(set(_orders(session, selection))))
    by_id = ((str(number), raw) for number, raw in notes.records.items())
    for key, raw in unique_everseen(chain(by_id, of_orders), key=itemgetter(0)):
        yield DROP_SHIP + key, _record(DROP_SHIP + key, "drop-ship", raw)
    yield from unread(notes, DROP_SHIP)
    for text in others:
        if not is_number(text.removeprefix(DROP_SHIP)):
            yield (
                text,
                Unread(f"{text!r} is not an id of a shipment: write one such as 7001 or DS31001", gone=True),
            )


def _orders(session: ReadSession, selection: Selection) -> Iterator[int]:
    window = selection.window
    if selection.full_resync:
        for row in session.search(_ORDERS, ("orderId",), _SALES):
            yield number_in(row, "orderId")
    elif window is not None and not window.empty:
        yield from chain.from_iterable(changed_ids(session, _ORDERS, "orderId", _SALES, window))


def _record(id_text: str, kind: str, raw: bytes) -> bytes:
    """A note with its id, its kind and ``lines``: one per order row and product, summed over shelves."""
    rows = (decoded_as(_Note, raw) or _Note()).order_rows
    return with_members(
        raw, id=msgspec.json.encode(id_text), kind=msgspec.json.encode(kind), lines=_flat(bytes(rows))
    )


def _flat(rows: bytes) -> bytes:
    parts = decoded_as(dict[str, list[_Part]], rows)
    if parts is None:
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
