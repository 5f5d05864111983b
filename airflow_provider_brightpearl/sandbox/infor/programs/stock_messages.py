"""Stock changes by message, MMS850MI: set, adjust, move (reference 2.6.4)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import generic_nok, nok
from ..session import Handler, Session, Transactions
from ..values import Row, Values
from .interface_messages import STAGED, create_message, is_immediate, mark_processed, processing
from .stock import move_stock


def _added(kind: str) -> Handler:
    def add(session: Session, values: Values) -> Iterable[Row]:
        session.warehouse(values)
        message = create_message(session, values, kind, "MSNR")
        if is_immediate(values):
            with processing(session, message):
                _apply(session, kind, values)
        return [{"CONO": session.cono, "MSNR": message["MSGN"], "MSLN": 1, "MSGS": 0}]

    return add


def process(session: Session, values: Values) -> None:
    """Process a staged message; a processed one is rejected."""
    message = session.require("messages", "WMS3703", "MSNR", values.text("MSNR"))
    if message["STAT"] != STAGED:
        raise nok("WST0301", message["STAT"], "MSNR")
    _apply(session, str(message["KIND"]), Values(message))
    mark_processed(session, message)


def _apply(session: Session, kind: str, values: Values) -> None:
    place = _location_of(session, values)
    if "QLQT" not in values:
        raise generic_nok("Quantity must be entered", "QLQT")
    quantity = session.quantity(values["QLQT"], session.item(values.text("ITNO")), "QLQT")
    present = session.find("balances", place["WHLO"], place["ITNO"], place["WHSL"], place["BANO"], "", 0)
    stock = present["STQT"] if present else Decimal(0)
    if kind == "AddQty":
        if quantity < 0:
            raise nok("XNU0000", quantity, "QLQT")
        move_stock(session, place, quantity - stock, kind)
    elif kind == "AddAdjust":
        _check_left(stock + quantity, quantity)
        move_stock(session, place, quantity, kind)
    else:
        _check_left(stock - quantity, quantity)
        to = values.text("TWSL")
        session.require("locations", "WWS0103", "TWSL", place["WHLO"], to)
        move_stock(session, place, -quantity, kind)
        move_stock(session, {**place, "WHSL": to}, quantity, kind)


def _check_left(left: Decimal, quantity: Decimal) -> None:
    if left < 0:
        raise nok("MW42223", quantity, "QLQT")


def _location_of(session: Session, values: Values) -> Row:
    if "ITNO" not in values:
        raise nok("WIT0102", field="ITNO")
    if "WHSL" not in values:
        raise nok("WWS0102", field="WHSL")
    session.item_warehouse(values.text("ITNO"), values.text("WHLO"))
    session.require("locations", "WWS0103", "WHSL", values.text("WHLO"), values.text("WHSL"))
    session.check_code(values, "RSCD")
    return {name: values.text(name) for name in ("WHLO", "ITNO", "WHSL", "BANO", "RSCD")}


MMS850MI: Transactions = {
    "AddQty": _added("AddQty"),
    "AddAdjust": _added("AddAdjust"),
    "AddMove": _added("AddMove"),
    "PrcStkTran": process,
}
