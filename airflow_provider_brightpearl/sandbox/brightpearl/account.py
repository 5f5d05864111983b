"""The state of one simulated account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ..clock import Clock
from ..system import SeedOptions
from . import reference_data
from .collection import Collection, Record
from .generated.customers import CustomerGenerator
from .generated.order_documents import OrderDocumentGenerator
from .generated.order_history import OrderHistory
from .generated.orders import FIRST_ROW, ROWS_AN_ORDER, OrderGenerator
from .generated.products import ProductGenerator
from .timestamps import AccountTimeZone
from .webhooks import LOG, Webhooks

_PLAIN_KEYS = {"order-status": "statusId", "contact-group": "contactGroupId", "tag": "tagId"}


class Account:
    """All collections of one account, with its settings and clock."""

    def __init__(self, settings: dict[str, object], clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.webhooks = Webhooks(self)
        self.searches: dict[Any, Any] = {}
        self.collections: dict[str, Collection] = {}
        self.options = SeedOptions()

    @property
    def zone(self) -> AccountTimeZone:
        """The time zone that the settings name at present."""
        wanted = (str(self.settings["time_zone"]), str(self.settings["zero_offset"]))
        if getattr(self, "_zone_of", None) != wanted:
            self._zone_of, self._zone = wanted, AccountTimeZone(*wanted)
        return self._zone

    def seed(self, options: SeedOptions) -> None:
        """Rebuild all collections."""
        self.options = options
        self.webhooks.clear()
        until = options.until or self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        last = int(until.timestamp())
        first = last - options.days * 86400
        zone, past = self.zone, (first - int(options.days * 86400 * 0.6), last)
        self.customers = CustomerGenerator(options.seed, options.customers, zone, *past)
        self.products = ProductGenerator(options.seed, options.products, zone, past[0], last - 86400)
        changes = zone.offset_changes(first, last)
        self.history = OrderHistory.build(
            options.seed, options.orders, options.customers, first, last, changes
        )
        per_base = self.settings["exchange_rate"] == "order_per_base"
        self.orders = OrderGenerator(
            options.seed, self.history, self.customers, self.products, zone, per_base
        )
        self.documents = OrderDocumentGenerator(self.orders, self.history, self.products)
        self.searches.clear()
        self.last_row = FIRST_ROW + ROWS_AN_ORDER * (len(self.history.ids) + 1)
        self.collections = self._collections()

    def _collections(self) -> dict[str, Collection]:
        documents = self.documents
        found = [
            Collection("order", "id", self.orders.records, 100_001),
            Collection("contact", "contactId", self.customers.contacts, 201),
            Collection("postal-address", "addressId", self.customers.addresses, 9001),
            Collection("product", "id", self.products.products, 1001),
            Collection("product-price", "productId", self.products.prices, 1001),
            Collection("product-availability", "", self.products.stock, 1001),
            Collection("goods-out-note", "goodsOutNoteId", documents.notes, 12_001),
            Collection("customer-payment", "paymentId", documents.payments, 81_201),
            Collection("drop-ship-note", "dropShipNoteId", first=31_001),
            Collection("order-note", "noteId"),
            Collection("reservation", "orderId"),
            Collection("stock-correction", "goodsNoteId", first=7001),
            Collection("webhook", "id", first=121),
            Collection(LOG, "deliveryId"),
            Collection("company", "companyId", first=501),
            Collection("goods-movement", "goodsMovementId", documents.movements, 500_001),
        ]
        for name, records in reference_data.reference_lists().items():
            found.append(_reference_collection(name, records))
        return {collection.name: collection for collection in found}

    def now(self) -> int:
        """The current time in whole seconds since 1970, the precision of stored timestamps."""
        return int(self.clock.now().timestamp())

    def stamp(self) -> str:
        """The current time as the API writes it."""
        return self.zone.format(self.now())

    def touch(self, record: Record, bump: bool = True) -> Record:
        """Mark a record as modified now, and return it; `bump` counts its version up."""
        record["updatedOn"] = self.stamp()
        if bump and isinstance(record.get("version"), int):
            record["version"] += 1
        return record

    def today(self) -> str:
        """Today's date as the API writes dates without a time."""
        return self.zone.format_date(self.now())


def _reference_collection(name: str, records: Iterable[Record]) -> Collection:
    key = _PLAIN_KEYS.get(name, "id")
    collection = Collection(name, key)
    for record in records:
        collection.put(record[key], dict(record))
    return collection


def day_of(text: str) -> int | None:
    """Midnight UTC, in seconds since 1970, of the date a text starts with; None if it has none."""
    try:
        return int(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC).timestamp())
    except (ValueError, TypeError):
        return None
