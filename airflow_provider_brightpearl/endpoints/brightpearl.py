"""Brightpearl's streams: which search finds changed records, where they are read, what is joined to them.

An order that was never changed after its creation has no ``updatedOn``, so a window is two searches that cannot find
the same record: created in the window, and changed in the window but created before it.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any, TypeVar

import msgspec

from airflow_provider_brightpearl.clients.brightpearl import MAX_IDS, BrightpearlClient, period
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.core.work import Found, Outlook
from airflow_provider_brightpearl.endpoints.brightpearl_columns import (
    AVAILABILITY,
    CONTACT,
    CREDIT,
    ORDER,
    PAYMENT,
    PRODUCT,
    SHIPMENT,
)
from airflow_provider_brightpearl.endpoints.brightpearl_credits import join_originals
from airflow_provider_brightpearl.endpoints.brightpearl_outlook import (
    Follow,
    Foresee,
    by_id,
    of_stock,
)
from airflow_provider_brightpearl.endpoints.brightpearl_payments import read_payments
from airflow_provider_brightpearl.endpoints.brightpearl_reading import Counting, Reading, with_members
from airflow_provider_brightpearl.endpoints.brightpearl_shipments import (
    NOTES_A_CALL,
    read_goods_out,
    read_shipments,
)
from airflow_provider_brightpearl.endpoints.brightpearl_stock import read_availability, untracked

T = TypeVar("T")
log = logging.getLogger(__name__)

# records joined at a time; large enough that joined ids fill their calls
_CHUNK = 10 * MAX_IDS
# searches are told milliseconds and may leave out their ends, so they look a little further than the window
_MARGIN = timedelta(milliseconds=1)

Join = Callable[[Reading, Sequence[bytes]], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Stream:
    """One row of the table of streams."""

    schema: StreamSchema
    foresee: Foresee
    search: str = ""
    id_column: str = ""
    resource: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    join: Join | None = None
    # reads the stream in a way of its own, where search and records by id do not fit
    read: Callable[[Reading, Selection], Iterator[bytes]] | None = None
    # a search of windows that only follows where the first one found something
    later: Callable[[Reading], Sequence[int]] | None = None


class _Contact(msgspec.Struct):
    postAddressIds: msgspec.Raw = msgspec.Raw(b"{}")


class _Address(msgspec.Struct):
    addressId: int


class _Product(msgspec.Struct):
    id: msgspec.Raw
    salesChannels: msgspec.Raw = msgspec.Raw(b"[]")


class _Prices(msgspec.Struct):
    productId: int
    priceLists: msgspec.Raw = msgspec.Raw(b"[]")


def _as(kind: type[T], raw: bytes) -> T | None:
    """A part of a record, None where it has another shape: one such record must not stop the others."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return None


def join_addresses(reading: Reading, records: Sequence[bytes]) -> Iterator[bytes]:
    """Contacts with ``addresses`` by kind: DEF, BIL, DEL; ids that are none stand there for the mapping to refuse."""
    named = [bytes(msgspec.json.decode(record, type=_Contact).postAddressIds) for record in records]
    known = [_as(dict[str, int | None], raw) for raw in named]
    wanted = {address for kinds in known for address in (kinds or {}).values() if address}
    found = reading.records("contact-service/postal-address", wanted)
    addresses = {msgspec.json.decode(raw, type=_Address).addressId: raw for raw in found}
    for record, raw, kinds in zip(records, named, known, strict=True):
        yield with_members(record, addresses=raw if kinds is None else _by_kind(kinds, addresses))


def _by_kind(kinds: Mapping[str, int | None], addresses: Mapping[int, bytes]) -> bytes:
    parts = [
        msgspec.json.encode(kind) + b":" + addresses[number]
        for kind, number in kinds.items()
        if number and number in addresses
    ]
    return b"{" + b",".join(parts) + b"}"


def join_prices(reading: Reading, records: Sequence[bytes]) -> Iterator[bytes]:
    """Products with ``priceLists`` from product-price and ``channel``, their first sales channel."""
    products = [msgspec.json.decode(record, type=_Product) for record in records]
    ids = [_as(int, product.id) for product in products]
    found = reading.records("product-service/product-price", {number for number in ids if number is not None})
    prices = {price.productId: price for price in (msgspec.json.decode(raw, type=_Prices) for raw in found)}
    for record, number, product in zip(records, ids, products, strict=True):
        parts = {"priceLists": bytes(prices[number].priceLists)} if number in prices else {}
        channels = _as(list[msgspec.Raw], product.salesChannels)
        if channels is None or channels:
            parts["channel"] = bytes(product.salesChannels if channels is None else channels[0])
        yield with_members(record, **parts)


