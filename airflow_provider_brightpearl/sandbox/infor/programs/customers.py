"""Customers and their addresses, CRS610MI (reference 2.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import nok, refused
from ..session import Session, Transactions
from ..values import Row, Values
from .search import matching

OUT_OF_USE = "90"
_TABLED = ("CSCD", "MODL", "TEDL", "TEPY", "LNCD", "CUCL", "PYCD", "TAXC")
_CODES = {"MODL": "WMO0103", "TEDL": "WTE0103"}


def add(session: Session, values: Values) -> Iterable[Row]:
    """A customer from a template; without CUNO the number series gives one."""
    template = session.need("templates", "XRE0103", "CUTM", values.text("CUTM"))
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
    session.check(values, "CUCD", "currencies")
    if "VTCD" in values:
        session.need("vat_codes", "XRE0103", "VTCD", values.whole("VTCD"))
    _check(session, values)
    session.change("customers", row, values, "CUNO")


def change_order_info(session: Session, values: Values) -> None:
    row = session.customer(values)
    session.check(values, "ORTP", "order_types", "WTT0403")
    session.check(values, "WHLO", "warehouses", "WWH0103")
    session.check(values, "FACI", "facilities", "WFAC303")
    session.check(values, "PYNO", "customers", "WCU0203")
    _check(session, values)
    session.change("customers", row, values, "CUNO")


def get(session: Session, values: Values) -> Iterable[Row]:
    return [session.customer(values)]


def delete(session: Session, values: Values) -> None:
    """A customer with orders stays; the code of that refusal is not known."""
    row = session.customer(values)
    if session.having("orders", "CUNO", row["CUNO"]):
        raise refused("Customer has orders and cannot be deleted", "CUNO")
    session["customers"].remove(row)


def list_by_number(session: Session, values: Values) -> Iterable[Row]:
    first = values.text("CUNO")
    rows = sorted(session.every("customers"), key=lambda row: str(row["CUNO"]))
    return session.since((row for row in rows if str(row["CUNO"]) >= first), values)


def list_by_name(session: Session, values: Values) -> Iterable[Row]:
    first = values.text("CUNM").upper()
    rows = sorted(session.every("customers"), key=lambda row: str(row["CUNM"]).upper())
    return session.since((row for row in rows if str(row["CUNM"]).upper() >= first), values)


def list_templates(session: Session, values: Values) -> Iterable[Row]:
    return session.every("templates")


def search(session: Session, values: Values) -> Iterable[Row]:
    return matching(session, session.every("customers"), values.text("SQRY"))


def add_address(session: Session, values: Values) -> Iterable[Row]:
    customer = session.customer(values)
    _check_address(session, values)
    row: Row = {"CUNM": customer["CUNM"], **values, "ADRT": values.whole("ADRT")}
    return [session.add("addresses", row, "ADID")]


def change_address(session: Session, values: Values) -> None:
    row = _address(session, values)
    _check_address(session, values)
    session.change("addresses", row, values, "CUNO", "ADRT", "ADID")


def get_address(session: Session, values: Values) -> Iterable[Row]:
    return [_address(session, values)]


def list_addresses(session: Session, values: Values) -> Iterable[Row]:
    customer = session.customer(values)
    wanted = values.whole("ADRT")
    rows = session.group("addresses", customer["CUNO"])
    return session.since((row for row in rows if wanted in (0, row["ADRT"])), values)


def delete_address(session: Session, values: Values) -> None:
    session["addresses"].remove(_address(session, values))


def _address(session: Session, values: Values) -> Row:
    session.customer(values)
    key = (values.text("CUNO"), values.whole("ADRT"), values.text("ADID"))
    return session.need("addresses", "WAD1003", "ADID", *key)


def _check_address(session: Session, values: Values) -> None:
    if not session.find("codes", "ADRT", values.whole("ADRT")):
        raise refused(f"Address type {values.whole('ADRT')} is invalid", "ADRT")
    _check(session, values)


def _check(session: Session, values: Values) -> None:
    for name in _TABLED:
        session.check_code(values, name, _CODES.get(name, "XRE0103"))
    if session.settings["check_states"]:
        session.check_code(values, "ECAR")
    if values.get("STAT", "20") not in ("10", "20", OUT_OF_USE):
        raise nok("WST0301", values["STAT"], "STAT")


def _next_customer(session: Session) -> str:
    return f"{session.world.next(f'{session.cono}/customers', 70_000_001):010d}"[-8:]


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
