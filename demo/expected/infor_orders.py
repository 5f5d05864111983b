"""Orders in M3, and what of them is delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from demo.expected.records import (
    Expected,
    Fields,
    OneOf,
    Record,
    Source,
    cut,
    is_placed_in_salesforce,
    london_day,
    note_lines,
    of_type,
    rounded,
    text,
)

# where Brightpearl's warehouses are in M3
WAREHOUSES = {2: "100", 3: "120", 4: "110"}
FACILITY, LOCATION = "A01", "A0101"
# how far a line is
OPEN, PARTLY, DELIVERED, INVOICED = "22", "44", "66", "77"


def orders(source: Source, customers: set[str], items: Mapping[int, str], wanted: Expected) -> None:
    """Adds sales orders: those of customers that are not there are parked.

    Args:
        source: Brightpearl's collections.
        customers: ids of the contacts that are in M3.
        items: item number by product id.
        wanted: what it is added to.
    """
    every = of_type(source, "SO")
    ready = [each for each in every if str(each["parties"]["customer"]["contactId"]) in customers]
    wanted.records["Order"] = {str(each["id"]): _head(each) for each in ready}
    wanted.records["OrderAddress"] = {
        f"{each['id']}|1": fields for each in ready if (fields := _address(each["parties"]["delivery"]))
    }
    wanted.records["OrderLine"] = {key: fields for each in ready for key, fields in _lines(each, items)}
    wanted.records["OrderCharge"] = {key: fields for each in ready for key, fields in _charges(each)}
    wanted.parked["orders_to_infor"] = {str(each["id"]) for each in every} - {
        str(each["id"]) for each in ready
    }


def m3_day(instant: str) -> str:
    """The day in London as M3 writes it."""
    return london_day(instant).strftime("%Y%m%d")


def _head(order: Record) -> Fields:
    wished = order["delivery"].get("deliveryDate")
    return {
        "CUNO": f"BP{order['parties']['customer']['contactId']}",
        "ORTP": "W01",
        "FACI": FACILITY,
        "WHLO": WAREHOUSES[order["warehouseId"]],
        "ORDT": m3_day(order["placedOn"]),
        "RLDT": m3_day(wished or order["placedOn"]),
        "CUCD": order["currency"]["orderCurrencyCode"],
        "NREF": str(order["id"]),
        "YREF": cut(text(order["parties"]["customer"].get("addressFullName")), 30),
        "OREF": cut(text(order.get("reference")), 30),
        # lines and charges of the order in M3, added up
        "TOTAL": Decimal(order["totalValue"]["net"]),
    }


def _address(party: Record) -> Fields:
    first = text(party.get("addressLine1"))
    if first is None:
        return {}
    code = text(party.get("postalCode"))
    return {
        "CUNM": cut(text(party.get("companyName")) or text(party.get("addressFullName")), 36),
        "CUA1": cut(first, 36),
        "CUA2": cut(text(party.get("addressLine2")), 36),
        "TOWN": cut(text(party.get("addressLine3")), 20),
        "PONO": cut(code.upper(), 10) if code else None,
        "CSCD": text(party.get("countryIsoCode")),
    }


def _net(row: Record) -> Decimal:
    return Decimal(row["rowValue"]["rowNet"]["value"])


def _lines(order: Record, items: Mapping[int, str]) -> Iterator[tuple[str, Fields]]:
    for place, row in enumerate(order["orderRows"].values(), 1):
        quantity = Decimal(row["quantity"]["magnitude"])
        if _net(row) >= 0:
            fields: Fields = {
                "ITNO": items[row["productId"]],
                "ORQT": quantity,
                "SAPR": rounded(_net(row) / quantity, 6),
                "WHLO": WAREHOUSES[order["warehouseId"]],
                "DLQT": Decimal(0),
                "ORST": OPEN,
            }
            yield f"{order['id']}|{place}", fields


def _charges(order: Record) -> Iterator[tuple[str, Fields]]:
    for row in order["orderRows"].values():
        if _net(row) < 0:
            yield f"{order['id']}|DISC", {"CRAM": _net(row)}


def shipments(source: Source, wanted: Expected) -> None:
    """Adds picks and tracking references, and what they deliver to the lines of orders."""
    by_id = {str(order["id"]): order for order in of_type(source, "SO")}
    picks: dict[str, Fields] = {}
    deliveries: dict[str, Fields] = {id: {"ETRN": None} for id in wanted.records["Order"]}
    waiting: set[str] = set()
    for note in source["goods-out-note"]:
        order = str(note["orderId"])
        if note["transfer"] or not note["status"]["shipped"]:
            continue
        if order not in deliveries:
            waiting.add(str(note["goodsOutNoteId"]))
            continue
        if reference := _reference(note):
            deliveries[order]["ETRN"] = _either(deliveries[order]["ETRN"], reference)
        for key, fields in _picks(note, by_id[order]):
            # what M3 ships itself is picked there
            if not is_placed_in_salesforce(by_id[order]):
                picks[key] = fields
            _deliver(wanted.records["OrderLine"][f"{order}|{fields['CUPO']}"], fields["QTYP"])
    wanted.records.update({"Pick": picks, "Delivery": deliveries})
    _tell_heads(wanted, {id for id, order in by_id.items() if is_placed_in_salesforce(order)})
    _below_zero(wanted, picks.values())
    wanted.parked["shipments_to_infor"] = waiting


def _below_zero(wanted: Expected, picks: Iterable[Fields]) -> None:
    """Goods sent from where Brightpearl tells no stock: M3 has that much less than nothing."""
    stock = wanted.records["StockCount"]
    sent: dict[str, Decimal] = {}
    for pick in picks:
        item = wanted.records["OrderLine"][f"{pick['CUOR']}|{pick['CUPO']}"]["ITNO"]
        place = f"{pick['WHLO']}|{item}|{pick['WHSL']}"
        sent[place] = sent.get(place, Decimal(0)) - Decimal(str(pick["QTYP"]))
    stock.update({place: {"STQT": left} for place, left in sent.items() if place not in stock})


def _tell_heads(wanted: Expected, invoiced: set[str]) -> None:
    """The lowest and highest status of an order are those of its lines; M3 invoices what it ships itself in full."""
    lines: dict[str, list[Fields]] = {}
    for key, line in wanted.records["OrderLine"].items():
        lines.setdefault(key.partition("|")[0], []).append(line)
    for order, all_of_it in lines.items():
        if order in invoiced and {line["ORST"] for line in all_of_it} == {DELIVERED}:
            for line in all_of_it:
                line["ORST"] = INVOICED
        states = [str(line["ORST"]) for line in all_of_it]
        wanted.records["Order"][order] |= {"ORSL": min(states), "ORST": max(states)}


def _reference(note: Record) -> str:
    return cut(text(note["shipping"].get("reference")), 30) or ""


def _either(before: object, more: str) -> OneOf:
    values = before.values if isinstance(before, OneOf) else frozenset[str]()
    return OneOf(values | {more})


def _picks(note: Record, order: Record) -> Iterator[tuple[str, Fields]]:
    places = {row: str(place) for place, row in enumerate(order["orderRows"], 1)}
    for number, ((row, _), quantity) in enumerate(note_lines(note).items(), 1):
        fields: Fields = {
            "CUOR": str(order["id"]),
            "CUPO": places[row],
            "WHLO": WAREHOUSES[note["warehouseId"]],
            "WHSL": LOCATION,
            "QTYP": quantity,
            "RPDT": m3_day(note["status"]["shippedOn"]),
            "STAT": "90",
        }
        yield f"BPG{note['goodsOutNoteId']}-{number}", fields


def _deliver(line: Fields, quantity: object) -> None:
    ordered, before = line["ORQT"], line["DLQT"]
    if isinstance(ordered, Decimal) and isinstance(before, Decimal) and isinstance(quantity, Decimal):
        line["DLQT"] = before + quantity
        line["ORST"] = DELIVERED if before + quantity >= ordered else PARTLY
