"""A site whose Salesforce takes orders that become Brightpearl sales orders."""

from __future__ import annotations

from typing import Any

from tests.flows.site import Site

HOME = {"Street": "1 High Street\nFlat 2\nRear", "City": "Bath", "PostalCode": "BA1 1AA", "CountryCode": "GB"}
SHOP = {"Street": "Lange Str. 9", "City": "Bremen", "PostalCode": "28195", "CountryCode": "DE"}


class Org(Site):
    """A site whose Salesforce knows the account's customers and products, and takes orders."""

    def add(self, name: str, **values: Any) -> str:
        return str(self.sandbox.control("POST", f"/salesforce/{name}", values)["Id"])

    def change(self, name: str, row_id: str, **values: Any) -> None:
        self.sandbox.control("PATCH", f"/salesforce/{name}/{row_id}", values)

    def place(self, *lines: tuple[str, str], **more: Any) -> str:
        """An activated order of these quantities and prices, each of another product; gives its id."""
        account = next(iter(self.there("Account").values()))
        entries = [
            row for row in self.sandbox.snapshot("salesforce", "PricebookEntry") if row["Brightpearl_Id__c"]
        ]
        products = sorted({row["Product2Id"]: row for row in entries}.values(), key=lambda row: row["Id"])
        places = {
            f"{kind}{name}": value
            for kind, at in (("Billing", HOME), ("Shipping", SHOP))
            for name, value in at.items()
        }
        head = {"AccountId": account["Id"], "CurrencyIsoCode": "GBP", "EffectiveDate": "2026-03-31", **places}
        order = self.add("Order", **{**head, "Status": "Activated", "OrderNumber": "00000901", **more})
        for (quantity, price), entry in zip(lines, products, strict=False):
            line = {"PricebookEntryId": entry["Id"], "Product2Id": entry["Product2Id"]}
            self.add("OrderItem", OrderId=order, Quantity=quantity, UnitPrice=price, **line)
        self.pass_time(5)
        return order

    def sales(self) -> dict[str, dict[str, Any]]:
        """Brightpearl's orders that were placed in Salesforce, by their id there."""
        rows = self.sandbox.snapshot("brightpearl", "order")
        return {row["externalRef"][3:]: row for row in rows if str(row.get("externalRef")).startswith("SF-")}

    def order(self, order_id: str) -> dict[str, Any]:
        return next(row for row in self.sandbox.snapshot("salesforce", "Order") if row["Id"] == order_id)

    def ship(self, order_id: str, quantity: int = 1) -> str:
        """Ships so many pieces of the first row of the Brightpearl order of a Salesforce one; gives the note."""
        sale, client = self.sales()[order_id], self.brightpearl()
        row, line = next(iter(sale["orderRows"].items()))
        goods = {"productId": line["productId"], "salesOrderRowId": int(row), "quantity": quantity}
        place = {"warehouseId": sale["warehouseId"], "products": [goods]}
        path = f"warehouse-service/order/{sale['id']}/goods-note/goods-out"
        [note] = client.post(path, {"warehouses": [place]})
        event = {"eventCode": "SHW", "occured": self.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
        client.post(f"warehouse-service/goods-note/goods-out/{note}/event", {"events": [event]})
        self.pass_time(5)
        return str(note)

    def take_back(self, order_id: str) -> str:
        """Credits one piece of the last row of the Brightpearl order of a Salesforce one; gives the credit."""
        sale = self.sales()[order_id]
        line = list(sale["orderRows"].values())[-1]
        row = {
            "productId": line["productId"],
            "quantity": "1",
            "taxCode": "T20",
            "net": "1.00",
            "tax": "0.20",
        }
        head = {
            "customer": {"id": sale["parties"]["customer"]["contactId"]},
            "parentId": sale["id"],
            "rows": [row],
        }
        head["currency"] = {"code": sale["currency"]["orderCurrencyCode"]}
        made = self.brightpearl().post("order-service/sales-credit", head)
        self.pass_time(5)
        return str(made)
