"""Stock, shipments and returns in Salesforce."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from demo.expected.records import (
    Expected,
    Fields,
    Link,
    Record,
    Source,
    cents,
    cut,
    is_placed_in_salesforce,
    london_day,
    note_lines,
    of_type,
    text,
)

COUNTED_WAREHOUSES = {2, 3, 4}
WAREHOUSES = {2: "Bristol DC", 3: "Rotterdam 3PL", 4: "Portland, OR", 5: "Returns & Seconds"}
CARRIERS = {1: "Collection", 2: "Courier 24h", 3: "Royal Mail 48", 4: "DHL International"}
PROGRESS = (("shipped", "Shipped"), ("packed", "Packed"), ("picked", "Picked"), ("printed", "Printed"))
FIGURES = ("inStock", "onHand", "allocated", "inTransit")


def stock(source: Source) -> Iterator[tuple[str, Fields]]:
    """Stock of each product whose stock is known, with the lines that say where it comes from."""
    held = {each["id"]: _by_warehouse(each["warehouses"]) for each in source["product-availability"]}
    for product in source["product"]:
        if parts := components(product):
            yield str(product["id"]), _figures(_bundle(parts, held))
        elif product["stock"]["stockTracked"] and product["id"] in held:
            yield str(product["id"]), _figures(held[product["id"]])


def components(product: Record) -> list[tuple[int, Decimal]]:
    """What a bundle is made of, with quantities; nothing for any other product."""
    made_of = product["composition"]
    parts = made_of.get("bundleComponents", ()) if made_of["bundle"] else ()
    pairs = [(part["productId"], Decimal(str(part["productQuantity"]))) for part in parts]
    return [(product_id, quantity) for product_id, quantity in pairs if quantity > 0]


def _by_warehouse(warehouses: Mapping[str, Record]) -> dict[int, dict[str, Any]]:
    return {int(id): {name: int(each.get(name, 0)) for name in FIGURES} for id, each in warehouses.items()}


def _bundle(
    parts: list[tuple[int, Decimal]], held: Mapping[int, Mapping[int, Record]]
) -> dict[int, dict[str, Any]]:
    """How many complete bundles lie in each warehouse that has all components."""
    places = set.intersection(*(set(held.get(product, ())) for product, _ in parts))
    return {place: _complete([(held[id][place], each, id) for id, each in parts]) for place in places}


def _complete(parts: list[tuple[Record, Decimal, int]]) -> dict[str, Any]:
    on_hand = min(int(have["onHand"] / each) for have, each, _ in parts)
    in_stock = min(int(have["inStock"] / each) for have, each, _ in parts)
    arrived = min(int((have["onHand"] + have["inTransit"]) / each) for have, each, _ in parts)
    scarcest = min(parts, key=lambda part: part[0]["onHand"] / part[1])[2]
    return {
        "inStock": in_stock,
        "allocated": in_stock - on_hand,
        "inTransit": arrived - on_hand,
        "scarcest": scarcest,
    }


def _figures(warehouses: Mapping[int, Record]) -> Fields:
    counted = [(id, warehouses[id]) for id in sorted(warehouses) if id in COUNTED_WAREHOUSES]
    available = sum(max(0, each["inStock"] - each["allocated"]) for _, each in counted)
    lines = "\n".join(_source_line(id, each) for id, each in counted)
    return {"AvailableStock__c": Decimal(available), "Brightpearl_Stock_Sources__c": lines or None}


def _source_line(warehouse: int, each: Record) -> str:
    limit = f", component {each['scarcest']} runs out first" if "scarcest" in each else ""
    stocked = f"{warehouse}: {each['inStock']} in stock, {each['allocated']} allocated"
    return f"{stocked}, {each['inTransit']} in transit{limit}"


def shipments(source: Source, wanted: Expected) -> None:
    """Adds goods-out and drop-ship notes; those of orders that are not there are parked."""
    notes = [each for each in source["goods-out-note"] if not each["transfer"]]
    records = {str(note["goodsOutNoteId"]): ("goods-out", note) for note in notes}
    records |= {f"DS{note['dropShipNoteId']}": ("drop-ship", note) for note in source["drop-ship-note"]}
    placed = {str(each["id"]) for each in of_type(source, "SO") if is_placed_in_salesforce(each)}
    there = wanted.records["Order"].keys() | placed
    ready = {id: pair for id, pair in records.items() if str(pair[1]["orderId"]) in there}
    wanted.records["Brightpearl_Shipment__c"] = {id: _shipment(*pair) for id, pair in ready.items()}
    wanted.records["Brightpearl_Shipment_Line__c"] = {
        key: fields for id, (_, note) in ready.items() for key, fields in _shipment_lines(id, note)
    }
    wanted.parked["shipments_to_salesforce"] = set(records) - set(ready)


def _shipment(kind: str, note: Record) -> Fields:
    shipping, status = note.get("shipping", {}), note["status"]
    carrier, warehouse = shipping.get("shippingMethodId", 0), note.get("warehouseId", 0)
    return {
        "Order__c": Link("Order", str(note["orderId"])),
        "Kind__c": kind,
        "Status__c": next((name for step, name in PROGRESS if status.get(step)), "Open"),
        "Carrier__c": CARRIERS[carrier] if carrier else None,
        "Tracking_Reference__c": cut(text(shipping.get("reference")), 80),
        "Warehouse__c": WAREHOUSES[warehouse] if warehouse else None,
        "Released_On__c": _instant(note.get("releaseDate")),
        "Shipped_On__c": _instant(status.get("shippedOn")),
        "Boxes__c": _number(shipping.get("boxes")),
        "Weight__c": _number(shipping.get("weight")),
    }


def _instant(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _shipment_lines(id: str, note: Record) -> Iterator[tuple[str, Fields]]:
    for (row, product), quantity in note_lines(note).items():
        fields: Fields = {
            "Shipment__c": Link("Brightpearl_Shipment__c", id),
            "Order_Product__c": Link("OrderItem", row),
            "Product__c": Link("Product2", str(product)),
            "Quantity__c": quantity,
        }
        yield f"{id}|{row}|{product}", fields


def returns(source: Source, wanted: Expected) -> None:
    """Adds sales credits; one above its order is rejected, one whose customer or order is not there parked."""
    orders = {order["id"]: order for order in of_type(source, "SO")}
    heads: dict[str, Fields] = {}
    lines: dict[str, Fields] = {}
    rejected: set[str] = set()
    parked: set[str] = set()
    # those that began in Salesforce do not come back to it
    for credit in (each for each in of_type(source, "SC") if not is_placed_in_salesforce(each)):
        id, original = str(credit["id"]), orders.get(credit["parentOrderId"])
        if not _has_parents(credit, wanted):
            parked.add(id)
        elif original and _is_above(credit, original):
            rejected.add(id)
        else:
            heads[id] = _return(credit, original)
            lines.update(_return_lines(credit, original))
    wanted.records["Brightpearl_Return__c"] = heads
    wanted.records["Brightpearl_Return_Line__c"] = lines
    wanted.rejected["credits_to_salesforce"] = rejected
    wanted.parked["credits_to_salesforce"] = parked


def _has_parents(credit: Record, wanted: Expected) -> bool:
    customer, order = str(credit["parties"]["customer"]["contactId"]), credit["parentOrderId"]
    return customer in wanted.records["Account"] and (not order or str(order) in wanted.records["Order"])


def _is_above(credit: Record, original: Record) -> bool:
    taken = _taken_back(credit, original)
    more = any(
        Decimal(credit["orderRows"][row]["quantity"]["magnitude"])
        > Decimal(original["orderRows"][of]["quantity"]["magnitude"])
        for row, of in taken.items()
    )
    total = _order_total(credit, original)
    return more or (total is not None and Decimal(credit["totalValue"]["total"]) > total)


def _order_total(credit: Record, original: Record | None) -> Decimal | None:
    code = "orderCurrencyCode"
    if original is None or original["currency"][code] != credit["currency"][code]:
        return None
    return Decimal(original["totalValue"]["total"])


def _taken_back(credit: Record, original: Record) -> dict[str, str]:
    """Which row of the order each row of its credit takes back: the one it was copied from, or a like one."""
    free = sorted(original["orderRows"], key=int)
    found = {}
    for row, fields in sorted(credit["orderRows"].items(), key=lambda pair: int(pair[0])):
        copied = str(fields.get("clonedFromId") or "")
        alike = [each for each in free if original["orderRows"][each]["productId"] == fields["productId"]]
        if match := copied if copied in free else next(iter(alike), None):
            free.remove(match)
            found[row] = match
    return found


def _return(credit: Record, original: Record | None) -> Fields:
    totals, order = credit["totalValue"], credit["parentOrderId"]
    return {
        "Account__c": Link("Account", str(credit["parties"]["customer"]["contactId"])),
        "Order__c": Link("Order", str(order)) if order else None,
        "CurrencyIsoCode": credit["currency"]["orderCurrencyCode"],
        "Reference__c": cut(text(credit.get("reference")), 80),
        "Status__c": credit["orderStatus"]["name"][:80],
        "Returned_On__c": london_day(credit["placedOn"]).isoformat(),
        "Net__c": cents(Decimal(totals["net"])),
        "Tax__c": cents(Decimal(totals["taxAmount"])),
        "Total__c": cents(Decimal(totals["total"])),
        "Order_Total__c": _order_total(credit, original),
    }


def _return_lines(credit: Record, original: Record | None) -> Iterator[tuple[str, Fields]]:
    taken = _taken_back(credit, original) if original else {}
    for id, row in credit["orderRows"].items():
        ordered = original["orderRows"][taken[id]] if original and id in taken else None
        fields: Fields = {
            "Return__c": Link("Brightpearl_Return__c", str(credit["id"])),
            "Order_Product__c": Link("OrderItem", taken[id]) if ordered else None,
            "Product__c": Link("Product2", str(row["productId"])),
            "CurrencyIsoCode": credit["currency"]["orderCurrencyCode"],
            "Description__c": cut(text(row.get("productName")), 255),
            "Quantity__c": Decimal(row["quantity"]["magnitude"]),
            "Ordered_Quantity__c": Decimal(ordered["quantity"]["magnitude"]) if ordered else None,
            "Net__c": Decimal(row["rowValue"]["rowNet"]["value"]),
            "Tax__c": Decimal(row["rowValue"]["rowTax"]["value"]),
        }
        yield id, fields
