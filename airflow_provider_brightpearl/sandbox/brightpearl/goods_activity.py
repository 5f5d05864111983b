"""A day on the warehouse floor: goods are counted, shipped, sent by suppliers, and come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice

from . import reference_data
from .account import World
from .collection import Record
from .generated.order_documents import progress
from .stock_movements import move_stock, moved, new_note, owed, settle, ship

_SUPPLIER, _PURCHASE = 198, 90_001


class Floor:
    """What happens to goods, drawn from the same bits as the rest of the day."""

    def __init__(self, world: World, draw: Callable[[], int]) -> None:
        self.world, self._draw = world, draw

    def run(self, name: str, count: int) -> list[int]:
        """Ids of the products, notes or credits of so many events; fewer where no more can happen."""
        events = {
            "stock_corrected": self._corrections,
            "notes_shipped": self._whole_notes,
            "parts_shipped": self._parts,
            "drop_shipped": self._drop_ships,
            "credits_created": self._credits,
        }
        return sorted(islice(events[name](), count))

    def _shuffled(self, ids: list[int]) -> Iterator[int]:
        while ids:
            place = self._draw() % len(ids)
            ids[place], ids[-1] = ids[-1], ids[place]
            yield ids.pop()

    def _corrections(self) -> Iterator[int]:
        stock = self.world.collections["product-availability"]
        for product in self._shuffled(stock.ids()):
            warehouse = sorted((stock.get(product) or {})["warehouses"])[0]
            quantity = 1 + self._draw() % 9
            move_stock(self.world, product, warehouse, quantity)
            cost = {"currency": "GBP", "value": 1}
            goods: Record = {"productId": product, "quantity": quantity, "destinationLocationId": 2}
            goods |= {"batchGoodsNoteId": 0, "productValue": cost, "createdOn": self.world.stamp()}
            note = {"warehouseId": int(warehouse), "reason": "count", "goodsMoved": [goods]}
            id = self.world.collections["stock-correction"].add(note)
            moved(self.world, id, product, int(warehouse), quantity, "SC", "1.0000")
            yield product

    def _whole_notes(self) -> Iterator[int]:
        notes = self.world.collections["goods-out-note"]
        open_ones = [id for id in notes.ids() if not (notes.get(id) or {})["status"]["shipped"]]
        for id in self._shuffled(open_ones):
            self._send(id)
            yield id

    def _parts(self) -> Iterator[int]:
        """One piece of one row, for orders of which more than that is still owed."""
        for order in self._owing(least=2):
            row, line = next(iter(self._goods(order)))
            part = {"productId": line["productId"], "quantity": 1, "locationId": 2}
            method = order["delivery"]["shippingMethodId"]
            id = new_note(self.world, order, order["warehouseId"], {row: [part]}, method)
            self._send(id)
            yield id

    def _send(self, id: int) -> None:
        note = self.world.collections["goods-out-note"].edit(id)
        stamp = self.world.stamp()
        note["status"] = progress(stamp)
        note["shipping"]["reference"] = f"TRACK-{note['orderId']}-{id}"
        note["events"].append({"occured": stamp, "eventOwnerId": reference_data.STAFF, "eventCode": "SHW"})
        ship(self.world, note)

    def _drop_ships(self) -> Iterator[int]:
        """All that an order is still owed, sent by a supplier."""
        for order in self._owing(least=1):
            left, stamp = owed(self.world, order), self.world.stamp()
            goods = self._goods(order)
            rows = {row: [{"productId": line["productId"], "quantity": left[row]}] for row, line in goods}
            note = {
                "orderId": order["id"],
                "purchaseOrderId": _PURCHASE + order["id"],
                "supplierId": _SUPPLIER,
                "status": {"shipped": True, "shippedOn": stamp, "shippedById": reference_data.STAFF},
                "orderRows": rows,
                "events": [{"occured": stamp, "eventOwnerId": reference_data.STAFF, "eventCode": "SHS"}],
            }
            id = self.world.collections["drop-ship-note"].add(note)
            self.world.collections["order"].edit(order["id"])["isDropship"] = True
            settle(self.world, order["id"])
            yield id

    def _goods(self, order: Record) -> Iterator[tuple[str, Record]]:
        left = owed(self.world, order)
        return ((row, order["orderRows"][row]) for row, quantity in left.items() if quantity > 0)

    def _owing(self, least: int) -> Iterator[Record]:
        """Sales orders waiting for goods, with no open note that would send them."""
        orders = self.world.collections["order"]
        for id in self._shuffled(orders.ids()):
            order = orders.get(id) or {}
            waiting = order["orderStatus"]["orderStatusId"] in (2, 3, 18)
            if waiting and sum(max(0, n) for n in owed(self.world, order).values()) >= least:
                yield order

    def _credits(self) -> Iterator[int]:
        """New credits that take back all of an invoiced order."""
        orders = self.world.collections["order"]
        for id in self._shuffled(orders.ids()):
            order = orders.get(id) or {}
            if order["orderTypeCode"] == "SO" and order["orderStatus"]["orderStatusId"] == 4:
                yield self._credit(order)

    def _credit(self, order: Record) -> int:
        orders, stamp = self.world.collections["order"], self.world.stamp()
        id, made = orders.last + 1, deepcopy(order)
        made |= {"id": id, "parentOrderId": order["id"], "orderTypeCode": "SC", "reference": f"CRN-{id}"}
        made |= {"orderStatus": {"orderStatusId": 23, "name": reference_data.STATUS_NAMES[23]}, "version": 1}
        made |= {"placedOn": stamp, "createdOn": stamp, "externalRef": "", "state": {"tax": "READY"}}
        made |= {"stockStatusCode": "SCN", "allocationStatusCode": "ANA", "shippingStatusCode": "NST"}
        made |= {"invoices": [{"invoiceReference": ""}], "orderPaymentStatus": "UNPAID", "customFields": {}}
        for key in ("updatedOn", "closedOn", "originalInvoiceDate"):
            made.pop(key, None)
        made["orderRows"] = self._taken_back(order["orderRows"])
        orders.put(id, made)
        return id

    def _taken_back(self, rows: Record) -> Record:
        found, ids = {}, {}
        for old in sorted(rows, key=int):
            self.world.last_row += 1
            ids[int(old)] = self.world.last_row
            found[str(self.world.last_row)] = deepcopy(rows[old]) | {"clonedFromId": int(old)}
        for row in found.values():
            shape = row["composition"]
            shape["parentOrderRowId"] = ids.get(shape["parentOrderRowId"], 0)
        return found
