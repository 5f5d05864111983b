"""The state of one simulated account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ..clock import Clock
from ..system import Size
from . import reference_data
from .collection import Base, Collection, Record
from .generated.customers import Customers
from .generated.order_documents import Papers
from .generated.order_history import History
from .generated.orders import FIRST_ROW, ROWS_AN_ORDER, Orders
from .generated.products import Catalogue
from .timestamps import Zone

_PLAIN_KEYS = {"order-status": "statusId", "contact-group": "contactGroupId", "tag": "tagId"}


class World:
    """All collections of an account, built from a size, and the settings and time they live under."""

    def __init__(self, settings: dict[str, object], clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.searches: dict[Any, Any] = {}
        self.collections: dict[str, Collection] = {}
        self.seeded = Size()

    @property
    def zone(self) -> Zone:
        """The time zone of the account as the settings have it now."""
        wanted = (str(self.settings["time_zone"]), str(self.settings["zero_offset"]))
        if getattr(self, "_zone_of", None) != wanted:
            self._zone_of, self._zone = wanted, Zone(*wanted)
        return self._zone

    def seed(self, size: Size) -> None:
        """Build everything anew."""
        self.seeded = size
        until = size.until or self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        last = int(until.timestamp())
        first = last - size.days * 86400
        zone, past = self.zone, (first - int(size.days * 86400 * 0.6), last)
        self.customers = Customers(size.seed, size.customers, zone, *past)
        self.catalogue = Catalogue(size.seed, size.products, zone, past[0], last - 86400)
        changes = zone.changes(first, last)
        self.history = History.build(size.seed, size.orders, size.customers, first, last, changes)
        per_base = self.settings["exchange_rate"] == "order_per_base"
        self.orders = Orders(size.seed, self.history, self.customers, self.catalogue, zone, per_base)
        self.papers = Papers(self.orders, self.history, self.catalogue)
        self.searches.clear()
        self.last_row = FIRST_ROW + ROWS_AN_ORDER * (len(self.history.ids) + 1)
        self.collections = self._collections()

    def _collections(self) -> dict[str, Collection]:
        papers = self.papers
        found = [
            Collection("order", "id", self.orders.base(), 100_001),
            Collection("contact", "contactId", self.customers.contacts(), 201),
            Collection("postal-address", "addressId", self.customers.addresses(), 9001),
            Collection("product", "id", self.catalogue.products(), 1001),
            Collection("product-price", "productId", self.catalogue.prices(), 1001),
            Collection("product-availability", "", self.catalogue.stock(), 1001),
            Collection("goods-out-note", "goodsOutNoteId", papers.notes(), 12_001),
            Collection("customer-payment", "paymentId", papers.payments(), 81_201),
            Collection("drop-ship-note", "dropShipNoteId", first=31_001),
            Collection("order-note", "noteId"),
            Collection("stock-correction", "goodsNoteId", first=7001),
            Collection("webhook", "id", first=121),
            Collection("company", "companyId", first=501),
            _Movements("goods-movement", "goodsMovementId", papers),
        ]
        for name, records in reference_data.plain_lists().items():
            found.append(_plain(name, records))
        return {collection.name: collection for collection in found}

    def now(self) -> int:
        """This moment in whole seconds, as stamps are stored."""
        return int(self.clock.now().timestamp())

    def stamp(self) -> str:
        """This moment as a stamp."""
        return self.zone.text(self.now())

    def touch(self, record: Record) -> Record:
        """Mark a record as modified now."""
        record["updatedOn"] = self.stamp()
        if isinstance(record.get("version"), int):
            record["version"] += 1
        return record

    def today(self) -> str:
        """The date of today, as dates without a time are shown."""
        return self.zone.day(self.now())


class _Movements(Collection):
    """Goods movements: found out only when somebody asks, since it takes every shipped order."""

    def __init__(self, name: str, key: str, papers: Papers) -> None:
        super().__init__(name, key, first=500_001)
        self._papers, self._made = papers, False

    @property
    def base(self) -> Base:
        """The movements of the generated shipments."""
        if self.__dict__.get("_made") is False:
            self._made, self._base = True, self._papers.movements()
            self.last = max(self.last, *self._base.ids.tolist()[-1:], 0)
        return self._base

    @base.setter
    def base(self, value: Base) -> None:
        self._base = value

    def add(self, record: Record) -> int:
        """Store one more movement, after all generated ones."""
        len(self.base.ids)
        return super().add(record)


def _plain(name: str, records: Iterable[Record]) -> Collection:
    key = _PLAIN_KEYS.get(name, "id")
    collection = Collection(name, key)
    for record in records:
        collection.put(record[key], dict(record))
    return collection


def day_of(text: str) -> int | None:
    """Midnight UTC of a date written at the start of a text; None when there is none."""
    try:
        return int(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC).timestamp())
    except (ValueError, TypeError):
        return None
