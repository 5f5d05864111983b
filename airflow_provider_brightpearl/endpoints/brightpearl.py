"""Brightpearl's streams: which search finds changed records, where they are read, what is joined to them.

An order that was never changed after its creation has no ``updatedOn``, so a window is two searches that cannot find
the same record: created in the window, and changed in the window but created before it.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from math import ceil
from typing import Any

import msgspec

from airflow_provider_brightpearl.clients.brightpearl import MAX_IDS, MAX_PAGE, BrightpearlClient, period
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.endpoints.brightpearl_columns import CONTACT, ORDER, PRODUCT

log = logging.getLogger(__name__)

# records joined at a time; large enough that joined ids fill their calls
_CHUNK = 10 * MAX_IDS


@dataclass(slots=True)
class Reading:
    """One stream being read, with what it found, to tell the fewest calls it could have taken."""

    client: BrightpearlClient
    searched: list[int] = field(default_factory=list)
    fetched: dict[str, int] = field(default_factory=dict)

    def records(self, path: str, ids: Iterable[int], params: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Records by id, counted."""
        wanted = sorted(set(ids))
        self.fetched[path] = self.fetched.get(path, 0) + len(wanted)
        return self.client.get_records(path, wanted, params=params) if wanted else iter(())

    @property
    def fewest_calls(self) -> int:
        searches = sum(max(1, ceil(found / MAX_PAGE)) for found in self.searched)
        return searches + sum(ceil(count / MAX_IDS) for count in self.fetched.values())


Join = Callable[[Reading, Sequence[bytes]], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Stream:
    """One row of the table of streams."""

    schema: StreamSchema
    search: str
    id_column: str
    resource: str
    filters: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    join: Join | None = None


class _Contact(msgspec.Struct):
    postAddressIds: dict[str, int] = {}


class _Address(msgspec.Struct):
    addressId: int


class _Product(msgspec.Struct):
    id: int
    salesChannels: list[msgspec.Raw] = []


class _Prices(msgspec.Struct):
    productId: int
    priceLists: msgspec.Raw = msgspec.Raw(b"[]")


def _with(record: bytes, **parts: bytes) -> bytes:
    """A JSON object with more members, its own characters untouched."""
    members = b"".join(b',"' + name.encode() + b'":' + part for name, part in parts.items())
    return record.rstrip()[:-1] + members + b"}"


def join_addresses(reading: Reading, records: Sequence[bytes]) -> Iterator[bytes]:
    """Contacts with ``addresses`` by kind: DEF, BIL, DEL."""
    contacts = [msgspec.json.decode(record, type=_Contact) for record in records]
    wanted = {address for contact in contacts for address in contact.postAddressIds.values() if address}
    found = reading.records("contact-service/postal-address", wanted)
    addresses = {msgspec.json.decode(raw, type=_Address).addressId: raw for raw in found}
    for record, contact in zip(records, contacts, strict=True):
        kinds = [
            f'"{kind}":'.encode() + addresses[address]
            for kind, address in contact.postAddressIds.items()
            if address in addresses
        ]
        yield _with(record, addresses=b"{" + b",".join(kinds) + b"}")


def join_prices(reading: Reading, records: Sequence[bytes]) -> Iterator[bytes]:
    """Products with ``priceLists`` from product-price and ``channel``, their first sales channel."""
    products = [msgspec.json.decode(record, type=_Product) for record in records]
    found = reading.records("product-service/product-price", {product.id for product in products})
    prices = {price.productId: price for price in (msgspec.json.decode(raw, type=_Prices) for raw in found)}
    for record, product in zip(records, products, strict=True):
        parts = {"priceLists": bytes(prices[product.id].priceLists)} if product.id in prices else {}
        if product.salesChannels:
            parts["channel"] = bytes(product.salesChannels[0])
        yield _with(record, **parts)


_CUSTOM = {"includeOptional": "customFields"}

STREAMS: dict[str, Stream] = {
    "contacts": Stream(
        CONTACT,
        "contact-service/contact-search",
        "contactId",
        "contact-service/contact",
        filters={"isSupplier": "false", "isStaff": "false"},
        params=_CUSTOM,
        join=join_addresses,
    ),
    "products": Stream(
        PRODUCT,
        "product-service/product-search",
        "productId",
        "product-service/product",
        params=_CUSTOM,
        join=join_prices,
    ),
    "sales_orders": Stream(
        ORDER,
        "order-service/order-search",
        "orderId",
        "order-service/order",
        filters={"orderTypeId": "1"},
        params=_CUSTOM,
    ),
}


class BrightpearlSource:
    """Reads one stream of an account."""

    def __init__(self, client: BrightpearlClient, stream: Stream) -> None:
        self.stream = stream
        self.reading = Reading(client)

    @property
    def calls(self) -> int:
        return self.reading.client.calls

    @property
    def fewest_calls(self) -> int:
        return self.reading.fewest_calls

    def read(self, selection: Selection) -> Iterator[bytes]:
        """Raw records, every id once; ids found by a search but gone when read are logged."""
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
        if selection.window is not None and not selection.window.empty:
            yield from self._window(selection.window)

    def _window(self, window: Window) -> Iterator[Iterable[int]]:
        inside = period(window.start, window.end)
        yield self._search({"createdOn": inside}, lambda row: _instant(row["createdOn"]) in window)
        if window.start is not None:
            start = window.start
            yield self._search(
                {"updatedOn": inside, "createdOn": period(None, start)},
                lambda row: _instant(row["updatedOn"]) in window and _instant(row["createdOn"]) < start,
            )

    def _search(self, filters: Mapping[str, str], wanted: Callable[[Mapping[str, Any]], bool]) -> Iterator[int]:
        place = len(self.reading.searched)
        self.reading.searched.append(0)
        columns = (self.stream.id_column, "createdOn", "updatedOn")
        rows = self.reading.client.search(
            self.stream.search,
            columns=columns,
            filters={**self.stream.filters, **filters},
            sort=self.stream.id_column,
        )
        for row in rows:
            self.reading.searched[place] += 1
            # whether a period's ends belong to it is not documented: the window decides
            if wanted(row):
                yield int(row[self.stream.id_column])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
