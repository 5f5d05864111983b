"""Pick reporting, MHS850MI, and picking lists, MWS422MI (reference 2.6.6)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values
from .deliveries import CUSTOMER_ORDER, DELIVERED, displayed, require_delivery
from .interface_messages import STAGED, create_message, is_immediate, mark_processed, processing
from .invoices import invoice_delivery
from .stock import allocate, move_stock

ZERO = Decimal(0)


def add_order_pick(session: Session, values: Values) -> Iterable[Row]:
    """Report the picked quantity of an order line; without QTYP all that remains."""
    session.warehouse(values)
    order = session.require("orders", "WOR0303", "RIDN", values.text("RIDN"))
    if order["CUNO"] != values["CUNO"]:
        raise nok("WCU0203", values["CUNO"], "CUNO")
    message = create_message(session, values, "AddCOPick")
    _process_now(session, message, _order_line(session, values), values, "PRFL")
    return _answer(message)


def add_pick_by_number(session: Session, values: Values) -> Iterable[Row]:
    """Report a pick by the reporting number of the picking list."""
    session.warehouse(values)
    line = _by_reporting_number(session, values)
    message = create_message(session, values, "AddPickViaRepNo")
    _process_now(session, message, line, values, "PRMD")
    return _answer(message)


def add_whole_list(session: Session, values: Values) -> Iterable[Row]:
    """Report all that remains of a picking list."""
    session.warehouse(values)
    head = require_delivery(session, values)
    message = create_message(session, values, "AddCfmPickList")
    for line in session.with_key_prefix("delivery_lines", head["DLIX"]):
        if line["DLQT"] < line["TRQT"] and not line["CLOSED"]:
            _process_now(session, message, line, values, "PRMD")
    return _answer(message)


def process(session: Session, values: Values) -> None:
    """Process a staged message; a processed one is rejected (reference 2.6.4)."""
    message = session.require("messages", "WMS3703", "MSGN", values.text("MSGN"))
    if message["STAT"] != STAGED:
        raise nok("WST0301", message["STAT"], "MSGN")
    staged = Values(message)
    if message["KIND"] == "AddCfmPickList":
        lines = session.with_key_prefix("delivery_lines", staged.integer("DLIX"))
    elif message["KIND"] == "AddPickViaRepNo":
        lines = [_by_reporting_number(session, staged)]
    else:
        lines = [_order_line(session, staged)]
    for line in lines:
        _pick(session, line, staged)
    mark_processed(session, message)


def _process_now(session: Session, message: Row, line: Row, values: Values, flag: str) -> None:
    if is_immediate(values, flag):
        with processing(session, message):
            _pick(session, line, values)


def _pick(session: Session, line: Row, values: Values) -> None:
    """Issue the stock and update line, delivery and order."""
    item = session.item(str(line["ITNO"]))
    left = line["TRQT"] - line["DLQT"]
    quantity = session.quantity(values["QTYP"], item, "QTYP") if "QTYP" in values else left
    head = session.require("deliveries", "WDL0203", "DLIX", line["DLIX"])
    _check(session, line, head, quantity, left)
    place = _location_of(session, line, values)
    _check_stock(session, place, quantity)
    move_stock(session, place, -quantity, str(line["RIDN"]))
    closed = 1 if values.integer("OEND") else line["CLOSED"]
    released = left if closed else quantity
    allocate(session, str(line["ITNO"]), str(line["WHLO"]), -released)
    session["delivery_lines"].update(line, {"DLQT": line["DLQT"] + quantity, "CLOSED": closed})
    _update_progress(session, line, head, quantity, released)


def _check(session: Session, line: Row, head: Row, quantity: Decimal, left: Decimal) -> None:
    if head["IVNO"]:
        raise nok("MW_0008", line["DLIX"], "DLIX")
    if quantity < 0:
        raise nok("XNU0000", quantity, "QTYP")
    over = quantity > left or line["CLOSED"] or (left == 0 and quantity == 0)
    if over and session.settings["over_reporting"] == "refuse":
        raise nok("MH85008", quantity, "QTYP")


def _location_of(session: Session, line: Row, values: Values) -> Row:
    whlo = str(line["WHLO"])
    whsl = values.text("WHSL") or first_location(session, whlo, str(line["ITNO"]))
    session.require("locations", "WWS0103", "WHSL", whlo, whsl)
    return {"WHLO": whlo, "ITNO": line["ITNO"], "WHSL": whsl, **{n: values.text(n) for n in ("BANO", "CAMU")}}


def _check_stock(session: Session, place: Row, quantity: Decimal) -> None:
    row = session.find(
        "balances", place["WHLO"], place["ITNO"], place["WHSL"], place["BANO"], place["CAMU"], 0
    )
    stock = row["STQT"] if row else ZERO
    if quantity > stock and session.settings["stock_checked_at_pick"]:
        raise nok("MW42223", quantity, "QTYP")


def first_location(session: Session, whlo: str, itno: str) -> str:
    """The location with most stock of an item in a warehouse, or else the first location."""
    balances = session.with_key_prefix("balances", whlo, itno)
    if balances:
        return str(max(balances, key=lambda row: row["STQT"])["WHSL"])
    places = [row for row in session.all_rows("locations") if row["WHLO"] == whlo]
    return str(places[0]["WHSL"]) if places else ""


def _update_progress(session: Session, line: Row, head: Row, quantity: Decimal, released: Decimal) -> None:
    ordered = session.find("order_lines", line["RIDN"], line["RIDL"], line["RIDX"])
    if ordered is not None:
        delivered = ordered["DLQT"] + quantity
        state = "66" if line["CLOSED"] or delivered >= ordered["ORQT"] else "44"
        changes = {"DLQT": delivered, "ALQT": ordered["ALQT"] - released, "ORST": state}
        session["order_lines"].update(ordered, changes)
    if all(
        r["CLOSED"] or r["DLQT"] >= r["TRQT"] for r in session.with_key_prefix("delivery_lines", head["DLIX"])
    ):
        # INFERRED: the transaction date is that of the last issue
        day = session.today()
        session["deliveries"].update(head, {"PGRS": DELIVERED, "DLDT": day, "TRDT": day})
        if session.settings["invoice_at_delivery"]:
            invoice_delivery(session, head)
    refresh_order(session, str(line["RIDN"]))


def refresh_order(session: Session, orno: str) -> None:
    """Set the lowest and highest status of an order from its lines."""
    order = session.find("orders", orno)
    states = sorted(str(row["ORST"]) for row in session.with_key_prefix("order_lines", orno))
    if order is not None and states:
        session["orders"].update(order, {"ORSL": states[0], "ORST": states[-1]})


def _order_line(session: Session, values: Values) -> Row:
    rows = session.where("delivery_lines", "RIDN", values.text("RIDN"))
    wanted = (values.integer("RIDL"), values.integer("RIDX"))
    found = [row for row in rows if (row["RIDL"], row["RIDX"]) == wanted]
    if "DLIX" in values:
        require_delivery(session, values)
        found = [row for row in found if row["DLIX"] == values.integer("DLIX")]
    if not found:
        raise nok("WDL0203", values.text("DLIX"), "RIDL")
    return found[0]


def _by_reporting_number(session: Session, values: Values) -> Row:
    for row in session.all_rows("delivery_lines"):
        if row["PLRN"] == values.integer("PLRN"):
            return row
    raise nok("XRE0103", values.integer("PLRN"), "PLRN")


def _answer(message: Row) -> Iterable[Row]:
    return [{"CONO": message["CONO"], "MSGN": message["MSGN"], "STNB": "", "STRN": ""}]


def list_pick_details(session: Session, values: Values) -> Iterable[Row]:
    """The lines of a picking list that are not yet fully reported."""
    head = require_delivery(session, values)
    rows = session.with_key_prefix("delivery_lines", head["DLIX"])
    return [_detail(session, row) for row in rows if not row["CLOSED"] and row["DLQT"] < row["TRQT"]]


def get_pick_detail(session: Session, values: Values) -> Iterable[Row]:
    return [_detail(session, _by_reporting_number(session, values))]


def _detail(session: Session, row: Row) -> Row:
    place = first_location(session, str(row["WHLO"]), str(row["ITNO"]))
    figures = displayed(session, row)
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