_NOTES = Follow(
    "goods-note/goods-out", batch=NOTES_A_CALL, of="warehouse-service/goods-note/goods-out-search"
)
_CUSTOM = {"includeOptional": "customFields"}

STREAMS: dict[str, Stream] = {
    "contacts": Stream(
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
    "products": Stream(
        PRODUCT,
        by_id(Follow("product-service/product"), Follow("product-service/product-price")),
        "product-service/product-search",
        "productId",
        "product-service/product",
        params=_CUSTOM,
        join=join_prices,
    ),
    "sales_orders": Stream(
        ORDER,
        by_id(Follow("order-service/order")),
        "order-service/order-search",
        "orderId",
        "order-service/order",
        filters={"orderTypeId": "1"},
        params=_CUSTOM,
    ),
    "sales_credits": Stream(
        CREDIT,
        by_id(Follow("order-service/order"), Follow("order-service/order", step="originals")),
        "order-service/order-search",
        "orderId",
        "order-service/order",
        filters={"orderTypeId": "3"},
        params=_CUSTOM,
        join=join_originals,
    ),
    "payments": Stream(PAYMENT, by_id(Follow("order-service/order")), read=read_payments),
    "availability": Stream(AVAILABILITY, of_stock, read=read_availability, later=untracked),
    "shipments": Stream(
        SHIPMENT,
        by_id(_NOTES, Follow("goods-note/drop-ship", of="order-service/order-search"), records_of=_NOTES.of),
        read=read_shipments,
    ),
    "goods_out_notes": Stream(SHIPMENT, by_id(_NOTES, records_of=_NOTES.of), read=read_goods_out),
}


class BrightpearlSource:
    """Reads one stream of an account."""

    def __init__(self, client: BrightpearlClient, stream: Stream, reading: Reading | None = None) -> None:
        self.stream = stream
        self.reading = reading or Reading(client)

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    @property
    def fewest_calls(self) -> int:
        return self.reading.fewest_calls

    def find(self, selection: Selection) -> Found:
        """How many rows the searches of a selection have, asked for in one small call each."""
        counting = BrightpearlSource(self.reading.client, self.stream, Counting(self.reading.client))
        for _ in counting.read(replace(selection, ids=())):
            pass
        of_window = selection.window is not None and selection.window.start and not selection.everything
        if self.stream.later and of_window and any(counting.reading.searched):
            self.stream.later(counting.reading)
        return counting.found(selection)

    def found(self, selection: Selection) -> Found:
        """How many rows the searches had in what was read."""
        return Found(tuple(self.reading.searched), self.reading.found, len(selection.ids))

    def foresee(self, found: Found) -> Outlook:
        """What reading will take where the searches find this."""
        return self.stream.foresee(found)

    def read(self, selection: Selection) -> Iterator[bytes]:
        """Raw records, every id once; ids found by a search but gone when read are logged."""
        if self.stream.read is not None:
            yield from self.stream.read(self.reading, selection)
            return
        ids = (number for number, _ in groupby(heapq.merge(*self._finds(selection))))
        found = read = 0
        while chunk := list(islice(ids, _CHUNK)):
            found += len(chunk)
            for record in self._read(chunk):
                read += 1
                yield record
        if found > read:
            log.warning("%s: %s of %s ids were gone when read", self.stream.resource, found - read, found)

    def _read(self, ids: Sequence[int]) -> Iterator[bytes]:
        records = self.reading.records(self.stream.resource, ids, self.stream.params)
        join = self.stream.join
        return join(self.reading, list(records)) if join else records

    def _finds(self, selection: Selection) -> Iterator[Iterable[int]]:
        if selection.ids:
            yield sorted(int(text) for text in selection.ids if text.isdigit())
        if selection.everything:
            yield self._search({}, lambda row: True)
        elif selection.window is not None and not selection.window.empty:
            yield from self._window(selection.window)

    def _window(self, window: Window) -> Iterator[Iterable[int]]:
        inside = period(window.start and window.start - _MARGIN, window.end + _MARGIN)
        yield self._search({"createdOn": inside}, lambda row: _instant(row["createdOn"]) in window)
        if window.start is not None:
            start = window.start
            yield self._search(
                {"updatedOn": inside, "createdOn": period(None, start + _MARGIN)},
                lambda row: _instant(row["updatedOn"]) in window and _instant(row["createdOn"]) < start,
            )

    def _search(
        self, filters: Mapping[str, str], wanted: Callable[[Mapping[str, Any]], bool]
    ) -> Iterator[int]:
        columns = (self.stream.id_column, "createdOn", "updatedOn")
        for row in self.reading.search(self.stream.search, columns, {**self.stream.filters, **filters}):
            # whether a period's ends belong to it is not documented: the window decides
            if wanted(row):
                yield int(row[self.stream.id_column])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
