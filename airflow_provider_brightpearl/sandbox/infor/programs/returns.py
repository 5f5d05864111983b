"""Returns of customers: OIS390MI, and their receipt into stock, MHS850MI AddCOReturn (reference 2.6.9)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import nok, refused
from ..session import Session, Transactions
from ..values import Row, Values
from .interface_messages import at_once, done, new_message, withdraw
from .picking import first_location
from .stock import move


def add_head(session: Session, values: Values) -> Iterable[Row]:
    """A return, for an order or for a customer."""
    session.warehouse(values)
    order = session.need("orders", "WOR0303", "RORN", values.text("RORN")) if "RORN" in values else {}
    cuno = values.text("CUNO") or str(order.get("CUNO", ""))
    customer = session.need("customers", "WCU0203", "CUNO", cuno)
    if order and order["CUNO"] != customer["CUNO"]:
        raise nok("WCU0203", cuno, "CUNO")
    session.check_code(values, "RSCD")
    repn = values.whole("REPN") or session.world.next(f"{session.cono}/returns", 500_017)
    same = {"CUCD": order.get("CUCD", ""), "FACI": values.text("FACI") or order.get("FACI", "")}
    row = {**same, **values, "CUNO": cuno, "REPN": repn, "ORNO": order.get("ORNO", "")}
    session.add("returns", {**row, "RESL": "11", "RESH": "11", "RORC": 3}, "REPN")
    return [{"REPN": repn}]


def add_line(session: Session, values: Values) -> Iterable[Row]:
    """A line of a return; not more than was delivered on the order line it names."""
    head = _head(session, values)
    line = _ordered(session, head, values)
    itno = values.text("ITNO") or str(line.get("ITNO", ""))
    item = session.item(itno)
    session.check_code(values, "RSCD")
    quantity = session.quantity(values["REQ0"], item, "REQ0")
    if quantity <= 0:
        raise nok("XNU0000", quantity, "REQ0")
    if line and quantity > line["DLQT"] - _returned(session, head, line):
        raise nok("MH85008", quantity, "REQ0")
    number = len(session.group("return_lines", head["WHLO"], head["REPN"])) + 1
    key = {"REPN": head["REPN"], "RELI": number, "ITNO": itno, "ORNO": head["ORNO"]}
    of = {"PONR": line.get("PONR", 0), "POSX": line.get("POSX", 0), "REQ0": quantity, "REQ4": Decimal(0)}
    session.add("return_lines", {"SAPR": line.get("SAPR"), **values, **key, **of, "REST": "11"})
    return [{"RELI": number, "TREL": number}]


def _ordered(session: Session, head: Row, values: Values) -> Row:
    if "RORL" not in values:
        return {}
    key = (head["ORNO"], values.whole("RORL"), values.whole("RORX"))
    row = session.find("order_lines", *key)
    if row is None:
        raise nok("XRE0103", key[1], "RORL")
    return row


def _returned(session: Session, head: Row, line: Row) -> Decimal:
    others = (row for row in session.every("return_lines") if row["ORNO"] == head["ORNO"])
    return sum((row["REQ0"] for row in others if row["PONR"] == line["PONR"]), Decimal(0))


def get_head(session: Session, values: Values) -> Iterable[Row]:
    return [_head(session, values)]


def list_lines(session: Session, values: Values) -> Iterable[Row]:
    head = _head(session, values)
    return [_shown(session, r) for r in session.group("return_lines", head["WHLO"], head["REPN"])]


def get_line(session: Session, values: Values) -> Iterable[Row]:
    return [_shown(session, _line(session, values))]


def _shown(session: Session, row: Row) -> Row:
    item = session.item(str(row["ITNO"]))
    return {**row, **{name: session.shown_quantity(row[name], item) for name in ("REQ0", "REQ4")}}


def receive(session: Session, values: Values) -> Iterable[Row]:
    """The returned goods are back in stock."""
    session.warehouse(values)
    line = _line(session, values)
    message = new_message(session, values, "AddCOReturn")
    if at_once(values):
        try:
            _receive(session, line, values)
        except Exception:
            withdraw(session, message)
            raise
        done(session, message)
    return [{"CONO": session.cono, "MSGN": message["MSGN"]}]


def _receive(session: Session, line: Row, values: Values) -> None:
    item = session.item(str(line["ITNO"]))
    if "QTY" not in values:
        raise refused("Quantity must be entered", "QTY")
    quantity = session.quantity(values["QTY"], item, "QTY")
    if quantity <= 0 or quantity > line["REQ0"] - line["REQ4"]:
        raise nok("MH85008", quantity, "QTY")
    whlo = values.text("WHLO")
    whsl = values.text("WHSL") or first_location(session, whlo, str(line["ITNO"]))
    session.need("locations", "WWS0103", "WHSL", whlo, whsl)
    move(session, {"WHLO": whlo, "ITNO": line["ITNO"], "WHSL": whsl}, quantity, f"R{line['REPN']}")
    received = line["REQ4"] + quantity
    state = "33" if received >= line["REQ0"] else "22"
    session["return_lines"].update(line, {"REQ4": received, "REST": state})


def _head(session: Session, values: Values) -> Row:
    return session.need("returns", "XRE0103", "REPN", values.text("WHLO"), values.whole("REPN"))


def _line(session: Session, values: Values) -> Row:
    key = (values.text("WHLO"), values.whole("REPN"), values.whole("RELI"))
    return session.need("return_lines", "XRE0103", "RELI", *key)


OIS390MI: Transactions = {
    "AddHead": add_head,
    "AddLine": add_line,
    "GetHead": get_head,
    "GetLine": get_line,
    "LstLine": list_lines,
}
MHS850MI: Transactions = {"AddCOReturn": receive}
