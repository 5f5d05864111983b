"""What is in the three systems, by the keys that expectations have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from demo.expected.brightpearl import OWN_WAREHOUSE
from demo.expected.infor import M3_CUSTOMERS, M3_ITEMS
from demo.expected.infor_journals import PLACES
from demo.expected.records import (
    Record,
    Source,
    is_placed_in_salesforce,
    note_lines,
    of_type,
    product_name,
    rounded,
)

Tables = Mapping[str, Sequence[Record]]

# object of Salesforce: the field that a record is found by
SALESFORCE = {
    "Account": "Brightpearl_Id__c",
    "Contact": "Brightpearl_Id__c",
    "Product2": "Brightpearl_Id__c",
    "PricebookEntry": "Brightpearl_Id__c",
    "Order": "Brightpearl_Order_Id__c",
    "OrderItem": "Brightpearl_Row_Id__c",
    "Brightpearl_Shipment__c": "Brightpearl_Id__c",
    "Brightpearl_Shipment_Line__c": "Brightpearl_Id__c",
    "Brightpearl_Return__c": "Brightpearl_Id__c",
    "Brightpearl_Return_Line__c": "Brightpearl_Id__c",
    "Pricebook2": "Name",
}
# tables of M3
INFOR = (
    "customers", "addresses", "items", "aliases", "item_warehouse", "balances", "orders", "order_addresses",
    "order_lines", "order_charges", "deliveries", "delivery_lines", "invoices", "invoice_lines",
    "messages", "journals", "journal_lines", "vouchers",
)  # fmt: skip
COMPANY = "100"
# how the numbers of picks begin that Brightpearl reports; the others are M3's own
OUR_PICKS = "BPG"
# the custom field of the number of M3's invoice
M3_INVOICE = "PCF_M3INV"
# what the company has before any sync
SEEDED = {"TEMPLATE", *M3_ITEMS, *M3_CUSTOMERS}


@dataclass(frozen=True, slots=True)
class Found:
    """Records of a system by object and key, and the keys by the system's own ids, to follow links."""

    records: dict[str, dict[str, Record]]
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def stamps(self, object: str) -> dict[str, tuple[Any, ...]]:
        """When each record of an object was last written, as text that changes with every write."""
        return {
            key: tuple(record.get(name) for name in ("SystemModstamp", "LMTS", "CHNO"))
            for key, record in self.records[object].items()
        }


def in_salesforce(tables: Tables, source: Source) -> Found:
    """All records that carry a key of ours; orders that were placed there are known by Brightpearl's ids of them."""
    placed = [each for each in of_type(source, "SO") if is_placed_in_salesforce(each)]
    own = {
        "Order": {_own(each): str(each["id"]) for each in placed},
        "OrderItem": {
            _own(row): id
            for each in placed
            for id, row in each["orderRows"].items()
            if row.get("externalRef")
        },
    }
    named = {
        object: [record for record in tables[object] if record[key]] for object, key in SALESFORCE.items()
    }
    return Found(
        {object: {each[SALESFORCE[object]]: each for each in records} for object, records in named.items()},
        {
            object: {each["Id"]: each[SALESFORCE[object]] for each in records} | own.get(object, {})
            for object, records in named.items()
        },
    )


def _own(record: Record) -> str:
    """Salesforce's id of an order or row that was placed there."""
    return str(record["externalRef"]).removeprefix("SF-")


def in_brightpearl(source: Source, own: Collection[str]) -> Found:
    """All records that began in Salesforce or M3, each value by its path.

    Args:
        source: Brightpearl's collections.
        own: names of companies, SKUs, and places of stock that began there.
    """
    orders, credits = (
        [each for each in of_type(source, code) if is_placed_in_salesforce(each)] for code in ("SO", "SC")
    )
    places = (
        (f"{warehouse}|{each['id']}", figures)
        for each in source["product-availability"]
        for warehouse, figures in each["warehouses"].items()
    )
    countries = {each["addressId"]: each["countryIsoCode2"] for each in source["postal-address"]}
    ids = {str(each["id"]) for each in orders}
    notes = [
        each for each in source["goods-out-note"] if str(each["orderId"]) in ids and each["status"]["shipped"]
    ]
    return Found({
        "Contact": {
            name: _flat(each) | {"billing": countries.get(each["postAddressIds"].get("BIL"))}
            for each in source["contact"]
            if (name := each["organisation"].get("name")) in own
        },
        "Product": {
            sku: _flat(each) | {"name": product_name(each)}
            for each in source["product"]
            if (sku := each["identity"].get("sku")) in own
        },
        "GoodsOut": _shipped(notes),
        "Invoice": {str(each["id"]): _invoice(each) for each in orders if _is_invoiced(each)},
        "Stock": {key: figures for key, figures in places if key in own},
        "SalesOrder": {each["externalRef"]: _flat(each) for each in orders},
        "OrderRow": dict(_rows(orders)),
        "SalesCredit": {each["externalRef"]: _flat(each) for each in credits},
        "CreditRow": dict(_rows(credits)),
    })  # fmt: skip


