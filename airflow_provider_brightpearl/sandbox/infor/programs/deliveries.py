"""Deliveries, their lines and packages: MWS410MI, MWS411MI, MWS423MI (reference 2.6.6)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values

CUSTOMER_ORDER = 3  # RORC (reference 2.6.6, inferred)
PLANNED, DELIVERED = "50", "90"


def create_deliveries(session: Session, order: Row, lines: list[Row]) -> None:
    """Create a delivery per warehouse of an order, with the picking list printed."""
    for whlo in dict.fromkeys(line["WHLO"] for line in lines):
        _deliver(session, order, str(whlo), [line for line in lines if line["WHLO"] == whlo])


def _deliver(session: Session, order: Row, whlo: str, lines: list[Row]) -> None:
    dlix = session.tenant.next_number(f"{session.cono}/deliveries", 2_000_123)
    same = {name: order.get(name, "") for name in ("CUNO", "CUOR", "FACI", "DIVI", "MODL", "TEDL", "TEPY")}
    head = {"DLIX": dlix, "RORC": CUSTOMER_ORDER, "RIDN": order["ORNO"], "INOU": 1, "WHLO": whlo}
    shipment = session.tenant.next_number(f"{session.cono}/shipments", 30_012)
    state = {"PGRS": PLANNED, "PIST": "40", "PLSX": 1, "CONN": shipment, "ETRN": "", "IVNO": 0}
    session.add("deliveries", {**same, **head, **state, "CONA": order["CUNO"], "DSDT": order["RLDT"]})
    for line in lines:
        session.add("delivery_lines", _line(session, dlix, order, line))


def _line(session: Session, dlix: int, order: Row, line: Row) -> Row:
    return {
        "DLIX": dlix,
        "RORC": CUSTOMER_ORDER,
        "RIDN": order["ORNO"],
        "RIDL": line["PONR"],
        "RIDX": line["POSX"],
        "ITNO": line["ITNO"],
        "FACI": order["FACI"],
        "WHLO": line["WHLO"],
        "TRQT": line["ORQT"],
        "PLQT": line["ORQT"],
        "ALUN": line["ALUN"],
        "DLQT": Decimal(0),
        "CLOSED": 0,
        "PLRN": session.tenant.next_number(f"{session.cono}/reporting", 40_001),
    }


def require_delivery(session: Session, values: Values) -> Row:
    """The delivery in the input. Raises: Nok."""
    return session.require("deliveries", "WDL0203", "DLIX", values.integer("DLIX"))


def displayed(session: Session, row: Row) -> Row:
    """A delivery line with quantities as responses show them; PLQT is the quantity left to pick."""
    item = session.find("items", row["ITNO"]) or {"DCCD": 6}
    left = row["TRQT"] - row["DLQT"] if not row["CLOSED"] else Decimal(0)
    planned, ordered = session.shown_quantity(left, item), session.shown_quantity(row["TRQT"], item)
    figures = {"TRQT": ordered, "TRQA": ordered, "PLQT": planned, "PLQA": planned}
    return {**row, **figures, "UNMS": item.get("UNMS", "")}


def get_head(session: Session, values: Values) -> Iterable[Row]:
    return [require_delivery(session, values)]


def update_planning(session: Session, values: Values) -> Iterable[Row]:
    """Set tracking number and delivery date (reference 2.6.6, step 4)."""
    row = require_delivery(session, values)
    given = Values({n: v for n, v in values.items() if n in ("ETRN", "DEDA", "DLTM", "PSTT", "RSCD")})
    session.change("deliveries", row, given)
    return [{"ETRN": row["ETRN"]}]


def lines_of_order(session: Session, values: Values) -> Iterable[Row]:
    """The delivery lines of an order; RORC must be that of customer orders."""
    rows = session.where("delivery_lines", "RIDN", values.text("RIDN"))
    wanted = [name for name in ("RORC", "RIDL", "RIDX") if name in values]
    return [displayed(session, r) for r in rows if all(r[n] == values.integer(n) for n in wanted)]


def lines_of_delivery(session: Session, values: Values) -> Iterable[Row]:
    head = require_delivery(session, values)
    rows = session.with_key_prefix("delivery_lines", head["DLIX"])
    return [displayed(session, row) for row in rows if values.text("RIDN") in ("", row["RIDN"])]


def get_line(session: Session, values: Values) -> Iterable[Row]:
    head = require_delivery(session, values)
    key = (head["DLIX"], values.integer("RIDL"), values.integer("RIDX"))
    row = session.find("delivery_lines", *key)
    if row is None or row["RIDN"] != values["RIDN"]:
        raise nok("XRE0103", key[1], "RIDL")
    return [displayed(session, row)]


def add_package(session: Session, values: Values) -> Iterable[Row]:
    """Add a package with its tracking number; without PANR it gets the next number."""
    head = require_delivery(session, values)
    panr = values.text("PANR") or str(len(session.with_key_prefix("packages", head["DLIX"])) + 1)
    session.add("packages", {**values, "DLIX": head["DLIX"], "PANR": panr}, "PANR")
    return [{"PANR": panr}]


def change_package(session: Session, values: Values) -> None:
    head = require_delivery(session, values)
    if "PANR" not in values:
        raise generic_nok("Package number must be entered", "PANR")
    row = session.require("packages", "XRE0103", "PANR", head["DLIX"], values.text("PANR"))
    session.change("packages", row, values, "DLIX", "PANR")


def list_packages(session: Session, values: Values) -> Iterable[Row]:
    head = require_delivery(session, values)
    same: dict[str, Any] = {name: head[name] for name in ("CONA", "CONN", "RORC", "PGRS", "PLSX", "DSDT")}
    return [{**same, **row} for row in session.with_key_prefix("packages", head["DLIX"])]


MWS410MI: Transactions = {"GetHead": get_head, "UpdPlanSts": update_planning, "LstPackages": list_packages}
MWS411MI: Transactions = {
    "LstDelLnByOrd": lines_of_order,
    "LstDeliveryLine": lines_of_delivery,
    "GetDeliveryLine": get_line,
}
MWS423MI: Transactions = {
    "AddPackage": add_package,
    "ChangePackage": change_package,
    "LstPackDel": list_packages,
}
