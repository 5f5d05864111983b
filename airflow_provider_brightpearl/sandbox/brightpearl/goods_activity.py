"""A day in the warehouse: stock corrections, shipments, drop-shipments and sales credits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice

from . import reference_data
from .account import Account
from .collection import Record
from .generated.order_documents import note_status
from .stock_movements import (
    create_goods_out_note,
    move_stock,
    record_movement,
    ship_note,
    unshipped_quantities,
    update_shipping_status,
)

_SUPPLIER, _PURCHASE = 198, 90_001


class GoodsActivity:
    """Pseudo-random goods events, drawn from the same sequence as the rest of the day."""

    def __init__(self, account: Account, draw: Callable[[], int]) -> None:
        self.account, self._draw = account, draw

    def run(self, name: str, count: int) -> list[int]:
        """Make up to `count` events of one kind; returns the ids of the products, notes or credits affected."""
        events = {
            "stock_corrected": self._correct_stock,
            "notes_shipped": self._ship_open_notes,
            "parts_shipped": self._ship_one_piece,
            "drop_shipped": self._drop_ship,
            "credits_created": self._create_credits,
        }
        return sorted(islice(events[name](), count))

    def _shuffled(self, ids: list[int]) -> Iterator[int]:
        while ids:
            index = self._draw() % len(ids)
            ids[index], ids[-1] = ids[-1], ids[index]
            yield ids.pop()

    def _correct_stock(self) -> Iterator[int]:
        stock = self.account.collections["product-availability"]
        for product in self._shuffled(stock.ids()):
            warehouse = sorted((stock.get(product) or {})["warehouses"])[0]
            quantity = 1 + self._draw() % 9
            move_stock(self.account, product, warehouse, quantity)
            cost = {"currency": "GBP", "value": 1}
            goods: Record = {"productId": product, "quantity": quantity, "destinationLocationId": 2}
            goods |= {"batchGoodsNoteId": 0, "productValue": cost, "createdOn": self.account.stamp()}
            note = {"warehouseId": int(warehouse), "reason": "count", "goodsMoved": [goods]}
            id = self.account.collections["stock-correction"].add(note)
            record_movement(self.account, id, product, int(warehouse), quantity, "SC", "1.0000")
            yield product

    def _ship_open_notes(self) -> Iterator[int]:
        notes = self.account.collections["goods-out-note"]
        open_ones = [id for id in notes.ids() if not (notes.get(id) or {})["status"]["shipped"]]
        for id in self._shuffled(open_ones):
            self._ship(id)
            yield id

    def _ship_one_piece(self) -> Iterator[int]:
        """Ship one piece of one row, for orders with more than one piece unshipped."""
        for order in self._orders_waiting(least=2):
            row, line = next(iter(self._unshipped_rows(order)))
            part = {"productId": line["productId"], "quantity": 1, "locationId": 2}
            method = order["delivery"]["shippingMethodId"]
            id = create_goods_out_note(self.account, order, order["warehouseId"], {row: [part]}, method)
            self._ship(id)
            yield id

    def _ship(self, id: int) -> None:
        note = self.account.collections["goods-out-note"].edit(id)
        stamp = self.account.stamp()
        note["status"] = note_status(stamp)
        note["shipping"]["reference"] = f"TRACK-{note['orderId']}-{id}"
        note["events"].append({"occured": stamp, "eventOwnerId": reference_data.STAFF, "eventCode": "SHW"})
        ship_note(self.account, note)

    def _drop_ship(self) -> Iterator[int]:
        """Let a supplier ship everything unshipped on an order."""
        for order in self._orders_waiting(least=1):
            left, stamp = unshipped_quantities(self.account, order), self.account.stamp()
            goods = self._unshipped_rows(order)
            rows = {row: [{"productId": line["productId"], "quantity": left[row]}] for row, line in goods}
            note = {
                "orderId": order["id"],
                "purchaseOrderId": _PURCHASE + order["id"],
                "supplierId": _SUPPLIER,
                "status": {"shipped": True, "shippedOn": stamp, "shippedById": reference_data.STAFF},
                "orderRows": rows,
                "events": [{"occured": stamp, "eventOwnerId": reference_data.STAFF, "eventCode": "SHS"}],
            }
            id = self.account.collections["drop-ship-note"].add(note)
            for event in ("created", "modified.shipped"):
                self.account.webhooks.raise_event(f"drop-ship-note.{event}", id)
            self.account.collections["order"].edit(order["id"])["isDropship"] = True
            update_shipping_status(self.account, order["id"])
            yield id

    def _unshipped_rows(self, order: Record) -> Iterator[tuple[str, Record]]:
        left = unshipped_quantities(self.account, order)
        return ((row, order["orderRows"][row]) for row, quantity in left.items() if quantity > 0)

    def _orders_waiting(self, least: int) -> Iterator[Record]:
        """Orders in a status that waits for goods, with at least so many pieces unshipped."""
        orders = self.account.collections["order"]
        for id in self._shuffled(orders.ids()):
            order = orders.get(id) or {}
            waiting = order["orderStatus"]["orderStatusId"] in (2, 3, 18)
            if (
                waiting
                and sum(max(0, n) for n in unshipped_quantities(self.account, order).values()) >= least
            ):
                yield order

    def _create_credits(self) -> Iterator[int]:
        """Create sales credits for the whole of an invoiced order."""
        orders = self.account.collections["order"]
        for id in self._shuffled(orders.ids()):
            order = orders.get(id) or {}
            if order["orderTypeCode"] == "SO" and order["orderStatus"]["orderStatusId"] == 4:
                yield self._create_credit(order)

    def _create_credit(self, order: Record) -> int:
        orders, stamp = self.account.collections["order"], self.account.stamp()
        id, made = orders.last + 1, deepcopy(order)
        made |= {"id": id, "parentOrderId": order["id"], "orderTypeCode": "SC", "reference": f"CRN-{id}"}
        made |= {"orderStatus": {"orderStatusId": 23, "name": reference_data.STATUS_NAMES[23]}, "version": 1}
        made |= {"placedOn": stamp, "createdOn": stamp, "externalRef": "", "state": {"tax": "READY"}}
        made |= {"stockStatusCode": "SCN", "allocationStatusCode": "ANA", "shippingStatusCode": "NST"}
        made |= {"invoices": [{"invoiceReference": ""}], "orderPaymentStatus": "UNPAID", "customFields": {}}
        for key in ("updatedOn", "closedOn", "originalInvoiceDate"):
            made.pop(key, None)
        made["orderRows"] = self._cloned_rows(order["orderRows"])
        orders.put(id, made)
        return id

    def _cloned_rows(self, rows: Record) -> Record:
        found, ids = {}, {}
        for old in sorted(rows, key=int):
            self.account.last_row += 1
            ids[int(old)] = self.account.last_row
            found[str(self.account.last_row)] = deepcopy(rows[old]) | {"clonedFromId": int(old)}
        for row in found.values():
            shape = row["composition"]
            shape["parentOrderRowId"] = ids.get(shape["parentOrderRowId"], 0)
        return found