def _rows(sales: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    """The rows of sales by their references."""
    for each in sales:
        for id, row in each["orderRows"].items():
            yield row.get("externalRef") or f"row {id} of {each['id']}", _flat(row)


def _is_invoiced(order: Record) -> bool:
    return any("taxDate" in each for each in order.get("invoices", ()))


def _invoice(order: Record) -> Record:
    return {
        "number": order["customFields"].get(M3_INVOICE),
        "day": order["invoices"][0]["taxDate"][:10],
        "total": order["totalValue"]["total"],
    }


def _shipped(notes: Sequence[Record]) -> dict[str, Record]:
    """Pieces by order row, with the order."""
    pieces: Counter[tuple[str, Any]] = Counter()
    for note in notes:
        for (row, _), quantity in note_lines(note).items():
            pieces[row, note["orderId"]] += int(quantity)
    return {row: {"quantity": Decimal(count), "orderId": order} for (row, order), count in pieces.items()}


def _flat(record: Record, path: str = "") -> dict[str, Any]:
    """The values of a record by their paths, such as ``totalValue.net``."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        found |= _flat(value, f"{path}{name}.") if isinstance(value, Mapping) else {f"{path}{name}": value}
    return found


def in_infor(tables: Tables) -> Found:
    """All records of the company but those that it has of its own."""
    own = {name: list(_synced(records)) for name, records in tables.items()}
    numbers = {order["ORNO"]: order["CUOR"] for order in own["orders"]}
    places = {(line["ORNO"], str(line["PONR"])): line["CUPO"] for line in own["order_lines"]}
    totals = _totals(own)
    return Found({
        "Customer": _by(own["customers"], "CUNO"),
        "CustomerAddress": _by(own["addresses"], "CUNO", "ADRT", "ADID"),
        "Item": _by(own["items"], "ITNO"),
        "ItemAlias": _by(own["aliases"], "POPN"),
        "ItemWarehouse": _by(own["item_warehouse"], "ITNO", "WHLO"),
        "StockCount": _by(own["balances"], "WHLO", "ITNO", "WHSL"),
        "Order": {each["CUOR"]: {**each, "TOTAL": totals[each["ORNO"]]} for each in own["orders"]},
        "OrderAddress": {f"{numbers[each['ORNO']]}|{each['ADRT']}": each for each in own["order_addresses"]},
        "OrderLine": {f"{numbers[each['ORNO']]}|{each['CUPO']}": each for each in own["order_lines"]},
        "OrderCharge": {f"{numbers[each['ORNO']]}|{each['CRID']}": each for each in own["order_charges"]},
        "Delivery": _by(own["deliveries"], "CUOR"),
        "Pick": {
            each["PMSN"]: {**each, "CUOR": numbers[each["RIDN"]], "CUPO": places[each["RIDN"], each["RIDL"]]}
            for each in own["messages"]
            if each["PMSN"].startswith(OUR_PICKS)
        },
        "Journal": _by(own["journals"], "KEY1"),
        "JournalLine": _by(own["journal_lines"], "KEY1", "LINE"),
        "Voucher": _numbered(own["vouchers"]),
    })  # fmt: skip


def _synced(records: Sequence[Record]) -> Iterator[Record]:
    for record in records:
        seeded = SEEDED & {record.get("ITNO"), record.get("CUNO")}
        if record["CONO"] == COMPANY and record.get("WHLO") != OWN_WAREHOUSE and not seeded:
            yield record


def _by(records: list[Record], *names: str) -> dict[str, Record]:
    return {"|".join(str(each[name]) for name in names): each for each in records}


def _numbered(vouchers: list[Record]) -> dict[str, Record]:
    """Lines of vouchers by the journal they came from and their place in it."""
    found: dict[str, Record] = {}
    for each in sorted(vouchers, key=lambda line: (line["KEY1"], int(line["JSNO"]))):
        place = sum(1 for line in (1, 2) if f"{each['KEY1']}|{line}" in found) + 1
        found[f"{each['KEY1']}|{place}"] = each
    return found


def _totals(own: Mapping[str, list[Record]]) -> dict[str, Decimal]:
    """Lines and charges of each order added up, each rounded as its currency is."""
    places = {order["ORNO"]: PLACES.get(order["CUCD"], 2) for order in own["orders"]}
    totals = dict.fromkeys(places, Decimal(0))
    for line in own["order_lines"]:
        number = line["ORNO"]
        totals[number] += rounded(Decimal(line["ORQT"]) * Decimal(line["SAPR"]), places[number])
    for charge in own["order_charges"]:
        totals[charge["ORNO"]] += Decimal(charge["CRAM"])
    return totals
