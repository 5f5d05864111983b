"""Customers and their addresses, CRS610MI (reference 2.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values
from .search import search_rows

OUT_OF_USE = "90"
_CODE_FIELDS = ("CSCD", "MODL", "TEDL", "TEPY", "LNCD", "CUCL", "PYCD", "TAXC")
_CODES = {"MODL": "WMO0103", "TEDL": "WTE0103"}


def add(session: Session, values: Values) -> Iterable[Row]:
    """Create a customer from a template; without CUNO the number comes from the number series."""
    template = session.require("templates", "XRE0103", "CUTM", values.text("CUTM"))
    _check(session, values)
    cuno = values.text("CUNO") or _next_customer(session)
    if cuno != cuno.strip() or " " in cuno:
        raise nok("XIM0002", cuno, "CUNO")
    defaults = {name: value for name, value in template.items() if name not in _NOT_COPIED}
    row = {**defaults, **values, "CUNO": cuno}
    row["STAT"] = values.text("STAT", "20")
    session.add("customers", row, "CUNO")
    return [{"CUNO": cuno, "ERRM": ""}]


def change_basic(session: Session, values: Values) -> Iterable[Row]:
    row = session.customer(values)
    _check(session, values)
    session.change("customers", row, values, "CUNO")
    return [{"CUNO": row["CUNO"]}]


def change_financial(session: Session, values: Values) -> None:
    row = session.customer(values)
    session.check_exists(values, "CUCD", "currencies")
    if "VTCD" in values:
        session.require("vat_codes", "XRE0103", "VTCD", values.integer("VTCD"))
    _check(session, values)
    session.change("customers", row, values, "CUNO")


def change_order_info(session: Session, values: Values) -> None:
    row = session.customer(values)
    session.check_exists(values, "ORTP", "order_types", "WTT0403")
    session.check_exists(values, "WHLO", "warehouses", "WWH0103")
    session.check_exists(values, "FACI", "facilities", "WFAC303")
    session.check_exists(values, "PYNO", "customers", "WCU0203")
    _check(session, values)
    session.change("customers", row, values, "CUNO")


def get(session: Session, values: Values) -> Iterable[Row]:
    return [session.customer(values)]


def delete(session: Session, values: Values) -> None:
    """Delete a customer without orders; the message code for one with orders is not known."""
    row = session.customer(values)
    if session.where("orders", "CUNO", row["CUNO"]):
        raise generic_nok("Customer has orders and cannot be deleted", "CUNO")
    session["customers"].remove(row)


def list_by_number(session: Session, values: Values) -> Iterable[Row]:
    first = values.text("CUNO")
    rows = sorted(session.all_rows("customers"), key=lambda row: str(row["CUNO"]))
    return session.changed_since((row for row in rows if str(row["CUNO"]) >= first), values)


def list_by_name(session: Session, values: Values) -> Iterable[Row]:
    first = values.text("CUNM").upper()
    rows = sorted(session.all_rows("customers"), key=lambda row: str(row["CUNM"]).upper())
    return session.changed_since((row for row in rows if str(row["CUNM"]).upper() >= first), values)


def list_templates(session: Session, values: Values) -> Iterable[Row]:
    return session.all_rows("templates")


def search(session: Session, values: Values) -> Iterable[Row]:
    return search_rows(session, session.all_rows("customers"), values.text("SQRY"))


def add_address(session: Session, values: Values) -> Iterable[Row]:
    customer = session.customer(values)
    _check_address(session, values)
    row: Row = {"CUNM": customer["CUNM"], **values, "ADRT": values.integer("ADRT")}
    return [session.add("addresses", row, "ADID")]


def change_address(session: Session, values: Values) -> None:
    row = _address(session, values)
    _check_address(session, values)
    session.change("addresses", row, values, "CUNO", "ADRT", "ADID")


def get_address(session: Session, values: Values) -> Iterable[Row]:
    return [_address(session, values)]


def list_addresses(session: Session, values: Values) -> Iterable[Row]:
    customer = session.customer(values)
    wanted = values.integer("ADRT")
    rows = session.with_key_prefix("addresses", customer["CUNO"])
    return session.changed_since((row for row in rows if wanted in (0, row["ADRT"])), values)


def delete_address(session: Session, values: Values) -> None:
    session["addresses"].remove(_address(session, values))


def _address(session: Session, values: Values) -> Row:
    session.customer(values)
    key = (values.text("CUNO"), values.integer("ADRT"), values.text("ADID"))
    return session.require("addresses", "WAD1003", "ADID", *key)


def _check_address(session: Session, values: Values) -> None:
    if not session.find("codes", "ADRT", values.integer("ADRT")):
        raise generic_nok(f"Address type {values.integer('ADRT')} is invalid", "ADRT")
    _check(session, values)


def _check(session: Session, values: Values) -> None:
    for name in _CODE_FIELDS:
        session.check_code(values, name, _CODES.get(name, "XRE0103"))
    if session.settings["check_states"]:
        session.check_code(values, "ECAR")
    if values.get("STAT", "20") not in ("10", "20", OUT_OF_USE):
        raise nok("WST0301", values["STAT"], "STAT")


def _next_customer(session: Session) -> str:
    return f"{session.tenant.next_number(f'{session.cono}/customers', 70_000_001):010d}"[-8:]


_NOT_COPIED = {"CONO", "CUNO", "CUNM", "LMDT", "LMTM", "LMTS", "RGDT", "RGTM", "CHNO", "CHID"}

CRS610MI: Transactions = {
    "Add": add,
    "ChgBasicData": change_basic,
    "ChgFinancial": change_financial,
    "ChgOrderInfo": change_order_info,
    "GetBasicData": get,
    "GetFinancial": get,
    "GetOrderInfo": get,
    "Delete": delete,
    "LstByNumber": list_by_number,
    "LstByName": list_by_name,
    "LstTemplates": list_templates,
    "SearchCustomer": search,
    "AddAddress": add_address,
    "ChgAddress": change_address,
    "GetAddress": get_address,
    "LstAddresses": list_addresses,
    "DeleteAddress": delete_address,
}
