"""What Brightpearl has to hold of what began in Salesforce and M3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from demo.expected.infor import M3_CUSTOMERS, M3_ITEMS, item_number
from demo.expected.records import Expected, Fields, Record, Source, is_placed_in_salesforce, of_type, rounded

Tables = Mapping[str, Sequence[Record]]
# by country of delivery: country code of three letters, tax code, rate, and the warehouse that delivers
PLACES = {"GB": ("GBR", "T20", Decimal(20), "2"), "DE": ("DEU", "DE19", Decimal(19), "3")}
PRICE_LISTS = {"GBP": "2", "EUR": "4", "USD": "5", "JPY": "6"}
# accounts of customers that began in Salesforce: old ones, and the one that is added
CRM_CUSTOMERS = (
    "Northgate Interiors", "Maison Verte", "Harbour & Finch Ltd", "Analytical Engines Ltd",
)  # fmt: skip
# M3's own warehouse, and the one of Brightpearl that follows it
OWN_WAREHOUSE, M3_WAREHOUSE = "200", "5"
# the status with which a return is credited
CREDITED = "Approved"
# of orders without a type
TRADE_CHANNEL = "5"


def expected(crm: Tables, erp: Tables, source: Source) -> Expected:
    """All of Brightpearl that began elsewhere.

    Args:
        crm: tables of Salesforce.
        erp: tables of M3.
        source: Brightpearl's collections, for the keys of what it had before.
    """
    accounts = {each["Id"]: each for each in crm["Account"]}
    products = {each["Id"]: each for each in crm["Product2"]}
    orders = [each for each in crm["Order"] if is_own(each)]
    items: dict[str, list[Record]] = {each["Id"]: [] for each in orders}
    for item in crm["OrderItem"]:
        if item["OrderId"] in items:
            items[item["OrderId"]].append(item)
    returns = {
        each["Id"]: each
        for each in crm["Brightpearl_Return__c"]
        if not each["Brightpearl_Id__c"] and each["Status__c"] == CREDITED
    }
    numbers = {
        each["Id"]: each["Brightpearl_Order_Id__c"] or each["Brightpearl_Placed_As__c"]
        for each in crm["Order"]
    }
    return Expected({
        "Contact": {
            each["CUNM"]: _of_m3(each)
            for each in erp["customers"]
            if each["CONO"] == "100" and each["CUNO"] in M3_CUSTOMERS
        }
        | {
            each["Name"]: _of_salesforce(each, crm["Contact"])
            for each in crm["Account"]
            if each["Name"] in CRM_CUSTOMERS
        },
        "Product": {
            each["ITNO"]: _product(each) for each in erp["items"] if each["CONO"] == "100" and each["ITNO"] in M3_ITEMS
        },
        "GoodsOut": dict(_delivered(erp, source)),
        "Invoice": dict(_invoiced(erp, source)),
        "Stock": dict(_stock(erp, source)),
        "SalesOrder": {
            f"SF-{each['Id']}": _order(each, items[each["Id"]], accounts[each["AccountId"]]) for each in orders
        },
        "OrderRow": dict(row for each in orders for row in _rows(each, items[each["Id"]], products)),
        "SalesCredit": {f"SF-{id}": _credit(each, numbers, accounts) for id, each in returns.items()},
        "CreditRow": {
            f"SF-{each['Id']}": _credit_row(each, products)
            for each in crm["Brightpearl_Return_Line__c"]
            if each["Return__c"] in returns
        },
    })  # fmt: skip


def _stock(erp: Tables, source: Source) -> Iterator[tuple[str, Fields]]:
    """What M3 holds in its own warehouse, and what Brightpearl held there of products that M3 does not count."""
    numbers = {item_number(each): str(each["id"]) for each in source["product"]}
    for each in erp["item_warehouse"]:
        own = each["CONO"] == "100" and each["WHLO"] == OWN_WAREHOUSE
        if own and each["ITNO"] in numbers and Decimal(each["STQT"]):
            yield f"{M3_WAREHOUSE}|{numbers[each['ITNO']]}", {"inStock": Decimal(each["STQT"])}


def _of_m3(customer: Record) -> Fields:
    return {"communication.emails.PRI.email": customer.get("MAIL"), "billing": customer["CSCD"]}


def _of_salesforce(account: Record, contacts: Sequence[Record]) -> Fields:
    people = [each for each in contacts if each["AccountId"] == account["Id"]]
    person: Record = people[0] if people else {}
    return {
        "firstName": person.get("FirstName"),
        "communication.emails.PRI.email": person.get("Email"),
        "communication.telephones.PRI": account["Phone"],
        "billing": account["BillingCountryCode"],
        "contactId": account["Brightpearl_Id__c"],
    }


def _product(item: Record) -> Fields:
    return {"name": item["FUDS"], "status": "LIVE", "stock.stockTracked": True}


def _delivered(erp: Tables, source: Source) -> Iterator[tuple[str, Fields]]:
    """What M3 delivered of orders that were placed in Salesforce, by Brightpearl's order row."""
    rows = {
        (str(each["id"]), str(place)): id
        for each in of_type(source, "SO")
        if is_placed_in_salesforce(each)
        for place, id in enumerate(each["orderRows"], 1)
    }
    numbers = {each["ORNO"]: each["CUOR"] for each in erp["orders"] if each["CONO"] == "100"}
    positions = {
        (each["ORNO"], each["PONR"]): str(each["CUPO"])
        for each in erp["order_lines"]
        if each["CONO"] == "100"
    }
    for each in erp["delivery_lines"]:
        if each["CONO"] == "100" and Decimal(each["DLQT"]):
            order = numbers[each["RIDN"]]
            if row := rows.get((order, positions[each["RIDN"], each["RIDL"]])):
                yield row, {"quantity": Decimal(each["DLQT"]), "orderId": order}


