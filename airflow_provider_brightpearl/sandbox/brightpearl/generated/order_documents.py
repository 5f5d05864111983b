"""What follows from orders: goods-out notes, the movements they cause, and payments."""

from __future__ import annotations

import numpy as np

from ..collection import Base, Record
from ..reference_data import CURRENCY_IDS, PAYMENT_METHODS, STAFF
from .order_history import BACK, INVOICED, READY, WEB, History
from .orders import Orders
from .products import Catalogue

FIRST_NOTE, FIRST_PAYMENT, FIRST_MOVEMENT = 12_001, 81_201, 500_001
PICKER = 203


class Papers:
    """Makes the papers of the generated orders."""

    def __init__(self, orders: Orders, history: History, catalogue: Catalogue) -> None:
        self.orders, self.history, self.catalogue = orders, history, catalogue

    def notes(self) -> Base:
        """One goods-out note of every order that is shipped or being shipped."""
        past = self.history
        places = np.flatnonzero(~past.credit & np.isin(past.status, (INVOICED, READY)))
        columns = {"shippedOn": past.shipped[places], "createdOn": past.created[places] + 60}
        columns["orderId"] = past.ids[places]
        return Base(FIRST_NOTE + places, columns, lambda at: self.note(places.item(at)))

    def payments(self) -> Base:
        """One receipt of every order that was paid."""
        past = self.history
        places = np.flatnonzero(~past.credit & np.isin(past.status, (INVOICED, READY, BACK, WEB)))
        columns = {"createdOn": past.created[places] + 5, "paymentDate": past.created[places]}
        columns["orderId"] = past.ids[places]
        return Base(FIRST_PAYMENT + places, columns, lambda at: self.payment(places.item(at)))

    def movements(self) -> Base:
        """One movement of every shipped row whose stock is tracked."""
        ids, updated, rows = [], [], []
        for place in np.flatnonzero(self.history.shipped > 0).tolist():
            order = self.orders.make(place)
            for number, (row, product, count, value) in enumerate(self._tracked(order)):
                ids.append(FIRST_MOVEMENT + place * 16 + number)
                updated.append(self.history.shipped.item(place))
                rows.append((place, order["warehouseId"], row, product, count, value))
        columns = {"updatedOn": np.array(updated, dtype=np.int64)}
        return Base(np.array(ids, dtype=np.int64), columns, lambda at: self._movement(ids[at], rows[at]))

    def note(self, place: int) -> Record:
        """The goods-out note of one order."""
        order, past, text = self.orders.make(place), self.history, self.orders.zone.text
        made, shipped = past.created.item(place) + 60, past.shipped.item(place)
        events = [{"occured": text(made), "eventOwnerId": PICKER, "eventCode": "PLA"}]
        if shipped:
            events.append({"occured": text(shipped), "eventOwnerId": STAFF, "eventCode": "SHW"})
        warehouse = order["warehouseId"]
        parts = {
            str(row): [{"productId": product, "quantity": count, "locationId": 2}]
            for row, product, count, _ in self._tracked(order)
        }
        return {
            "goodsOutNoteId": FIRST_NOTE + place,
            "orderId": order["id"],
            "warehouseId": warehouse,
            "channelId": order["assignment"]["current"]["channelId"],
            "transfer": False,
            "priority": False,
            "status": progress(text(shipped) if shipped else None),
            "shipping": {
                "reference": f"TRACK-{order['id']}" if shipped else "",
                "shippingMethodId": order["delivery"]["shippingMethodId"],
                "boxes": 1,
                "weight": "0.50",
            },
            "releaseDate": text(made),
            "createdOn": text(made),
            "createdBy": PICKER,
            "orderRows": parts,
            "sequence": 1,
            "events": events,
            "lastEventVersion": 700_000 + place,
            "labelUri": "",
        }

    def payment(self, place: int) -> Record:
        """The receipt of one order."""
        order, created = self.orders.make(place), self.history.created.item(place)
        code = order["currency"]["orderCurrencyCode"]
        return {
            "paymentId": FIRST_PAYMENT + place,
            "transactionRef": f"PSP-{order['id']}",
            "transactionCode": f"AUTH{place}",
            "paymentMethodCode": PAYMENT_METHODS[place % len(PAYMENT_METHODS)][0],
            "paymentType": "RECEIPT",
            "orderId": order["id"],
            "currencyId": CURRENCY_IDS[code],
            "currencyCode": code,
            "amountAuthorized": "0.00",
            "amountPaid": order["totalValue"]["total"],
            "expires": None,
            "paymentDate": self.orders.zone.text(created),
            "createdOn": self.orders.zone.text(created + 5),
            "journalId": 91_201 + place,
        }

    def _tracked(self, order: Record) -> list[tuple[int, int, int, str]]:
        found = []
        for row, line in order["orderRows"].items():
            spot = int(np.searchsorted(self.catalogue.ids, line["productId"]))
            if line["productId"] != 1000 and self.catalogue.article(spot).tracked:
                count = int(line["quantity"]["magnitude"].split(".")[0])
                found.append((int(row), line["productId"], count, line["itemCost"]["value"]))
        return found

    def _movement(self, id: int, row: tuple[int, int, int, int, int, str]) -> Record:
        place, warehouse, row_id, product, count, value = row
        return {
            "goodsMovementId": id,
            "productId": product,
            "salesOrderRowId": row_id,
            "purchaseOrderRowId": None,
            "quantity": -count,
            "destinationLocationId": 2,
            "warehouseId": warehouse,
            "goodsNoteId": FIRST_NOTE + place,
            "productValue": value,
            "currencyCode": "GBP",
            "orderId": self.history.ids.item(place),
            "isCleared": True,
            "isQuarantine": False,
            "batchId": None,
            "goodsNoteTypeCode": "GO",
            "updatedOn": self.orders.zone.text(self.history.shipped.item(place)),
        }


def progress(shipped: str | None) -> Record:
    """How far a note has come; what is not done yet lacks its time and person."""
    steps = ("printed", "picked", "packed", "shipped")
    found: Record = {step: bool(shipped) for step in steps}
    for step in steps if shipped else ():
        found |= {f"{step}On": shipped, f"{step}ById": STAFF}
    return found
