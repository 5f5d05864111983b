"""Temporary orders: heads and addresses, OIS100MI (reference 2.6.5)."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import Nok, generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values

CREATED = "90"
HEAD_ERROR, NO_LINES, LINE_ERROR, CREDIT_STOP = "15", "20", "25", "30"
OPEN = (HEAD_ERROR, NO_LINES, LINE_ERROR, CREDIT_STOP)
_FROM_CUSTOMER = ("ORTP", "FACI", "WHLO", "CUCD", "TEPY", "MODL", "TEDL", "PYNO", "ADID", "PLTB", "INRC")


def add_head(session: Session, values: Values) -> Iterable[Row]:
    """Create a temporary order; M3 accepts a repeated CUOR (reference 0, third correction)."""
    customer = session.customer(values)
    errors = problems(session, values, customer)
    if errors and session.settings["head_validation"] == "call":
        raise errors[0]
    if session.settings["unique_customer_order"] and _known_reference(session, values):
        raise session.duplicate("CUOR")
    orno = f"{session.tenant.next_number(f'{session.cono}/batch', 12_345):010d}"
    row = {
        **defaults(session, customer),
        **values,
        "ORNO": orno,
        "ORNR": "",
        "ORDT": values.text("ORDT", session.today()),
        "RLDT": values.text("RLDT", session.today()),
        "STAT": HEAD_ERROR if errors else NO_LINES,
        "ORSL": "00",
        "ORST": "00",
        "ERRORS": [_error("0", one) for one in errors],
    }
    session.add("batch_orders", row)
    return [{"ORNO": orno}]


def defaults(session: Session, customer: Row) -> Row:
    """The values an order takes from its customer and from the setup."""
    settings = session.settings
    own = {name: customer[name] for name in _FROM_CUSTOMER if customer.get(name)}
    general = {
        "ORTP": "W01",
        "FACI": settings["default_facility"],
        "WHLO": settings["default_warehouse"],
        "CUCD": session.local_currency(session.divi),
    }
    return {**general, **own, "PYNO": own.get("PYNO") or customer["CUNO"]}


def problems(session: Session, values: Values, customer: Row) -> list[Nok]:
    """The problems of an order head, in the order of the checks."""
    checks = (
        ("ORTP", "order_types", "WTT0403"),
        ("FACI", "facilities", "WFAC303"),
        ("WHLO", "warehouses", "WWH0103"),
        ("CUCD", "currencies", "XRE0103"),
        ("PYNO", "customers", "WCU0203"),
        ("INRC", "customers", "WCU0203"),
    )
    found = [
        nok(code, values.text(field), field)
        for field, table, code in checks
        if field in values and session.find(table, values.text(field)) is None
    ]
    for field, code in (("MODL", "WMO0103"), ("TEDL", "WTE0103"), ("TEPY", "XRE0103")):
        if field in values and session.find("codes", field, values.text(field)) is None:
            found.append(nok(code, values.text(field), field))
    if "ADID" in values and not _has_address(session, customer, values.text("ADID")):
        found.append(nok("WAD1003", values.text("ADID"), "ADID"))
    return [*found, *_about_customer(values, customer)]


def _about_customer(values: Values, customer: Row) -> list[Nok]:
    found = []
    if customer.get("STAT") != "20":
        found.append(nok("WST0301", customer.get("STAT"), "CUNO"))
    if str(customer.get("MCOS") or "0") == "1" and "CUOR" not in values:
        found.append(generic_nok("Customer's order number must be entered", "CUOR"))
    return found


def _has_address(session: Session, customer: Row, adid: str) -> bool:
    return any(row["ADID"] == adid for row in session.with_key_prefix("addresses", customer["CUNO"]))


def _known_reference(session: Session, values: Values) -> bool:
    cuor = values.text("CUOR")
    return bool(cuor) and any(
        row["CUNO"] == values["CUNO"]
        for table in ("batch_orders", "orders")
        for row in session.where(table, "CUOR", cuor)
    )


def _error(level: str, error: Nok) -> Row:
    return {"LEVL": level, "MSID": error.code, "MDTA": error.field, "TX60": error.message}


def require_batch_order(session: Session, values: Values, open_only: bool = True) -> Row:
    """The temporary order in the input. Raises: Nok if unknown, or if `open_only` and already confirmed."""
    row = session.require("batch_orders", "WOR0303", "ORNO", values.text("ORNO"))
    if open_only and row["STAT"] not in OPEN:
        raise nok("WST0301", row["STAT"], "ORNO")
    return row


def change_head(session: Session, values: Values) -> None:
    row = require_batch_order(session, values)
    errors = problems(session, values, session.require("customers", "WCU0203", "CUNO", row["CUNO"]))
    if errors:
        raise errors[0]
    session.change("batch_orders", row, values, "ORNO")


def add_address(session: Session, values: Values) -> None:
    """Add an address to this order only; the customer needs no address record."""
    order = require_batch_order(session, values)
    kind = values.integer("ADRT")
    if session.find("codes", "ADRT", kind) is None:
        raise generic_nok(f"Address type {kind} is invalid", "ADRT")
    session.check_code(values, "CSCD")
    if "ADID" in values and not _has_address(session, order, values.text("ADID")):
        raise nok("WAD1003", values.text("ADID"), "ADID")
    present = session.find("batch_addresses", order["ORNO"], kind)
    if present is not None and session.settings["repeated_address"] == "replace":
        session["batch_addresses"].remove(present)
    session.add("batch_addresses", {**values, "ADRT": kind}, "ADRT")


def delete_head(session: Session, values: Values) -> None:
    """Delete a temporary order with its lines, addresses, texts and charges."""
    row = require_batch_order(session, values)
    for name in ("batch_lines", "batch_addresses", "batch_texts", "batch_charges"):
        for part in session.with_key_prefix(name, row["ORNO"]):
            session[name].remove(part)
    session["batch_orders"].remove(row)


OIS100MI: Transactions = {
    "AddBatchHead": add_head,
    "ChgBatchHead": change_head,
    "AddBatchAddress": add_address,
    "DelBatchHead": delete_head,
}
