"""A day of a merchant: orders come in and move on, customers and products change."""

from __future__ import annotations

from copy import deepcopy

from . import reference_data
from .account import World
from .collection import Collection, Record
from .generated import random_bits
from .goods_activity import Floor

_NEXT = {1: 2, 2: 17, 3: 17, 17: 4, 18: 17, 19: 2, 4: 4, 5: 5, 23: 24, 24: 24}


class Activity:
    """Changes to a world, drawn from a seed and stamped with the time of the sandbox."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self._bits = random_bits.draw(seed, random_bits.ACTIVITY, world.seeded.seed)

    def run(
        self, created: int, orders: int, customers: int, products: int, goods: dict[str, int] | None = None
    ) -> dict[str, list[int]]:
        """The ids that were touched, by what happened to them."""
        touched = {
            "orders_created": [self._order() for _ in range(created)],
            "orders_changed": self._each("order", orders, self._move_on),
            "customers_changed": self._each("contact", customers, self._new_phone),
            "products_changed": self._each("product", products, self._rename),
        }
        floor = Floor(self.world, self._draw)
        for name, count in (goods or {}).items():
            if count:
                touched[name] = floor.run(name, count)
        return touched

    def _draw(self) -> int:
        self._bits = random_bits.mix(self._bits)
        return self._bits

    def _each(self, name: str, count: int, change: object) -> list[int]:
        source = self.world.collections[name]
        ids, chosen = source.ids(), []
        for _ in range(min(count, len(ids))):
            place = self._draw() % len(ids)
            ids[place], ids[-1] = ids[-1], ids[place]
            chosen.append(ids.pop())
        for id in chosen:
            record = source.edit(id)
            change(record)  # type: ignore[operator]
            self.world.touch(record)
        return sorted(chosen)

    def _order(self) -> int:
        """A new web order: the rows of an old one, for a customer of today, in that customer's currency."""
        orders: Collection = self.world.collections["order"]
        generated = self.world.history
        places = [
            p
            for p in (self._draw() % max(1, len(generated.ids)) for _ in range(8))
            if not generated.credit[p]
        ]
        if not len(generated.ids) or not places:
            raise ValueError("there is no order to take after")
        record = deepcopy(self.world.orders.make(places[0]))
        id, stamp = orders.last + 1, self.world.stamp()
        record |= {"id": id, "reference": f"WEB-{id}", "externalRef": f"shop-{id}", "version": 1}
        record |= {"placedOn": stamp, "createdOn": stamp, "customFields": {}, "state": {"tax": "READY"}}
        record |= {
            "orderStatus": {"orderStatusId": 2, "name": reference_data.STATUS_NAMES[2]},
            "orderPaymentStatus": "UNPAID",
        }
        record |= {"stockStatusCode": "SON", "allocationStatusCode": "ANA", "shippingStatusCode": "SNS"}
        record["invoices"] = [{"invoiceReference": ""}]
        record["delivery"].pop("deliveryDate", None)
        for key in ("updatedOn", "closedOn", "originalInvoiceDate"):
            record.pop(key, None)
        record["orderRows"] = self._rows(record["orderRows"])
        orders.put(id, record)
        return id

    def _rows(self, rows: Record) -> Record:
        ids = {int(old): self.world.last_row + number for number, old in enumerate(sorted(rows, key=int), 1)}
        self.world.last_row += len(rows)
        for row in rows.values():
            parent = row["composition"]["parentOrderRowId"]
            row["composition"]["parentOrderRowId"] = ids.get(parent, 0)
        return {str(ids[int(old)]): row for old, row in rows.items()}

    def _move_on(self, order: Record) -> None:
        status = _NEXT.get(order["orderStatus"]["orderStatusId"], 4)
        order["orderStatus"] = {"orderStatusId": status, "name": reference_data.STATUS_NAMES[status]}
        if status == 4 and order["state"]["tax"] == "READY":
            self._invoice(order)

    def _invoice(self, order: Record) -> None:
        day = self.world.today()
        order["state"] = {"tax": "INVOICED"}
        order["closedOn"] = self.world.stamp()
        order["invoices"] = [{"invoiceReference": f"SI-{order['id']}", "taxDate": day, "dueDate": day}]
        order |= {"stockStatusCode": "SOA", "allocationStatusCode": "AAA", "shippingStatusCode": "ASS"}
        order["orderPaymentStatus"] = "NOT_APPLICABLE" if order["totalValue"]["total"] == "0.00" else "PAID"

    def _new_phone(self, contact: Record) -> None:
        contact["marketingDetails"]["isReceiveEmailNewsletter"] ^= True
        phones = contact["communication"]["telephones"]
        if phones.get("PRI"):
            last = phones["PRI"][-1]
            phones["PRI"] = phones["PRI"][:-1] + str((int(last) + 1) % 10 if last.isdigit() else 0)

    def _rename(self, product: Record) -> None:
        channel = product["salesChannels"][0]
        name = channel["productName"].removesuffix(" (new)")
        channel["productName"] = name if name != channel["productName"] else name + " (new)"
