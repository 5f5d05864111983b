"""Lines, texts and charges of temporary orders, OIS100MI (reference 2.6.5)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ...settings import int_setting
from ..errors import Nok, generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values, to_scale
from .batch_orders import require_batch_order


def add_line(session: Session, values: Values) -> Iterable[Row]:
    """Add a line; M3 assigns its number, so a repeat adds a second line (reference 5.1)."""
    order = require_batch_order(session, values)
    row: Row = {"WHLO": order["WHLO"], **values, "ATNR": 0}
    error = line_problem(session, row, order)
    if error is not None and session.settings["line_validation"] == "call":
        raise error
    item = session.find("items", row["ITNO"]) or {}
    row.setdefault("SAPR", _list_price(item, order))
    defaults = {"ALUN": item.get("UNMS", ""), "DWDT": order["RLDT"], "ITDS": item.get("ITDS", "")}
    lines = session.with_key_prefix("batch_lines", order["ORNO"])
    row.update(PONR=max((line["PONR"] for line in lines), default=0) + 1, POSX=0)
    made = session.add("batch_lines", {**{k: v for k, v in defaults.items() if k not in row}, **row})
    return [{"PONR": made["PONR"], "POSX": 0, "ATNR": 0}]


def line_problem(session: Session, row: Row, order: Row) -> Nok | None:
    """The first problem of a line; None if it is valid."""
    try:
        check_line(session, row, order)
    except Nok as error:
        return error
    return None


def check_line(session: Session, row: Row, order: Row) -> None:
    """Validate item, warehouse, quantity and price of a line. Raises: Nok."""
    item = session.item(str(row["ITNO"]))
    if str(item.get("STAT")) != "20":
        raise nok("XIT0107", item["ITNO"], "ITNO")
    session.require("warehouses", "WWH0103", "WHLO", row["WHLO"])
    if session.find("item_warehouse", item["ITNO"], row["WHLO"]) is None:
        code = str(session.settings["missing_item_warehouse_code"])
        raise Nok(code, f"Item {item['ITNO']} is not kept in warehouse {row['WHLO']}", "ITNO")
    if row.get("ALUN") and row["ALUN"] != item.get("UNMS"):
        raise nok("XRE0103", row["ALUN"], "ALUN")
    _check_quantity(session, row, item, order)
    if "SAPR" in row:
        if row["SAPR"] < 0:
            raise nok("XNU0000", row["SAPR"], "SAPR")
        row["SAPR"] = to_scale(
            row["SAPR"], int_setting(session.settings, "price_decimals"), "SAPR", session.settings
        )


def _check_quantity(session: Session, row: Row, item: Row, order: Row) -> None:
    quantity = row["ORQT"] = session.quantity(Decimal(row.get("ORQT", 0)), item, "ORQT")
    if quantity == 0 and not session.settings["zero_quantity"]:
        raise generic_nok("Ordered quantity must be entered", "ORQT")
    kind = session.find("order_types", order["ORTP"]) or {}
    if quantity < 0 and not (session.settings["negative_quantity"] or kind.get("CREDIT")):
        raise nok("XNU0000", quantity, "ORQT")


def _list_price(item: Row, order: Row) -> Decimal:
    same = item.get("CUCS") in (None, "", order["CUCD"])
    return Decimal(item.get("SAPR") or 0) if same else Decimal(0)


def change_line(session: Session, values: Values) -> None:
    order = require_batch_order(session, values)
    line = _line(session, values)
    changed = {**line, **values}
    check_line(session, changed, order)
    session["batch_lines"].update(line, {n: changed[n] for n in values if n not in ("ORNO", "PONR", "POSX")})


def delete_line(session: Session, values: Values) -> None:
    require_batch_order(session, values)
    session["batch_lines"].remove(_line(session, values))


def get_line(session: Session, values: Values) -> Iterable[Row]:
    require_batch_order(session, values, open_only=False)
    return [displayed_line(session, _line(session, values))]


def list_lines(session: Session, values: Values) -> Iterable[Row]:
    order = require_batch_order(session, values, open_only=False)
    return [displayed_line(session, row) for row in session.with_key_prefix("batch_lines", order["ORNO"])]


def displayed_line(session: Session, row: Row) -> Row:
    """A line with its quantity as responses show it."""
    item = session.find("items", row["ITNO"]) or {"DCCD": 6}
    return {**row, "ORQT": session.shown_quantity(row.get("ORQT"), item)}


def add_text(session: Session, values: Values) -> None:
    """Add a text before, after or inside an order or one of its lines (reference 2.6.5)."""
    order = require_batch_order(session, values)
    kind, where = values.text("TYPE"), values.integer("TYTR")
    if kind not in ("1", "2"):
        raise generic_nok(f"Text type {kind} is invalid", "TYPE")
    if where not in (1, 2, 3):
        raise generic_nok(f"Text position {where} is invalid", "TYTR")
    if kind == "2":
        _line(session, values)
    text_number = len(session.with_key_prefix("batch_texts", order["ORNO"])) + 1
    session.add("batch_texts", {**values, "TYTR": where, "TXNO": text_number, "PONR": values.integer("PONR")})


def add_head_charge(session: Session, values: Values) -> None:
    _add_charge(session, values, {"PONR": 0, "POSX": 0})


def add_line_charge(session: Session, values: Values) -> None:
    line = _line(session, values)
    _add_charge(session, values, {"PONR": line["PONR"], "POSX": line["POSX"]})


def _add_charge(session: Session, values: Values, line: Row) -> None:
    order = require_batch_order(session, values)
    kind = session.require("charge_types", "XRE0103", "CRID", values.text("CRID"))
    session.check_exists(values, "CUCD", "currencies")
    amount = session.amount(values.decimal("CRAM"), str(order["CUCD"]), "CRAM")
    row = {"CRD0": kind["TX40"][:30], "VTCD": kind["VTCD"], **values, **line, "CRAM": amount}
    session.add("batch_charges", row, "CRID")


def _line(session: Session, values: Values) -> Row:
    key = (values.text("ORNO"), values.integer("PONR"), values.integer("POSX"))
    row = session.find("batch_lines", *key)
    if row is None:
        raise nok("XRE0103", key[1], "PONR")
    return row


OIS100MI: Transactions = {
    "AddBatchLine": add_line,
    "ChgBatchLine": change_line,
    "DelBatchLine": delete_line,
    "GetBatchLine": get_line,
    "LstBatchLine": list_lines,
    "AddBatchText": add_text,
    "AddBatchHeadChg": add_head_charge,
    "AddBatchLineChg": add_line_charge,
}
