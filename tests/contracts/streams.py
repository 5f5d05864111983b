"""Every stream of every system, with the records that it must return, taken from the sandbox's store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from tests.contracts.example import Example

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Stored = dict[str, list[datetime]]
"""Ids with the instants at which something happened to the record: a window of any of them holds it."""


@dataclass(frozen=True)
class StreamExample(Example):
    """One stream."""

    stored: Callable[[Sandbox], Stored]

    @property
    def open_ended(self) -> bool:
        """Whether its lists tell since when a record was changed, to a millisecond or two, and not until when."""
        return self.name in ("infor.customers", "infor.items", "infor.stock")

    def within(self, sandbox: Sandbox, window: Window) -> list[str]:
        """Ids of the records of a window, sorted as text."""
        stored = self.stored(sandbox).items()
        return sorted(name for name, instants in stored if any(each in window for each in instants))


def _instants(*texts: str | None) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in texts if text]


def _changes(row: Row) -> list[datetime]:
    return _instants(row["createdOn"], row.get("updatedOn"))


def _orders(kind: str) -> Callable[[Sandbox], Stored]:
    def stored(sandbox: Sandbox) -> Stored:
        rows = sandbox.snapshot("brightpearl", "order")
        return {str(row["id"]): _changes(row) for row in rows if row["orderTypeCode"] == kind}

    return stored


def _customers(sandbox: Sandbox) -> Stored:
    rows = sandbox.snapshot("brightpearl", "contact")
    return {str(row["contactId"]): _changes(row) for row in rows if not _is_staff_or_supplier(row)}


def _is_staff_or_supplier(contact: Row) -> bool:
    relation = contact["relationshipToAccount"]
    return bool(relation["isSupplier"] or relation["isStaff"])


def _products(sandbox: Sandbox) -> Stored:
    return {str(row["id"]): _changes(row) for row in sandbox.snapshot("brightpearl", "product")}


def _payments(sandbox: Sandbox) -> Stored:
    rows = sandbox.snapshot("brightpearl", "customer-payment")
    return {str(row["paymentId"]): _instants(row["createdOn"]) for row in rows}


def _goods_out(sandbox: Sandbox) -> Stored:
    rows = sandbox.snapshot("brightpearl", "goods-out-note")
    return {
        str(row["goodsOutNoteId"]): _instants(row["createdOn"], row["status"].get("shippedOn"))
        for row in rows
        if not row["transfer"]
    }


def _shipments(sandbox: Sandbox) -> Stored:
    """Goods-out notes, and drop-ship notes by what happened to their orders."""
    orders = _orders("SO")(sandbox)
    rows = sandbox.snapshot("brightpearl", "drop-ship-note")
    return _goods_out(sandbox) | {f"DS{row['dropShipNoteId']}": orders[str(row["orderId"])] for row in rows}


def _availability(sandbox: Sandbox) -> Stored:
    """Products with stock of their own by their movements, bundles by those of their components."""
    moved: Stored = {}
    for row in sandbox.snapshot("brightpearl", "goods-movement"):
        moved.setdefault(str(row["productId"]), []).extend(_instants(row["updatedOn"]))
    return dict(_stocked(sandbox.snapshot("brightpearl", "product"), moved))


def _stocked(products: list[Row], moved: Stored) -> Iterator[tuple[str, list[datetime]]]:
    for product in products:
        parts = [str(part["productId"]) for part in product["composition"].get("bundleComponents") or ()]
        if parts:
            yield str(product["id"]), [each for part in parts for each in moved.get(part, [])]
        elif product["stock"]["stockTracked"]:
            yield str(product["id"]), moved.get(str(product["id"]), [])


def _salesforce(name: str, rows: str, lookup: str, **only: bool) -> Callable[[Sandbox], Stored]:
    """Records of an object with their own stamps and those of their rows."""

    def stored(sandbox: Sandbox) -> Stored:
        found = [
            row
            for row in sandbox.snapshot("salesforce", name)
            if all(row[field] == value for field, value in only.items())
        ]
        instants: Stored = {row["Id"]: _instants(row["SystemModstamp"]) for row in found}
        for row in sandbox.snapshot("salesforce", rows):
            if row[lookup] in instants:
                instants[row[lookup]] += _instants(row["SystemModstamp"])
        return instants

    return stored


def _contacts(sandbox: Sandbox) -> Stored:
    """Contacts with their own stamps and those of their accounts."""
    accounts = {row["Id"]: row["SystemModstamp"] for row in sandbox.snapshot("salesforce", "Account")}
    rows = sandbox.snapshot("salesforce", "Contact")
    return {row["Id"]: _instants(row["SystemModstamp"], accounts.get(row["AccountId"])) for row in rows}


def _infor(table: str, *key: str) -> Callable[[Sandbox], Stored]:
    def stored(sandbox: Sandbox) -> Stored:
        rows = [row for row in sandbox.snapshot("infor", table) if row["CONO"] == "100"]
        return {
            "|".join(str(row[name]) for name in key): [_EPOCH + timedelta(milliseconds=row["LMTS"])]
            for row in rows
        }

    return stored


STORED: Mapping[str, Callable[[Sandbox], Stored]] = {
    "brightpearl.contacts": _customers,
    "brightpearl.products": _products,
    "brightpearl.sales_orders": _orders("SO"),
    "brightpearl.sales_credits": _orders("SC"),
    "brightpearl.payments": _payments,
    "brightpearl.availability": _availability,
    "brightpearl.shipments": _shipments,
    "brightpearl.goods_out_notes": _goods_out,
    "infor.customers": _infor("customers", "CUNO"),
    "infor.items": _infor("items", "ITNO"),
    "infor.stock": _infor("item_warehouse", "WHLO", "ITNO"),
    "infor.invoices": _infor("invoices", "YEA4", "IVNO"),
    "infor.deliveries": _infor("deliveries", "DLIX"),
    "salesforce.contacts": _contacts,
    "salesforce.accounts": _salesforce("Account", "Contact", "AccountId"),
    "salesforce.orders": _salesforce("Order", "OrderItem", "OrderId", IsReductionOrder=False),
    "salesforce.reduction_orders": _salesforce("Order", "OrderItem", "OrderId", IsReductionOrder=True),
    "salesforce.returns": _salesforce("Brightpearl_Return__c", "Brightpearl_Return_Line__c", "Return__c"),
    "salesforce.opportunities": _salesforce(
        "Opportunity", "OpportunityLineItem", "OpportunityId", IsWon=True
    ),
}


def _examples() -> Iterator[StreamExample]:
    for system in registry.systems().values():
        for stream in system.streams:
            name = f"{system.name}.{stream}"
            yield StreamExample(name, STORED[name])


STREAMS = list(_examples())
