"""What happens in the source of a flow right before the run under test, the same in every trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .sandbox_control import SandboxControl

# what a flow needs in a sandbox before it finds anything to do, by source system, beside what its file names
FOUNDATION = {
    "salesforce": ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce"),
    "infor": ("customers_to_infor", "products_to_infor", "orders_to_infor"),
}
_BRIGHTPEARL: dict[str, dict[str, int]] = {
    "sales_orders": {"orders_created": 5, "orders_changed": 3},
    "customers": {"customers_changed": 4},
    "products": {"products_changed": 4},
    "stock": {"stock_corrected": 4},
    "goods_out_notes": {"notes_shipped": 3},
    "sales_credits": {"credits_created": 3},
}
_PLACE = {"Street": "1 High Street", "City": "Bath", "PostalCode": "BA1 1AA", "CountryCode": "GB"}


def trades(stream: str) -> Callable[[SandboxControl], None] | None:
    """What happens in a stream's system; None where its first load is the work."""
    system, _, name = stream.partition(".")
    if system == "brightpearl" and name in _BRIGHTPEARL:
        return lambda sandbox: sandbox.control("POST", "/brightpearl/activity", _BRIGHTPEARL[name])
    return _place_orders if stream == "salesforce.orders" else None


def _place_orders(sandbox: SandboxControl, count: int = 6) -> None:
    """Activated orders of two rows, of accounts and products that Brightpearl knows."""
    accounts = [row for row in sandbox.snapshot("salesforce", "Account") if row.get("Brightpearl_Id__c")]
    entries = [
        row
        for row in sandbox.snapshot("salesforce", "PricebookEntry")
        if row.get("Brightpearl_Id__c") and row["CurrencyIsoCode"] == "GBP"
    ]
    products = sorted({row["Product2Id"]: row for row in entries}.values(), key=lambda row: row["Id"])
    places = {f"{kind}{name}": value for kind in ("Billing", "Shipping") for name, value in _PLACE.items()}
    for number in range(count):
        head: dict[str, Any] = {
            "AccountId": accounts[number % len(accounts)]["Id"], "CurrencyIsoCode": "GBP", "Status": "Activated",
            "EffectiveDate": "2026-03-31", "OrderNumber": f"{9000 + number:08}", **places,
        }  # fmt: skip
        order = sandbox.control("POST", "/salesforce/Order", head)["Id"]
        for line in range(2):
            entry = products[(number + line) % len(products)]
            row = {"PricebookEntryId": entry["Id"], "Product2Id": entry["Product2Id"], "OrderId": order}
            price = {"Quantity": str(line + 1), "UnitPrice": f"{number + 3}.0{line + 1}"}
            sandbox.control("POST", "/salesforce/OrderItem", {**row, **price})