def _invoiced(erp: Tables, source: Source) -> Iterator[tuple[str, Fields]]:
    """M3's invoices of orders that were placed in Salesforce, by Brightpearl's order."""
    orders = {str(each["id"]) for each in of_type(source, "SO") if is_placed_in_salesforce(each)}
    numbers = {each["ORNO"]: each["CUOR"] for each in erp["orders"] if each["CONO"] == "100"}
    amounts = {each["IVNO"]: each for each in erp["invoices"] if each["CONO"] == "100"}
    for each in erp["invoice_lines"]:
        order = numbers.get(each.get("ORNO"), "")
        if order in orders:
            invoice = amounts[each["IVNO"]]
            day = str(invoice["IDAT"])
            yield (
                order,
                {
                    "number": str(invoice["IVNO"]),
                    "day": f"{day[:4]}-{day[4:6]}-{day[6:]}",
                    "total": Decimal(str(invoice["AMT2"])),
                },
            )


def keys(wanted: Expected) -> set[str]:
    """Names of companies, SKUs, and places of stock that began elsewhere."""
    return {key for name in ("Contact", "Product", "Stock") for key in wanted.records[name]}


def is_own(order: Record) -> bool:
    """Whether an order of Salesforce was placed there, and is on its way."""
    return (
        order["StatusCode"] == "Activated" and not order["Brightpearl_Order_Id__c"] and not order["IsDeleted"]
    )


def _order(order: Record, items: Sequence[Record], account: Record) -> Fields:
    rows = [(Decimal(each["TotalPrice"]), _tax(order, each)) for each in items]
    net, tax = (sum((row[place] for row in rows), Decimal(0)) for place in (0, 1))
    country, _, _, warehouse = PLACES[order["ShippingCountryCode"]]
    return {
        "reference": order["PoNumber"] or order["OrderNumber"],
        "parties.customer.contactId": account["Brightpearl_Id__c"],
        "currency.orderCurrencyCode": order["CurrencyIsoCode"],
        "priceListId": PRICE_LISTS[order["CurrencyIsoCode"]],
        "priceModeCode": "EXC",
        "warehouseId": warehouse,
        "assignment.current.channelId": TRADE_CHANNEL,
        "totalValue.net": net,
        "totalValue.taxAmount": tax,
        "totalValue.total": net + tax,
        **_address("billing", order, "Billing", PLACES[order["BillingCountryCode"]][0]),
        **_address("delivery", order, "Shipping", country),
    }


def _rows(
    order: Record, items: Sequence[Record], products: Mapping[str, Record]
) -> Iterator[tuple[str, Fields]]:
    for each in items:
        yield (
            f"SF-{each['Id']}",
            {
                "productId": products[each["Product2Id"]]["Brightpearl_Id__c"],
                "quantity.magnitude": Decimal(each["Quantity"]),
                "rowValue.rowNet.value": Decimal(each["TotalPrice"]),
                "rowValue.rowTax.value": _tax(order, each),
                "rowValue.taxCode": PLACES[order["ShippingCountryCode"]][1],
            },
        )


def _credit(back: Record, numbers: Mapping[str, str], accounts: Mapping[str, Record]) -> Fields:
    return {
        "parentOrderId": numbers[back["Order__c"]],
        "parties.customer.contactId": accounts[back["Account__c"]]["Brightpearl_Id__c"],
        "currency.orderCurrencyCode": back["CurrencyIsoCode"],
        "totalValue.net": Decimal(back["Net__c"]),
        "totalValue.taxAmount": Decimal(back["Tax__c"]),
        "totalValue.total": Decimal(back["Total__c"]),
    }


def _credit_row(line: Record, products: Mapping[str, Record]) -> Fields:
    return {
        "productId": products[line["Product__c"]]["Brightpearl_Id__c"],
        "quantity.magnitude": Decimal(line["Quantity__c"]),
        "rowValue.rowNet.value": Decimal(line["Net__c"]),
        "rowValue.rowTax.value": Decimal(line["Tax__c"]),
    }


def _tax(order: Record, item: Record) -> Decimal:
    return rounded(Decimal(item["TotalPrice"]) * PLACES[order["ShippingCountryCode"]][2] / 100, 2)


def _address(party: str, order: Record, kind: str, country: str) -> Fields:
    return {
        f"parties.{party}.addressLine1": order[f"{kind}Street"],
        f"parties.{party}.addressLine3": order[f"{kind}City"],
        f"parties.{party}.postalCode": order[f"{kind}PostalCode"],
        f"parties.{party}.countryIsoCode3": country,
    }
