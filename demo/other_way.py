"""What happens in Salesforce and M3 once both hold the merchant's data, before the flows run the other way."""

from __future__ import annotations

from decimal import Decimal

from demo.expected.brightpearl import OWN_WAREHOUSE
from demo.expected.infor import M3_ITEMS, item_number
from demo.expected.records import Record, is_placed_in_salesforce, of_type
from demo.people import M3, Salesforce
from demo.sandbox import Sandbox
from demo.systems import State

HOME = {"Street": "7 Mill Lane", "City": "Bath", "PostalCode": "BA1 1AA", "CountryCode": "GB"}
# the last name that a customer gets in Brightpearl and, later, in Salesforce, which therefore counts; and its number
EDITED_HERE, EDITED_THERE, NUMBER = "Edited-Here", "Edited-There", "+441225000017"
COUNTED = 7
PRICES = (("2.0", "10.50"), ("1.0", "0.03"))


def in_salesforce(sandbox: Sandbox, now: State) -> str:
    """Edits a customer on both sides; adds a customer, an order of an older one, and a return in Salesforce.

    Returns:
        Brightpearl's id of the customer that was edited.
    """
    crm, records = Salesforce(sandbox), now.found["salesforce"].records
    customer, buyer = sorted(records["Contact"])[1:3]
    _rename(sandbox, customer, EDITED_HERE)
    crm.update("Contact", records["Contact"][customer]["Id"], LastName=EDITED_THERE)
    crm.update("Account", records["Account"][customer]["Id"], Phone=NUMBER)
    account = crm.create(
        "Account", Name="Analytical Engines Ltd", Phone="+441225000018", **_at("Billing"), **_at("Shipping")
    )
    crm.create(
        "Contact",
        AccountId=account,
        FirstName="Ada",
        LastName="Lovelace",
        Email="ada@engines.example",
        **_at("Mailing"),
    )
    _order(crm, sandbox, now, records["Account"][buyer]["Id"])
    _take_back(crm, now)
    # the account has no country like its own
    abroad = next(
        each for each in sandbox.snapshot("salesforce", "Account") if each["BillingCountryCode"] == "SE"
    )
    crm.update("Account", abroad["Id"], Type="Prospect")
    return customer


def in_m3(sandbox: Sandbox, now: State) -> None:
    """Counts stock in M3's own warehouse: of a product, and of the items that M3 had first, with what they cost."""
    erp = M3(sandbox)
    product = next(each for each in now.source["product"] if _is_stocked(each))
    place = {"WHLO": OWN_WAREHOUSE, "ITNO": item_number(product)}
    erp.run("MMS200MI", "CpyItmWhs", **place, CWHL="100", CITN="TEMPLATE")
    for item in M3_ITEMS:
        erp.run("MMS200MI", "UpdItmPrice", ITNO=item, PUPR="4.20", CUCD="GBP")
    for item in (place["ITNO"], *M3_ITEMS):
        erp.run("MMS310MI", "Update", WHLO=OWN_WAREHOUSE, ITNO=item, WHSL="A0101", STQI=COUNTED)


def placed_order(now: State) -> str:
    """Brightpearl's id of the order that was placed in Salesforce."""
    return str(next(each["id"] for each in of_type(now.source, "SO") if is_placed_in_salesforce(each)))


def number_in_m3(now: State) -> str:
    """M3's number of that order."""
    return str(now.found["infor"].records["Order"][placed_order(now)]["ORNO"])


def ship_in_m3(sandbox: Sandbox, number: str) -> None:
    """Picks all that is left of the deliveries of an order, in M3's own warehouse, which then invoices it."""
    erp = M3(sandbox)
    for line in _rows(sandbox, "delivery_lines"):
        if line["RIDN"] == number:
            fields = {name: line[name] for name in ("WHLO", "RIDN", "RIDL", "RIDX")}
            erp.run(
                "MHS850MI", "AddCOPick", **fields, CUNO=_order_of(sandbox, number)["CUNO"], PRFL="*EXE", PLSX="1",
                E0PA="BRIGHTPEARL", E065="BPSHP", PMSN=f"WMS-{line['PLRN']}", WHSL="A0101", QTYP=line["TRQT"],
            )  # fmt: skip


