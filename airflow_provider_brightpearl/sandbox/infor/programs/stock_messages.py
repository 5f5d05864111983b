"""Stock changes by message, MMS850MI: set, adjust, move (reference 2.6.4)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import nok, refused
from ..session import Handler, Session, Transactions
from ..values import Row, Values
from .interface_messages import STAGED, at_once, done, new_message, withdraw
from .stock import move


def _added(kind: str) -> Handler:
    def add(session: Session, values: Values) -> Iterable[Row]:
        session.warehouse(values)
        message = new_message(session, values, kind, "MSNR")
        if at_once(values):
            try:
                _apply(session, kind, values)
            except Exception:
                withdraw(session, message)
                raise
            done(session, message)
        return [{"CONO": session.cono, "MSNR": message["MSGN"], "MSLN": 1, "MSGS": 0}]

    return add


def process(session: Session, values: Values) -> None:
    """Process a staged message; a processed one is refused."""
    message = session.need("messages", "WMS3703", "MSNR", values.text("MSNR"))
    if message["STAT"] != STAGED:
        raise nok("WST0301", message["STAT"], "MSNR")
    _apply(session, str(message["KIND"]), Values(message))
    done(session, message)


def _apply(session: Session, kind: str, values: Values) -> None:
    place = _place(session, values)
    if "QLQT" not in values:
        raise refused("Quantity must be entered", "QLQT")
    quantity = session.quantity(values["QLQT"], session.item(values.text("ITNO")), "QLQT")
    present = session.find("balances", place["WHLO"], place["ITNO"], place["WHSL"], place["BANO"], "", 0)
    stock = present["STQT"] if present else Decimal(0)
    if kind == "AddQty":
        if quantity < 0:
            raise nok("XNU0000", quantity, "QLQT")
        move(session, place, quantity - stock, kind)
    elif kind == "AddAdjust":
        _check_left(stock + quantity, quantity)
        move(session, place, quantity, kind)
    else:
        _check_left(stock - quantity, quantity)
        to = values.text("TWSL")
        session.need("locations", "WWS0103", "TWSL", place["WHLO"], to)
        move(session, place, -quantity, kind)
        move(session, {**place, "WHSL": to}, quantity, kind)


def _check_left(left: Decimal, quantity: Decimal) -> None:
    if left < 0:
        raise nok("MW42223", quantity, "QLQT")


def _place(session: Session, values: Values) -> Row:
    if "ITNO" not in values:
        raise nok("WIT0102", field="ITNO")
    if "WHSL" not in values:
        raise nok("WWS0102", field="WHSL")
    session.item_warehouse(values.text("ITNO"), values.text("WHLO"))
    session.need("locations", "WWS0103", "WHSL", values.text("WHLO"), values.text("WHSL"))
    session.check_code(values, "RSCD")
    return {name: values.text(name) for name in ("WHLO", "ITNO", "WHSL", "BANO", "RSCD")}


MMS850MI: Transactions = {
    "AddQty": _added("AddQty"),
    "AddAdjust": _added("AddAdjust"),
    "AddMove": _added("AddMove"),
    "PrcStkTran": process,
}
