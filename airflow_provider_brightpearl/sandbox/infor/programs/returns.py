"""Customer returns, OIS390MI, and their receipt into stock, MHS850MI AddCOReturn (reference 2.6.9)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values
from .interface_messages import create_message, is_immediate, processing
from .picking import first_location
from .stock import move_stock


def add_head(session: Session, values: Values) -> Iterable[Row]:
    """Create a return for an order or a customer."""
    session.warehouse(values)
    order = session.require("orders", "WOR0303", "RORN", values.text("RORN")) if "RORN" in values else {}
    cuno = values.text("CUNO") or str(order.get("CUNO", ""))
    customer = session.require("customers", "WCU0203", "CUNO", cuno)
    if order and order["CUNO"] != customer["CUNO"]:
        raise nok("WCU0203", cuno, "CUNO")
    session.check_code(values, "RSCD")
    repn = values.integer("REPN") or session.tenant.next_number(f"{session.cono}/returns", 500_017)
    same = {"CUCD": order.get("CUCD", ""), "FACI": values.text("FACI") or order.get("FACI", "")}
    row = {**same, **values, "CUNO": cuno, "REPN": repn, "ORNO": order.get("ORNO", "")}
    session.add("returns", {**row, "RESL": "11", "RESH": "11", "RORC": 3}, "REPN")
    return [{"REPN": repn}]


def add_line(session: Session, values: Values) -> Iterable[Row]:
    """Add a line to a return, of at most the delivered quantity of its order line."""
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
    number = len(session.with_key_prefix("return_lines", head["WHLO"], head["REPN"])) + 1
    key = {"REPN": head["REPN"], "RELI": number, "ITNO": itno, "ORNO": head["ORNO"]}
    of = {"PONR": line.get("PONR", 0), "POSX": line.get("POSX", 0), "REQ0": quantity, "REQ4": Decimal(0)}
    session.add("return_lines", {"SAPR": line.get("SAPR"), **values, **key, **of, "REST": "11"})
    return [{"RELI": number, "TREL": number}]


def _ordered(session: Session, head: Row, values: Values) -> Row:
    if "RORL" not in values:
        return {}
    key = (head["ORNO"], values.integer("RORL"), values.integer("RORX"))
    row = session.find("order_lines", *key)
    if row is None:
        raise nok("XRE0103", key[1], "RORL")
    return row


def _returned(session: Session, head: Row, line: Row) -> Decimal:
    others = (row for row in session.all_rows("return_lines") if row["ORNO"] == head["ORNO"])
    return sum((row["REQ0"] for row in others if row["PONR"] == line["PONR"]), Decimal(0))


def get_head(session: Session, values: Values) -> Iterable[Row]:
    return [_head(session, values)]


def list_lines(session: Session, values: Values) -> Iterable[Row]:
    head = _head(session, values)
    return [
        _displayed(session, r) for r in session.with_key_prefix("return_lines", head["WHLO"], head["REPN"])
    ]


def get_line(session: Session, values: Values) -> Iterable[Row]:
    return [_displayed(session, _line(session, values))]


def _displayed(session: Session, row: Row) -> Row:
    item = session.item(str(row["ITNO"]))
    return {**row, **{name: session.shown_quantity(row[name], item) for name in ("REQ0", "REQ4")}}


def receive(session: Session, values: Values) -> Iterable[Row]:
    """Receive returned goods into stock."""
    session.warehouse(values)
    line = _line(session, values)
    message = create_message(session, values, "AddCOReturn")
    if is_immediate(values):
        with processing(session, message):
            _receive(session, line, values)
    return [{"CONO": session.cono, "MSGN": message["MSGN"]}]


def _receive(session: Session, line: Row, values: Values) -> None:
    item = session.item(str(line["ITNO"]))
    if "QTY" not in values:
        raise generic_nok("Quantity must be entered", "QTY")
    quantity = session.quantity(values["QTY"], item, "QTY")
    if quantity <= 0 or quantity > line["REQ0"] - line["REQ4"]:
        raise nok("MH85008", quantity, "QTY")
    whlo = values.text("WHLO")
    whsl = values.text("WHSL") or first_location(session, whlo, str(line["ITNO"]))
    session.require("locations", "WWS0103", "WHSL", whlo, whsl)
    move_stock(session, {"WHLO": whlo, "ITNO": line["ITNO"], "WHSL": whsl}, quantity, f"R{line['REPN']}")
    received = line["REQ4"] + quantity
    state = "33" if received >= line["REQ0"] else "22"
    session["return_lines"].update(line, {"REQ4": received, "REST": state})


def _head(session: Session, values: Values) -> Row:
    return session.require("returns", "XRE0103", "REPN", values.text("WHLO"), values.integer("REPN"))


def _line(session: Session, values: Values) -> Row:
    key = (values.text("WHLO"), values.integer("REPN"), values.integer("RELI"))
    return session.require("return_lines", "XRE0103", "RELI", *key)


OIS390MI: Transactions = {
    "AddHead": add_head,
    "AddLine": add_line,
    "GetHead": get_head,
    "GetLine": get_line,
    "LstLine": list_lines,
}
MHS850MI: Transactions = {"AddCOReturn": receive}
