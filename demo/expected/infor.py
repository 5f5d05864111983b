"""Customers, items and stock in M3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from demo.expected.infor_journals import journals
from demo.expected.infor_orders import orders, shipments
from demo.expected.records import (
    Expected,
    Fields,
    Record,
    Source,
    address_of,
    country_is_sound,
    customer_name,
    cut,
    email,
    full_name,
    is_customer,
    phone,
    postcode,
    product_name,
    text,
)

FREE_TEXT = {"id": 1000, "identity": {"sku": "FREE-TEXT"}, "status": "LIVE"}
LOCATION = "A0101"
# what the company had before any sync: names by customer number, and item numbers
M3_CUSTOMERS = {"ACME01": "Corner Shop Ltd", "ACME02": "Harbour Stores"}
M3_ITEMS = ("ITEM-1", "ITEM-2")
# where Brightpearl's warehouses are in M3
WAREHOUSES = {2: "100", 3: "120", 4: "110"}
STATUSES = {"LIVE": "20", "DISCONTINUED": "20", "ARCHIVED": "20"}
# what the templates WEB and TEMPLATE give to their copies
OF_CUSTOMER_TEMPLATE: Fields = {"ORTP": "W01", "TEPY": "P30", "MODL": "STD", "TEDL": "DDP"}
OF_ITEM_TEMPLATE: Fields = {"UNMS": "PCS", "ITTY": "100", "ITGR": "GENERAL"}


def expected(source: Source, accounts: Mapping[str, str]) -> Expected:
    """All of M3 that the flows answer for.

    Args:
        source: Brightpearl's collections, by name.
        accounts: ledger account by payment method, as far as the bookkeepers have named one.
    """
    addresses = {address["addressId"]: address for address in source["postal-address"]}
    # what M3 had first is not made by the flows
    customers = [
        each for each in source["contact"]
        if is_customer(each) and each["organisation"].get("name") not in M3_CUSTOMERS.values()
    ]  # fmt: skip
    accepted = [each for each in customers if country_is_sound(each, addresses)]
    products = [
        each for each in (*source["product"], FREE_TEXT) if each["identity"].get("sku") not in M3_ITEMS
    ]
    wanted = Expected(
        {
            "Customer": {f"BP{each['contactId']}": _customer(each, addresses) for each in accepted},
            "CustomerAddress": dict(_delivery_addresses(accepted, addresses)),
            "Item": {item_number(each): _item(each) for each in products},
            "ItemAlias": dict(_aliases(products)),
            "ItemWarehouse": dict(_item_warehouses(products)),
            "StockCount": dict(_stock(source)),
        }
    )
    known = {str(each["contactId"]) for each in accepted}
    wanted.rejected["customers_to_infor"] = {str(each["contactId"]) for each in customers} - known
    numbers = {each["id"]: item_number(each) for each in products}
    orders(source, known, numbers, wanted)
    shipments(source, wanted)
    journals(source, accounts, wanted)
    return wanted


def _customer(contact: Record, addresses: Mapping[int, Record]) -> Fields:
    home, phones = address_of(contact, "BIL", addresses), contact["communication"]["telephones"]
    first_line = text(home.get("addressLine1"))
    mail = email(contact)
    return {
        "CUNM": cut(customer_name(contact), 36),
        **_place(home),
        "CUA1": cut(first_line or text(address_of(contact, "DEF", addresses).get("addressLine1")) or "-", 36),
        "PHNO": cut(phone(phones.get("PRI"), home), 16),
        "PHN2": cut(phone(phones.get("MOB"), home), 16),
        "MAIL": mail if mail and len(mail) <= 50 else None,
        "YREF": cut(full_name(contact), 30),
        **OF_CUSTOMER_TEMPLATE,
    }


def _place(address: Record) -> Fields:
    country = address.get("countryIsoCode2")
    return {
        "CUA1": cut(text(address.get("addressLine1")), 36),
        "CUA2": cut(text(address.get("addressLine2")), 36),
        "TOWN": cut(text(address.get("addressLine3")), 20),
        "PONO": cut(postcode(address.get("postalCode"), country), 10),
        "CSCD": country,
    }


def _delivery_addresses(
    customers: list[Record], addresses: Mapping[int, Record]
) -> Iterator[tuple[str, Fields]]:
    needed = ("addressLine1", "addressLine3", "postalCode", "countryIsoCode")
    for contact in customers:
        place = address_of(contact, "DEL", addresses)
        if all(text(place.get(name)) for name in needed):
            fields = {"CUNM": cut(customer_name(contact), 36), **_place(place)}
            yield f"BP{contact['contactId']}|1|DEL", fields


def item_number(product: Record) -> str:
    """The SKU where M3 takes it, else a number made from the product's id."""
    sku = text(product["identity"].get("sku"))
    return sku if sku and _is_item_number(sku) else f"BP{product['id']}"


def _is_item_number(sku: str) -> bool:
    return len(sku) <= 15 and sku == sku.upper()


def _item(product: Record) -> Fields:
    sku, weight = text(product["identity"].get("sku")), product.get("stock", {}).get("weight", {})
    free = product["id"] == FREE_TEXT["id"]
    name = "Free text and shipping" if free else product_name(product)
    return {
        "STAT": STATUSES[product["status"]],
        "ITDS": (name or sku or f"Product {product['id']}")[:60],
        "FUDS": cut(name or sku, 120),
        "NEWE": Decimal(str(weight["magnitude"])) if weight.get("magnitude") is not None else None,
        **OF_ITEM_TEMPLATE,
    }


def _aliases(products: list[Record]) -> Iterator[tuple[str, Fields]]:
    for product in products:
        sku = text(product["identity"].get("sku"))
        if sku and not _is_item_number(sku):
            yield sku[:30], {"ITNO": f"BP{product['id']}", "ALWT": "1"}


def _item_warehouses(products: list[Record]) -> Iterator[tuple[str, Fields]]:
    for product in products:
        for warehouse in WAREHOUSES.values():
            yield f"{item_number(product)}|{warehouse}", {"FACI": "A01", "STAT": "20"}


def _stock(source: Source) -> Iterator[tuple[str, Fields]]:
    held = {each["id"]: each["warehouses"] for each in source["product-availability"]}
    for product in source["product"]:
        if product["identity"].get("sku") in M3_ITEMS:
            continue
        if product["stock"]["stockTracked"] and not product["composition"]["bundle"]:
            for id, figures in held.get(product["id"], {}).items():
                if warehouse := WAREHOUSES.get(int(id)):
                    count = Decimal(max(0, int(figures["inStock"])))
                    yield f"{warehouse}|{item_number(product)}|{LOCATION}", {"STQT": count}
