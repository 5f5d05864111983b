"""Generates what follows from orders: goods-out notes, goods movements and payments."""

from __future__ import annotations

import numpy as np

from ..collection import GeneratedRecords, Record
from ..reference_data import CURRENCY_IDS, PAYMENT_METHODS, STAFF
from .order_history import BACK, INVOICED, READY, WEB, OrderHistory
from .orders import OrderGenerator
from .products import ProductGenerator

FIRST_NOTE, FIRST_PAYMENT, FIRST_MOVEMENT = 12_001, 81_201, 500_001
PICKER = 203


class OrderDocumentGenerator:
    """Generates the documents of the generated orders."""

    def __init__(self, orders: OrderGenerator, history: OrderHistory, products: ProductGenerator) -> None:
        self.orders, self.history, self.products = orders, history, products

    def notes(self) -> GeneratedRecords:
        """One goods-out note per order that is shipped or ready to ship."""
        history = self.history
        indices = np.flatnonzero(~history.credit & np.isin(history.status, (INVOICED, READY)))
        columns = {"shippedOn": history.shipped[indices], "createdOn": history.created[indices] + 60}
        columns["orderId"] = history.ids[indices]
        return GeneratedRecords(FIRST_NOTE + indices, columns, lambda at: self.note(indices.item(at)))

    def payments(self) -> GeneratedRecords:
        """One receipt per paid order."""
        history = self.history
        indices = np.flatnonzero(~history.credit & np.isin(history.status, (INVOICED, READY, BACK, WEB)))
        columns = {"createdOn": history.created[indices] + 5, "paymentDate": history.created[indices]}
        columns["orderId"] = history.ids[indices]
        return GeneratedRecords(FIRST_PAYMENT + indices, columns, lambda at: self.payment(indices.item(at)))

    def movements(self) -> GeneratedRecords:
        """One movement per shipped row of a product whose stock is tracked."""
        ids, updated, rows = [], [], []
        for index in np.flatnonzero(self.history.shipped > 0).tolist():
            order = self.orders.record(index)
            for number, (row, product, count, value) in enumerate(self._tracked(order)):
                ids.append(FIRST_MOVEMENT + index * 16 + number)
                updated.append(self.history.shipped.item(index))
                rows.append((index, order["warehouseId"], row, product, count, value))
        columns = {"updatedOn": np.array(updated, dtype=np.int64)}
        return GeneratedRecords(
            np.array(ids, dtype=np.int64), columns, lambda at: self._movement(ids[at], rows[at])
        )

    def note(self, index: int) -> Record:
        """The goods-out note of an order."""
        order, history, text = self.orders.record(index), self.history, self.orders.zone.format
        made, shipped = history.created.item(index) + 60, history.shipped.item(index)
        events = [{"occured": text(made), "eventOwnerId": PICKER, "eventCode": "PLA"}]
        if shipped:
            events.append({"occured": text(shipped), "eventOwnerId": STAFF, "eventCode": "SHW"})
        warehouse = order["warehouseId"]
        parts = {
            str(row): [{"productId": product, "quantity": count, "locationId": 2}]
            for row, product, count, _ in self._tracked(order)
        }
        return {
            "goodsOutNoteId": FIRST_NOTE + index,
            "orderId": order["id"],
            "warehouseId": warehouse,
            "channelId": order["assignment"]["current"]["channelId"],
            "transfer": False,
            "priority": False,
            "status": note_status(text(shipped) if shipped else None),
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
            "lastEventVersion": 700_000 + index,
            "labelUri": "",
        }

    def payment(self, index: int) -> Record:
        """The receipt of an order."""
        order, created = self.orders.record(index), self.history.created.item(index)
        code = order["currency"]["orderCurrencyCode"]
        return {
            "paymentId": FIRST_PAYMENT + index,
            "transactionRef": f"PSP-{order['id']}",
            "transactionCode": f"AUTH{index}",
            "paymentMethodCode": PAYMENT_METHODS[index % len(PAYMENT_METHODS)][0],
            "paymentType": "RECEIPT",
            "orderId": order["id"],
            "currencyId": CURRENCY_IDS[code],
            "currencyCode": code,
            "amountAuthorized": "0.00",
            "amountPaid": order["totalValue"]["total"],
            "expires": None,
            "paymentDate": self.orders.zone.format(created),
            "createdOn": self.orders.zone.format(created + 5),
            "journalId": 91_201 + index,
        }

    def _tracked(self, order: Record) -> list[tuple[int, int, int, str]]:
        found = []
        for row, line in order["orderRows"].items():
            spot = int(np.searchsorted(self.products.ids, line["productId"]))
            if line["productId"] != 1000 and self.products.item(spot).tracked:
                count = int(line["quantity"]["magnitude"].split(".")[0])
                found.append((int(row), line["productId"], count, line["itemCost"]["value"]))
        return found

    def _movement(self, id: int, row: tuple[int, int, int, int, int, str]) -> Record:
        index, warehouse, row_id, product, count, value = row
        return {
            "goodsMovementId": id,
            "productId": product,
            "salesOrderRowId": row_id,
            "purchaseOrderRowId": None,
            "quantity": -count,
            "destinationLocationId": 2,
            "warehouseId": warehouse,
            "goodsNoteId": FIRST_NOTE + index,
            "productValue": value,
            "currencyCode": "GBP",
            "orderId": self.history.ids.item(index),
            "isCleared": True,
            "isQuarantine": False,
            "batchId": None,
            "goodsNoteTypeCode": "GO",
            "updatedOn": self.orders.zone.format(self.history.shipped.item(index)),
        }


def note_status(shipped: str | None) -> Record:
    """The status of a note: all steps done at `shipped`, or none, then without times and persons."""
    steps = ("printed", "picked", "packed", "shipped")
    found: Record = {step: bool(shipped) for step in steps}
    for step in steps if shipped else ():
        found |= {f"{step}On": shipped, f"{step}ById": STAFF}
    return found
