"""An org of the sandbox with what an order needs, and orders for it."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_brightpearl.core.changes import Change, RecordChange, Removal, RowResult
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.systems.live import salesforce

ORDER, ITEM, ACCOUNT = "Brightpearl_Order_Id__c", "Brightpearl_Row_Id__c", "Brightpearl_Id__c"


class Org:
    """An org with one account and two products with a price, and what became of rows written to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.client = salesforce(sandbox)
        self.bound: dict[tuple[str, str], str] = {}
        self.account = self._made("Account", ACCOUNT, {"Name": "Ünit Ltd"}, "1")
        self.book = next(self.client.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true"))["Id"]
        self.entries = [self._entry(key) for key in ("p1", "p2")]

    def _made(self, name: str, key_field: str, fields: dict[str, Any], key: str) -> str:
        (answer,) = self.client.upsert(name, key_field, [json.dumps({key_field: key, **fields})])
        assert answer.success, answer
        return answer.id

    def _entry(self, key: str) -> str:
        product = self._made("Product2", ACCOUNT, {"Name": key, "IsActive": True}, key)
        price = {
            "Product2Id": product,
            "Pricebook2Id": self.book,
            "CurrencyIsoCode": "GBP",
            "UnitPrice": 1,
            "IsActive": True,
        }
        return self._made("PricebookEntry", ACCOUNT, price, key)

    def order(
        self, number: int, items: dict[str, dict[str, Any]], status: str = "Activated", **fields: Any
    ) -> RecordChange:
        """An order as the load stage hands it over; ``items`` are fields by row id."""
        root = {
            "AccountId": self.account, "Pricebook2Id": self.book, "CurrencyIsoCode": "GBP", "Status": status,
            "EffectiveDate": "2026-03-01", **fields,
        }  # fmt: skip
        changes = [self._change("Order", str(number), root)]
        for key, item in items.items():
            row = {"PricebookEntryId": self.entries[0], "Quantity": 2, "UnitPrice": 1.5, **item}
            changes.append(self._change("OrderItem", key, row, str(number)))
        known = [key for name, key in self.bound if name == "OrderItem" and self.owner.get(key) == number]
        removals = [
            Removal("OrderItem", key, self.bound["OrderItem", key]) for key in known if key not in items
        ]
        return RecordChange(str(number), tuple(changes), tuple(removals))

    owner: dict[str, int] = {}

    def _change(self, name: str, key: str, fields: dict[str, Any], parent: str = "") -> Change:
        return Change(name, key, json.dumps(fields), "f", parent, self.bound.get((name, key)))

    def write(self, sink: Sink, *records: RecordChange) -> list[RowResult]:
        """Writes and binds, as the load stage does."""
        results = [result for call in sink.write(records) for result in call]
        for result in results:
            if result.removed:
                self.bound.pop((result.object, result.key))
            elif not result.refused:
                self.bound[result.object, result.key] = result.target_id
                if result.object == "OrderItem":
                    self.owner = {**self.owner, result.key: int(result.source_id)}
        return results

    def rows(self, name: str, key_field: str) -> dict[str, dict[str, Any]]:
        return {
            row[key_field]: row for row in self.sandbox.snapshot("salesforce", name) if row.get(key_field)
        }

    def orders(self) -> dict[str, tuple[str, list[str]]]:
        """Status and row ids by order."""
        items: dict[str, list[str]] = {}
        for key, row in sorted(self.rows("OrderItem", ITEM).items()):
            items.setdefault(row["OrderId"], []).append(key)
        return {
            key: (row["Status"], items.get(row["Id"], [])) for key, row in self.rows("Order", ORDER).items()
        }
