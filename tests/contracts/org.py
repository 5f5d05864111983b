"""Records of a Salesforce org that people work in, each with a stamp of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from airflow_provider_brightpearl.sandbox.server import Sandbox

RECORDS = 8


def fill_org(sandbox: Sandbox, since: datetime) -> None:
    """Accounts, products, orders, reductions, opportunities and returns with their rows, some of them changed later."""
    moments = (since + timedelta(minutes=7 * number, seconds=number % 60) for number in count())

    def add(name: str, **values: Any) -> str:
        created, changed = (f"{next(moments):%Y-%m-%dT%H:%M:%S}.000+0000" for _ in range(2))
        stamps = {"CreatedDate": created, "LastModifiedDate": changed, "SystemModstamp": changed}
        row = sandbox.control("POST", f"/salesforce/{name}?quiet=1", {**values, **stamps})
        return str(row["Id"])

    product = add("Product2", Name="Chair", ProductCode="CHAIR", Brightpearl_Id__c="1001")
    entry = add("PricebookEntry", Product2Id=product, UnitPrice="9.50")
    line = {"PricebookEntryId": entry, "Product2Id": product, "Quantity": "2", "UnitPrice": "9.50"}
    for number in range(RECORDS):
        account = add("Account", Name=f"Account {number}", Brightpearl_Id__c=f"A{number}")
        for person in range(number % 4):
            add("Contact", AccountId=account, LastName=f"Person {person}", Legacy_Code__c="x")
        order = add("Order", AccountId=account, Status="Activated", OrderNumber=f"0000{number}")
        items = [add("OrderItem", OrderId=order, **line) for _ in range(1 + number % 3)]
        reduced = {"IsReductionOrder": True, "OriginalOrderId": order}
        reduction = add("Order", AccountId=account, Status="Draft", OrderNumber=f"1000{number}", **reduced)
        add("OrderItem", OrderId=reduction, OriginalOrderItemId=items[0], **{**line, "Quantity": "-1"})
        stage = "Closed Won" if number % 2 else "Closed Lost"
        deal = add(
            "Opportunity", AccountId=account, Name=f"Deal {number}", StageName=stage, CloseDate="2026-03-01"
        )
        add("OpportunityLineItem", OpportunityId=deal, **line)
        back = add("Brightpearl_Return__c", Account__c=account, Order__c=order, Net__c="9.50")
        for item in items:
            add("Brightpearl_Return_Line__c", Return__c=back, Order_Product__c=item, Product__c=product)
