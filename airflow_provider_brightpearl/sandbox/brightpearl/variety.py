"""Records that an even history does not have: part shipped, part paid, purchases, suppliers, staff, nested bundles.

They are made through the API itself, so that every document fits the others, and then dated back into the history.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson

from .account import Account
from .collection import Record

Handle = Callable[[str, str, str, bytes], tuple[int, object]]
_COUNT = 3  # records of each kind
_STREETS = ("1 Mill Lane", "22 Dock Road", "7 Station Yard")


class Variety:
    """Adds the records to a freshly seeded account.

    Args:
        account: the account.
        handle: serves a request: method, path, query and body to status and body.
    """

    def __init__(self, account: Account, handle: Handle) -> None:
        self._account, self._handle = account, handle
        self._made: list[tuple[str, int]] = []

    def add(self) -> None:
        """Add all of them, the last one an hour before the end of the history."""
        products = self._account.collections["product"].ids()
        stocked = [id for id in products if self._account.collections["product-availability"].has(id)]
        if not stocked:
            return
        suppliers = [self._contact(n, "Supplier", isSupplier=True) for n in range(_COUNT)]
        staff = [self._contact(n, "Staff", isStaff=True) for n in range(_COUNT)]
        people = [self._contact(n, "Customer", second=True) for n in range(_COUNT)]
        for number in range(_COUNT):
            self._bare_product(number)
            self._nested_bundle(number, stocked)
            self._purchase("PO", suppliers[number], stocked[0])
            self._purchase("PC", suppliers[number], stocked[0])
            self._part_shipped(people[number], stocked[number % len(stocked)], staff[number])
            self._part_paid(people[number], stocked[number % len(stocked)])
            self._several_invoices(people[number], stocked[number % len(stocked)])
        self._date_back()

    def _call(self, method: str, path: str, body: Any) -> Any:
        status, found = self._handle(method, path, "", orjson.dumps(body))
        if status != 200 or not isinstance(found, dict):
            raise RuntimeError(f"{method} {path}: {status} {found}")
        return found.get("response")

    def _create(self, collection: str, path: str, body: Record) -> int:
        id = int(self._call("POST", path, body))
        self._made.append((collection, id))
        return id

    def _contact(self, number: int, kind: str, second: bool = False, **relation: bool) -> int:
        address = {"addressLine1": _STREETS[number], "addressLine3": "Bristol", "postalCode": "BS1 1AA"}
        place = self._call("POST", "contact-service/postal-address", address | {"countryIsoCode": "GBR"})
        name = f"{kind.lower()}{number + 1}"
        emails = {"PRI": {"email": f"{name}@example.test"}}
        if second:
            emails |= {
                "SEC": {"email": f"{name}.home@example.test"},
                "TER": {"email": f"{name}.old@example.test"},
            }
        body = {
            "firstName": kind,
            "lastName": ("Ash", "Birch", "Cedar")[number],
            "postAddressIds": {slot: place for slot in ("DEF", "BIL", "DEL")},
            "communication": {"emails": emails, "telephones": {"PRI": f"011700000{number:02d}"}},
        }
        if relation:
            body["relationshipToAccount"] = {"isSupplier": False, "isStaff": False, **relation}
        return self._create("contact", "contact-service/contact", body)

    def _product(self, name: str, sku: str, channels: tuple[str, ...], **more: Any) -> int:
        shown = [
            {"salesChannelName": channel, "productName": name, "productCondition": "new"}
            | {"categories": [{"categoryCode": "296"}]}
            for channel in channels
        ]
        body = {"brandId": 74, "salesChannels": shown, "identity": {"sku": sku}, **more}
        return self._create("product", "product-service/product", body)

    def _bare_product(self, number: int) -> None:
        """A product in two channels, of whose identity only some keys exist."""
        id = self._product(f"Loose item {number + 1}", f"LOOSE-{number + 1}", ("Brightpearl", "Web store EU"))
        identity: Record = [{"sku": f"LOOSE-{number + 1}"}, {"barcode": "5000000000017"}, {}][number]
        self._account.collections["product"].edit(id)["identity"] = identity

    def _nested_bundle(self, number: int, stocked: list[int]) -> None:
        """A set of two products, and a hamper of sets."""
        parts = [{"productId": id, "productQuantity": 1} for id in stocked[:2]]
        inner = {"bundle": True, "bundleComponents": parts}
        id = self._product(f"Pair {number + 1}", f"PAIR-{number + 1}", ("Brightpearl",), composition=inner)
        outer = {"bundle": True, "bundleComponents": [{"productId": id, "productQuantity": 2}]}
        self._product(f"Hamper {number + 1}", f"HAMPER-{number + 1}", ("Brightpearl",), composition=outer)

    def _purchase(self, kind: str, supplier: int, product: int) -> None:
        body = {
            "orderTypeCode": kind,
            "parties": {"supplier": {"contactId": supplier}},
            "reference": f"{kind}-A",
        }
        self._rows(self._create("order", "order-service/order", body), product, 10)

    def _order(self, customer: int, product: int, count: int, **more: Any) -> tuple[int, int]:
        body = {
            "orderTypeCode": "SO",
            "parties": {"customer": {"contactId": customer}},
            "reference": "VAR",
            **more,
        }
        id = self._create("order", "order-service/order", body)
        return id, self._rows(id, product, count)

    def _rows(self, order: int, product: int, count: int) -> int:
        value = {
            "taxCode": "T20",
            "rowNet": {"value": f"{count * 10}.00"},
            "rowTax": {"value": f"{count * 2}.00"},
        }
        row = {"productId": product, "quantity": {"magnitude": str(count)}, "rowValue": value}
        return int(self._call("POST", f"order-service/order/{order}/row", row))

    def _part_shipped(self, customer: int, product: int, staff: int) -> None:
        """Five pieces ordered, two shipped, two on an open note."""
        current = {"channelId": 2, "staffOwnerContactId": staff}
        order, row = self._order(customer, product, 5, assignment={"current": current})
        for shipped in (True, False):
            goods = [{"productId": product, "salesOrderRowId": row, "quantity": 2}]
            path = f"warehouse-service/order/{order}/goods-note/goods-out"
            (note,) = self._call("POST", path, {"warehouses": [{"warehouseId": 2, "products": goods}]})
            self._made.append(("goods-out-note", note))
            if shipped:
                path = f"warehouse-service/goods-note/goods-out/{note}/event"
                self._call("POST", path, {"events": [{"eventCode": "SHW"}]})

    def _part_paid(self, customer: int, product: int) -> None:
        order, _ = self._order(customer, product, 2)
        payment: Record = {
            "transactionRef": f"PART-{order}",
            "paymentMethodCode": "BACS",
            "paymentType": "RECEIPT",
        }
        payment |= {"orderId": order, "currencyIsoCode": "GBP", "paymentDate": self._account.stamp()}
        body = payment | {"amountPaid": 10}
        self._create("customer-payment", "accounting-service/customer-payment", body)

    def _several_invoices(self, customer: int, product: int) -> None:
        order, _ = self._order(customer, product, 4)
        self._call("POST", f"order-service/sales-order/{order}/close", {})
        record = self._account.collections["order"].edit(order)
        (first,) = record["invoices"]
        record["invoices"] = [first, first | {"invoiceReference": f"SI-{order}-2"}]

    def _date_back(self) -> None:
        """Give the records times within the history, in the order in which they were made."""
        until = self._account.options.until or self._account.clock.now()
        until = (
            until if self._account.options.until else until.replace(hour=0, minute=0, second=0, microsecond=0)
        )
        first = until - timedelta(hours=1 + len(self._made))
        for number, (name, id) in enumerate(self._made):
            record = self._account.collections[name].edit(id)
            text = self._account.zone.format(int((first + timedelta(hours=number)).timestamp()))
            for key in ("createdOn", "placedOn", "updatedOn", "releaseDate", "paymentDate"):
                if key in record:
                    record[key] = text
            if name == "goods-out-note":
                status = record["status"]
                record["status"] = {
                    key: text if key.endswith("On") else value for key, value in status.items()
                }
                record["events"] = [event | {"occured": text} for event in record["events"]]