def _order(crm: Salesforce, sandbox: Sandbox, now: State, account: str) -> None:
    """An order of two lines, activated as its user does it: a draft first."""
    plain = {str(each["id"]) for each in now.source["product"] if _is_stocked(each)}
    products = {
        each["Id"] for key, each in now.found["salesforce"].records["Product2"].items() if key in plain
    }
    entries = [
        each for each in sandbox.snapshot("salesforce", "PricebookEntry")
        if each["Product2Id"] in products and each["CurrencyIsoCode"] == "GBP" and each["IsActive"]
    ]  # fmt: skip
    book = entries[0]["Pricebook2Id"]
    entries = [each for each in entries if each["Pricebook2Id"] == book]
    head = {
        "AccountId": account,
        "CurrencyIsoCode": "GBP",
        "EffectiveDate": "2026-03-31",
        "Pricebook2Id": book,
    }
    order = crm.create(
        "Order", **head, Status="Draft", PoNumber="PO-DEMO-1", **_at("Billing"), **_at("Shipping")
    )
    for entry, (quantity, price) in zip(entries, PRICES, strict=False):
        crm.create(
            "OrderItem", OrderId=order, PricebookEntryId=entry["Id"], Quantity=quantity, UnitPrice=price
        )
    crm.update("Order", order, Status="Activated")


def _is_stocked(product: Record) -> bool:
    bundle = product["composition"]["bundle"]
    return bool(product["stock"]["stockTracked"] and not bundle and product["status"] == "LIVE")


def _take_back(crm: Salesforce, now: State) -> None:
    """A return of the first row of an order of which nothing came back yet."""
    records = now.found["salesforce"].records
    returned = {each["parentOrderId"] for each in of_type(now.source, "SC")}
    orders = (
        each for each in of_type(now.source, "SO")
        if each["id"] not in returned and str(each["id"]) in records["Order"]
        and each["currency"]["orderCurrencyCode"] == "GBP" and each.get("invoices")
    )  # fmt: skip
    plain = {each["id"] for each in now.source["product"] if _is_stocked(each)}
    order, row_id, row = next(
        (order, key, each)
        for order in orders
        for key, each in order["orderRows"].items()
        # the rows of a bundle's parts were not sold by themselves
        if each["productId"] in plain and not each["composition"]["bundleChild"]
    )
    net, tax = (Decimal(row["rowValue"][name]["value"]) for name in ("rowNet", "rowTax"))
    money = {"Net__c": str(net), "Tax__c": str(tax), "CurrencyIsoCode": "GBP"}
    theirs = records["Order"][str(order["id"])]
    head = {"Account__c": theirs["AccountId"], "Order__c": theirs["Id"], "Total__c": str(net + tax), **money}
    back = crm.create("Brightpearl_Return__c", **head, Status__c="Approved", Returned_On__c="2026-03-31")
    line = {
        "Order_Product__c": records["OrderItem"][row_id]["Id"],
        "Quantity__c": row["quantity"]["magnitude"],
    }
    product = records["Product2"][str(row["productId"])]["Id"]
    crm.create("Brightpearl_Return_Line__c", Return__c=back, Product__c=product, **line, **money)


def _rename(sandbox: Sandbox, customer: str, name: str) -> None:
    sandbox.control("PATCH", f"/brightpearl/contact/{customer}", {"lastName": name})


def _at(kind: str) -> dict[str, str]:
    return {f"{kind}{name}": value for name, value in HOME.items()}


def _rows(sandbox: Sandbox, table: str) -> list[Record]:
    return [each for each in sandbox.snapshot("infor", table) if each["CONO"] == "100"]


def _order_of(sandbox: Sandbox, number: str) -> Record:
    return next(each for each in _rows(sandbox, "orders") if each["ORNO"] == number)
