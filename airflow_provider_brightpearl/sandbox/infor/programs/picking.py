"""Reporting what was picked, MHS850MI, and the picking lists it is about, MWS422MI (reference 2.6.6)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values
from .deliveries import CUSTOMER_ORDER, DELIVERED, delivery, shown
from .interface_messages import at_once, done, new_message, withdraw
from .invoices import invoice_delivery
from .stock import allocate, move

ZERO = Decimal(0)


def add_order_pick(session: Session, values: Values) -> Iterable[Row]:
    """The picked quantity of an order line; without QTYP what is left of it."""
    session.warehouse(values)
    order = session.need("orders", "WOR0303", "RIDN", values.text("RIDN"))
    if order["CUNO"] != values["CUNO"]:
        raise nok("WCU0203", values["CUNO"], "CUNO")
    message = new_message(session, values, "AddCOPick")
    _try(session, message, _order_line(session, values), values, "PRFL")
    return _answer(message)


def add_pick_by_number(session: Session, values: Values) -> Iterable[Row]:
    """The same by the reporting number of the picking list."""
    session.warehouse(values)
    line = _by_reporting_number(session, values)
    message = new_message(session, values, "AddPickViaRepNo")
    _try(session, message, line, values, "PRMD")
    return _answer(message)


def add_whole_list(session: Session, values: Values) -> Iterable[Row]:
    """All that is left of a picking list."""
    session.warehouse(values)
    head = delivery(session, values)
    message = new_message(session, values, "AddCfmPickList")
    for line in session.group("delivery_lines", head["DLIX"]):
        if line["DLQT"] < line["TRQT"] and not line["CLOSED"]:
            _try(session, message, line, values, "PRMD")
    return _answer(message)


def process(session: Session, values: Values) -> None:
    """Process a staged message; a processed one is refused (reference 2.6.4)."""
    message = session.need("messages", "WMS3703", "MSGN", values.text("MSGN"))
    if message["STAT"] != "10":
        raise nok("WST0301", message["STAT"], "MSGN")
    staged = Values(message)
    if message["KIND"] == "AddCfmPickList":
        lines = session.group("delivery_lines", staged.whole("DLIX"))
    elif message["KIND"] == "AddPickViaRepNo":
        lines = [_by_reporting_number(session, staged)]
    else:
        lines = [_order_line(session, staged)]
    for line in lines:
        _pick(session, line, staged)
    done(session, message)


def _try(session: Session, message: Row, line: Row, values: Values, flag: str) -> None:
    if not at_once(values, flag):
        return
    try:
        _pick(session, line, values)
    except Exception:
        if message["STAT"] == "10":
            withdraw(session, message)
        raise
    done(session, message)


def _pick(session: Session, line: Row, values: Values) -> None:
    """Issue stock, and move line, delivery and order on."""
    item = session.item(str(line["ITNO"]))
    left = line["TRQT"] - line["DLQT"]
    quantity = session.quantity(values["QTYP"], item, "QTYP") if "QTYP" in values else left
    head = session.need("deliveries", "WDL0203", "DLIX", line["DLIX"])
    _check(session, line, head, quantity, left)
    place = _place(session, line, values)
    _check_stock(session, place, quantity)
    move(session, place, -quantity, str(line["RIDN"]))
    closed = 1 if values.whole("OEND") else line["CLOSED"]
    released = left if closed else quantity
    allocate(session, str(line["ITNO"]), str(line["WHLO"]), -released)
    session["delivery_lines"].update(line, {"DLQT": line["DLQT"] + quantity, "CLOSED": closed})
    _move_on(session, line, head, quantity, released)


def _check(session: Session, line: Row, head: Row, quantity: Decimal, left: Decimal) -> None:
    if head["IVNO"]:
        raise nok("MW_0008", line["DLIX"], "DLIX")
    if quantity < 0:
        raise nok("XNU0000", quantity, "QTYP")
    over = quantity > left or line["CLOSED"] or (left == 0 and quantity == 0)
    if over and session.settings["over_reporting"] == "refuse":
        raise nok("MH85008", quantity, "QTYP")


def _place(session: Session, line: Row, values: Values) -> Row:
    whlo = str(line["WHLO"])
    whsl = values.text("WHSL") or first_location(session, whlo, str(line["ITNO"]))
    session.need("locations", "WWS0103", "WHSL", whlo, whsl)
    return {"WHLO": whlo, "ITNO": line["ITNO"], "WHSL": whsl, **{n: values.text(n) for n in ("BANO", "CAMU")}}


def _check_stock(session: Session, place: Row, quantity: Decimal) -> None:
    row = session.find(
        "balances", place["WHLO"], place["ITNO"], place["WHSL"], place["BANO"], place["CAMU"], 0
    )
    stock = row["STQT"] if row else ZERO
    if quantity > stock and session.settings["stock_checked_at_pick"]:
        raise nok("MW42223", quantity, "QTYP")


def first_location(session: Session, whlo: str, itno: str) -> str:
    """Where most of an item lies in a warehouse, or its first location."""
    balances = session.group("balances", whlo, itno)
    if balances:
        return str(max(balances, key=lambda row: row["STQT"])["WHSL"])
    places = [row for row in session.every("locations") if row["WHLO"] == whlo]
    return str(places[0]["WHSL"]) if places else ""


def _move_on(session: Session, line: Row, head: Row, quantity: Decimal, released: Decimal) -> None:
    ordered = session.find("order_lines", line["RIDN"], line["RIDL"], line["RIDX"])
    if ordered is not None:
        delivered = ordered["DLQT"] + quantity
        state = "66" if line["CLOSED"] or delivered >= ordered["ORQT"] else "44"
        changes = {"DLQT": delivered, "ALQT": ordered["ALQT"] - released, "ORST": state}
        session["order_lines"].update(ordered, changes)
    if all(r["CLOSED"] or r["DLQT"] >= r["TRQT"] for r in session.group("delivery_lines", head["DLIX"])):
        session["deliveries"].update(head, {"PGRS": DELIVERED, "DLDT": session.today()})
        if session.settings["invoice_at_delivery"]:
            invoice_delivery(session, head)
    refresh_order(session, str(line["RIDN"]))


def refresh_order(session: Session, orno: str) -> None:
    """The lowest and highest status of an order are those of its lines."""
    order = session.find("orders", orno)
    states = sorted(str(row["ORST"]) for row in session.group("order_lines", orno))
    if order is not None and states:
        session["orders"].update(order, {"ORSL": states[0], "ORST": states[-1]})


def _order_line(session: Session, values: Values) -> Row:
    rows = session.having("delivery_lines", "RIDN", values.text("RIDN"))
    wanted = (values.whole("RIDL"), values.whole("RIDX"))
    found = [row for row in rows if (row["RIDL"], row["RIDX"]) == wanted]
    if "DLIX" in values:
        delivery(session, values)
        found = [row for row in found if row["DLIX"] == values.whole("DLIX")]
    if not found:
        raise nok("WDL0203", values.text("DLIX"), "RIDL")
    return found[0]


def _by_reporting_number(session: Session, values: Values) -> Row:
    for row in session.every("delivery_lines"):
        if row["PLRN"] == values.whole("PLRN"):
            return row
    raise nok("XRE0103", values.whole("PLRN"), "PLRN")


def _answer(message: Row) -> Iterable[Row]:
    return [{"CONO": message["CONO"], "MSGN": message["MSGN"], "STNB": "", "STRN": ""}]


def list_pick_details(session: Session, values: Values) -> Iterable[Row]:
    """The lines of a picking list that are still to be reported."""
    head = delivery(session, values)
    rows = session.group("delivery_lines", head["DLIX"])
    return [_detail(session, row) for row in rows if not row["CLOSED"] and row["DLQT"] < row["TRQT"]]


def get_pick_detail(session: Session, values: Values) -> Iterable[Row]:
    return [_detail(session, _by_reporting_number(session, values))]


def _detail(session: Session, row: Row) -> Row:
    place = first_location(session, str(row["WHLO"]), str(row["ITNO"]))
    figures = shown(session, row)
    left = figures["PLQT"]
    state = {"TTYP": 31, "PLSX": 1, "STAT": "40", "RORC": CUSTOMER_ORDER, "WHSL": place}
    return {**figures, **state, "ALQT": left, "ALQA": left, "PAQT": 0}


MHS850MI: Transactions = {
    "AddCOPick": add_order_pick,
    "AddPickViaRepNo": add_pick_by_number,
    "AddCfmPickList": add_whole_list,
    "PrcWhsTran": process,
}
MWS422MI: Transactions = {"LstPickDetail": list_pick_details, "GetPickByRepNo": get_pick_detail}
