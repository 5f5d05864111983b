"""A day of trading: new orders, status changes, edited customers and products."""

from __future__ import annotations

from copy import deepcopy

from . import reference_data
from .account import Account
from .collection import Collection, Record
from .generated import random_bits
from .goods_activity import GoodsActivity

_NEXT_STATUS = {1: 2, 2: 17, 3: 17, 17: 4, 18: 17, 19: 2, 4: 4, 5: 5, 23: 24, 24: 24}


class Activity:
    """Pseudo-random changes to an account, timestamped with the sandbox clock."""

    def __init__(self, account: Account, seed: int) -> None:
        self.account = account
        self._bits = random_bits.draw(seed, random_bits.ACTIVITY, account.options.seed)

    def run(
        self, created: int, orders: int, customers: int, products: int, goods: dict[str, int] | None = None
    ) -> dict[str, list[int]]:
        """Make the changes and return the affected ids by kind of change."""
        touched = {
            "orders_created": [self._create_order() for _ in range(created)],
            "orders_changed": self._change_some("order", orders, self._advance_status),
            "customers_changed": self._change_some("contact", customers, self._change_contact),
            "products_changed": self._change_some("product", products, self._rename_product),
        }
        warehouse = GoodsActivity(self.account, self._draw)
        for name, count in (goods or {}).items():
            if count:
                touched[name] = warehouse.run(name, count)
        return touched

    def _draw(self) -> int:
        self._bits = random_bits.scramble(self._bits)
        return self._bits

    def _change_some(self, name: str, count: int, change: object) -> list[int]:
        source = self.account.collections[name]
        ids, chosen = source.ids(), []
        for _ in range(min(count, len(ids))):
            index = self._draw() % len(ids)
            ids[index], ids[-1] = ids[-1], ids[index]
            chosen.append(ids.pop())
        for id in chosen:
            record = source.edit(id)
            change(record)  # type: ignore[operator]
            self.account.touch(record)
        return sorted(chosen)

    def _create_order(self) -> int:
        """A new web order, copied from a random existing one."""
        orders: Collection = self.account.collections["order"]
        generated = self.account.history
        places = [
            p
            for p in (self._draw() % max(1, len(generated.ids)) for _ in range(8))
            if not generated.credit[p]
        ]
        if not len(generated.ids) or not places:
            raise ValueError("orders_created needs at least one existing sales order to copy")
        record = deepcopy(self.account.orders.record(places[0]))
        id, stamp = orders.last + 1, self.account.stamp()
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
        record["orderRows"] = self._with_new_row_ids(record["orderRows"])
        orders.put(id, record)
        self.account.webhooks.raise_event("order.modified.order-status", id)
        return id

    def _with_new_row_ids(self, rows: Record) -> Record:
        ids = {
            int(old): self.account.last_row + number for number, old in enumerate(sorted(rows, key=int), 1)
        }
        self.account.last_row += len(rows)
        for row in rows.values():
            parent = row["composition"]["parentOrderRowId"]
            row["composition"]["parentOrderRowId"] = ids.get(parent, 0)
        return {str(ids[int(old)]): row for old, row in rows.items()}

    def _advance_status(self, order: Record) -> None:
        status = _NEXT_STATUS.get(order["orderStatus"]["orderStatusId"], 4)
        self.account.webhooks.raise_event("order.modified.order-status", order["id"])
        order["orderStatus"] = {"orderStatusId": status, "name": reference_data.STATUS_NAMES[status]}
        if status == 4 and order["state"]["tax"] == "READY":
            self._invoice(order)

    def _invoice(self, order: Record) -> None:
        day = self.account.today()
        order["state"] = {"tax": "INVOICED"}
        order["closedOn"] = self.account.stamp()
        order["invoices"] = [{"invoiceReference": f"SI-{order['id']}", "taxDate": day, "dueDate": day}]
        order |= {"stockStatusCode": "SOA", "allocationStatusCode": "AAA", "shippingStatusCode": "ASS"}
        order["orderPaymentStatus"] = "NOT_APPLICABLE" if order["totalValue"]["total"] == "0.00" else "PAID"

    def _change_contact(self, contact: Record) -> None:
        contact["marketingDetails"]["isReceiveEmailNewsletter"] ^= True
        phones = contact["communication"]["telephones"]
        if phones.get("PRI"):
            last = phones["PRI"][-1]
            phones["PRI"] = phones["PRI"][:-1] + str((int(last) + 1) % 10 if last.isdigit() else 0)

    def _rename_product(self, product: Record) -> None:
        self.account.webhooks.raise_event("product.modified", product["id"])
        channel = product["salesChannels"][0]
        name = channel["productName"].removesuffix(" (new)")
        channel["productName"] = name if name != channel["productName"] else name + " (new)"
