"""Confirmed orders: heads, lines, values, charges, texts, and the changes they allow (OIS100MI)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values
from .batch_lines import check_line
from .batch_orders import defaults, problems
from .deliveries import create_deliveries
from .order_confirmation import new_line
from .order_values import gross_amount, net_amount, order_value
from .picking import refresh_order
from .search import search_rows
from .stock import allocate


def add_head(session: Session, values: Values) -> Iterable[Row]:
    """Create an order without a temporary one; a later failure leaves a partial order (reference 2.6.5)."""
    customer = session.customer(values)
    errors = problems(session, values, customer)
    if errors:
        raise errors[0]
    orno = f"{session.tenant.next_number(f'{session.cono}/orders', 10_000_456):010d}"
    dates = {name: values.text(name, session.today()) for name in ("ORDT", "RLDT")}
    row = {**defaults(session, customer), **values, **dates, "ORNO": orno, "STAT": "20", "TMPO": ""}
    facility = session.find("facilities", row["FACI"]) or {"DIVI": session.divi}
    session.add("orders", {**row, "ORSL": "00", "ORST": "00", "DIVI": facility["DIVI"]})
    return [{"ORNO": orno}]


def add_line(session: Session, values: Values) -> Iterable[Row]:
    """Add a line to an order; a warning rejects it unless IGWA is set."""
    order = require_order(session, values)
    row: Row = {"WHLO": order["WHLO"], **values, "POSX": 0}
    check_line(session, row, order)
    item = session.item(str(row["ITNO"]))
    row = {"ALUN": item.get("UNMS", ""), "DWDT": order["RLDT"], "ITDS": item.get("ITDS", ""), **row}
    warning = _warning(session, row)
    if warning and not values.integer("IGWA"):
        return [{"PONR": 0, **warning}]
    lines = session.with_key_prefix("order_lines", order["ORNO"])
    row["PONR"] = values.integer("PONR") or max((line["PONR"] for line in lines), default=0) + 1
    row.setdefault("SAPR", Decimal(item.get("SAPR") or 0))
    line = session.add("order_lines", new_line(row, str(order["ORNO"])), "PONR")
    allocate(session, line["ITNO"], line["WHLO"], line["ORQT"])
    refresh_order(session, str(order["ORNO"]))
    if session.settings["delivery_at_confirm"]:
        create_deliveries(session, order, [line])
    return [{"PONR": line["PONR"], "POSX": 0, "ATNR": 0, **warning}]


def _warning(session: Session, row: Row) -> Row:
    stock = session.find("item_warehouse", row["ITNO"], row["WHLO"]) or {}
    left = Decimal(stock.get("STQT") or 0) - Decimal(stock.get("ALQT") or 0)
    return {"MSI1": "MW42223", "MSG1": "Quantity is not available"} if row["ORQT"] > left else {}


def require_order(session: Session, values: Values) -> Row:
    """The order in the input. Raises: Nok."""
    return session.require("orders", "WOR0303", "ORNO", values.text("ORNO"))


def get_head(session: Session, values: Values) -> Iterable[Row]:
    order = require_order(session, values)
    return [{**order, **_totals(session, order)}]


def get_value(session: Session, values: Values) -> Iterable[Row]:
    order = require_order(session, values)
    return [{"CUCD": order["CUCD"], "VXCL": 0, **_totals(session, order)}]


def _totals(session: Session, order: Row) -> dict[str, Any]:
    """Net, charges, VAT and amount payable in the currency of the order (names as in 2.6.12)."""
    lines = session.with_key_prefix("order_lines", order["ORNO"])
    value = order_value(session, order, lines, session.with_key_prefix("order_charges", order["ORNO"]))
    return {
        "BRAM": value.goods,
        "ODAM": value.discount,
        "NTAM": value.net,
        "ONET": value.net,
        "EXAM": value.charges,
        "EFAM": value.charges,
        "ORVA": value.net + value.charges,
        "VTAM": value.vat,
        "TOAM": value.total,
        "ROAM": session.rounded(Decimal(0), str(order["CUCD"])),
        "TOPY": value.total,
    }


def list_heads(session: Session, values: Values) -> Iterable[Row]:
    session.customer(values)
    first, last = values.text("ORSL", "00"), values.text("ORST", "99")
    heads = session.where("orders", "CUNO", values["CUNO"])
    return [row for row in heads if first <= str(row["ORSL"]) and str(row["ORST"]) <= last]


def list_lines(session: Session, values: Values) -> Iterable[Row]:
    order = require_order(session, values)
    wanted = [name for name in ("ORST", "ITNO") if name in values]
    rows = session.with_key_prefix("order_lines", order["ORNO"])
    return [_displayed(session, r, order) for r in rows if all(r[n] == values[n] for n in wanted)]


def get_line(session: Session, values: Values) -> Iterable[Row]:
    order = require_order(session, values)
    return [_displayed(session, _line(session, values), order)]


def _displayed(session: Session, row: Row, order: Row) -> Row:
    item = session.find("items", row["ITNO"]) or {"DCCD": 6}
    names = ("ORQT", "ALQT", "DLQT", "IVQT")
    figures = {name: session.shown_quantity(row[name], item) for name in names}
    cucd = str(order["CUCD"])
    net = net_amount(session, row, cucd)
    each = gross_amount(row) and row["SAPR"] * net / session.rounded(gross_amount(row), cucd)
    price = Decimal(each).quantize(Decimal("0.0001")) if each else row.get("SAPR")
    more = {"CUCD": cucd, "NLAM": net, "LNA2": net, "NEPR": price, "ORQA": figures["ORQT"]}
    return {**row, **figures, **more, "SPUN": row.get("SPUN") or row["ALUN"]}


def list_charges(session: Session, values: Values) -> Iterable[Row]:
    order = require_order(session, values)
    rows = session.with_key_prefix("order_charges", order["ORNO"])
    kept = (row for row in rows if values.text("CRID") in ("", row["CRID"]))
    return [{"CUCD": order["CUCD"], **row, "PBAM": row["CRAM"]} for row in kept if not row["PONR"]]


def list_line_charges(session: Session, values: Values) -> Iterable[Row]:
    line = _line(session, values)
    rows = session.with_key_prefix("order_charges", line["ORNO"])
    return [{**row, "PBAM": row["CRAM"]} for row in rows if row["PONR"] == line["PONR"]]


def get_address(session: Session, values: Values) -> Iterable[Row]:
    """An address of the order, or else that of the customer."""
    order = require_order(session, values)
    own = session.find("order_addresses", order["ORNO"], values.integer("ADRT"))
    return [own or session.require("customers", "WCU0203", "CUNO", order["CUNO"])]


def list_head_texts(session: Session, values: Values) -> Iterable[Row]:
    return _texts(session, require_order(session, values), "1", values.integer("TYTR"), 0)


def list_line_texts(session: Session, values: Values) -> Iterable[Row]:
    line = _line(session, values)
    return _texts(session, require_order(session, values), "2", values.integer("TYTR"), line["PONR"])


def _texts(session: Session, order: Row, kind: str, where: int, ponr: int) -> Iterable[Row]:
    """Texts in lines of 60 characters, as the order panel stores them."""
    count = 0
    for row in session.with_key_prefix("order_texts", order["ORNO"]):
        if (row["TYPE"], row["TYTR"], row["PONR"]) == (kind, where, ponr):
            text = str(row["PARM"])
            for start in range(0, len(text), 60):
                count += 1
                yield {"LINO": count, "TX60": text[start : start + 60]}


def list_types(session: Session, values: Values) -> Iterable[Row]:
    return session.all_rows("order_types")


def search_heads(session: Session, values: Values) -> Iterable[Row]:
    return search_rows(session, session.all_rows("orders"), values.text("SQRY"))


def change_references(session: Session, values: Values) -> None:
    session.change("orders", require_order(session, values), values, "ORNO")


def delete_head(session: Session, values: Values) -> None:
    """Delete an order without deliveries."""
    order = require_order(session, values)
    lines = session.with_key_prefix("order_lines", order["ORNO"])
    if any(line["DLQT"] for line in lines):
        raise nok("WST0301", order["ORST"], "ORNO")
    for line in lines:
        _delete_line(session, line)
    session["orders"].remove(order)


def delete_line(session: Session, values: Values) -> None:
    line = _line(session, values)
    if line["DLQT"]:
        raise nok("WST0301", line["ORST"], "PONR")
    _delete_line(session, line)
    refresh_order(session, str(line["ORNO"]))


def close_line(session: Session, values: Values) -> None:
    """Close a line: its remaining quantity will not be delivered."""
    line = _line(session, values)
    if line["ORST"] >= "66":
        raise generic_nok("Order line is already closed", "PONR")
    allocate(session, str(line["ITNO"]), str(line["WHLO"]), -line["ALQT"])
    session["order_lines"].update(line, {"ORST": "90" if not line["DLQT"] else "66", "ALQT": Decimal(0)})
    for row in _deliveries_of(session, line):
        session["delivery_lines"].update(row, {"CLOSED": 1})
    refresh_order(session, str(line["ORNO"]))


def _delete_line(session: Session, line: Row) -> None:
    allocate(session, str(line["ITNO"]), str(line["WHLO"]), -line["ALQT"])
    for row in _deliveries_of(session, line):
        session["delivery_lines"].remove(row)
    session["order_lines"].remove(line)


def _deliveries_of(session: Session, line: Row) -> list[Row]:
    rows = session.where("delivery_lines", "RIDN", line["ORNO"])
    return [row for row in rows if (row["RIDL"], row["RIDX"]) == (line["PONR"], line["POSX"])]


def _line(session: Session, values: Values) -> Row:
    order = require_order(session, values)
    row = session.find("order_lines", order["ORNO"], values.integer("PONR"), values.integer("POSX"))
    if row is None:
        raise nok("XRE0103", values.integer("PONR"), "PONR")
    return row


OIS100MI: Transactions = {
    "AddOrderHead": add_head,
    "AddOrderLine": add_line,
    "GetHead": get_head,
    "GetOrderValue": get_value,
    "LstHead": list_heads,
    "LstLine": list_lines,
    "GetLine": get_line,
    "LstOrderCharge": list_charges,
    "LstConnCOCharge": list_charges,
    "LstLineCharge": list_line_charges,
    "GetAddress": get_address,
    "LstHeadText": list_head_texts,
    "LstLineText": list_line_texts,
    "LstOrderTypes": list_types,
    "SearchHead": search_heads,
    "ChgOrderRef": change_references,
    "DelHead": delete_head,
    "DelLine": delete_line,
    "CloLine": close_line,
}
