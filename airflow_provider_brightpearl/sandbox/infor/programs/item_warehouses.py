"""Facility and warehouse records of items, MMS200MI (reference 2.6.2, 2.6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values

_NOT_COPIED = {"CONO", "ITNO", "WHLO", "FACI", "STQT", "ALQT", "LMDT", "LMTM", "LMTS"}
_NOT_COPIED |= {"RGDT", "RGTM", "CHNO", "CHID"}
_EMPTY: Row = {"STQT": Decimal(0), "ALQT": Decimal(0), "REQT": Decimal(0)}


def add_facility(session: Session, values: Values) -> None:
    session.require("facilities", "WFAC303", "FACI", values.text("FACI"))
    session.item(values.text("ITNO"))
    session.add("item_facility", dict(values), "FACI")


def copy_facility(session: Session, values: Values) -> None:
    session.require("facilities", "WFAC303", "FACI", values.text("FACI"))
    session.item(values.text("ITNO"))
    source = session.require("item_facility", "XRE0103", "CFAC", values.text("CITN"), values.text("CFAC"))
    session.add("item_facility", _copied(source, values, "CFAC"), "FACI")


def change_facility(session: Session, values: Values) -> None:
    session.change("item_facility", _facility(session, values), values, "ITNO", "FACI")


def get_facility(session: Session, values: Values) -> Iterable[Row]:
    facility = session.require("facilities", "WFAC303", "FACI", values.text("FACI"))
    item = session.item(values.text("ITNO"))
    return [{"ITDS": item.get("ITDS"), "FACN": facility["FACN"], **_facility(session, values)}]


def add_warehouse(session: Session, values: Values) -> None:
    """Add a warehouse record, without which an item cannot be ordered from it (reference 2.6.2)."""
    warehouse = session.warehouse(values)
    session.item(values.text("ITNO"))
    if values.text("FACI", warehouse["FACI"]) != warehouse["FACI"]:
        raise generic_nok(f"Warehouse {warehouse['WHLO']} is not in facility {values['FACI']}", "FACI")
    session.require("item_facility", "XRE0103", "FACI", values.text("ITNO"), warehouse["FACI"])
    _check(session, values, warehouse)
    session.add("item_warehouse", {**_EMPTY, **_without_stock(values)}, "WHLO")


def copy_warehouse(session: Session, values: Values) -> None:
    """Copy a warehouse record, and create the facility record if it does not exist."""
    warehouse = session.warehouse(values)
    item = session.item(values.text("ITNO"))
    session.warehouse(values, "CWHL")
    source = session.require("item_warehouse", "XRE0103", "CITN", values.text("CITN"), values.text("CWHL"))
    _check(session, values, warehouse)
    row = _copied(source, _without_stock(values), "CWHL")
    session.add("item_warehouse", {**_EMPTY, **row, "FACI": warehouse["FACI"]}, "WHLO")
    _ensure_facility(session, str(item["ITNO"]), str(warehouse["FACI"]))


def create_warehouse(session: Session, values: Values) -> None:
    """Create a warehouse record with the defaults of the item type."""
    warehouse = session.warehouse(values)
    item = session.item(values.text("ITNO"))
    row: Row = {"STAT": "20", "PLCD": "20", "WHSL": "", **values, "FACI": warehouse["FACI"]}
    session.add("item_warehouse", {**_EMPTY, **row}, "WHLO")
    _ensure_facility(session, str(item["ITNO"]), str(warehouse["FACI"]))


def change_warehouse(session: Session, values: Values) -> None:
    warehouse = session.warehouse(values)
    row = session.item_warehouse(values.text("ITNO"), values.text("WHLO"))
    _check(session, values, warehouse)
    session.change("item_warehouse", row, _without_stock(values), "ITNO", "WHLO")


def get_warehouse(session: Session, values: Values) -> Iterable[Row]:
    session.warehouse(values)
    return [_described(session, session.item_warehouse(values.text("ITNO"), values.text("WHLO")))]


def by_item(session: Session, values: Values) -> Iterable[Row]:
    itno, first = values.text("ITNO"), values.text("WHLO")
    rows = session.with_key_prefix("item_warehouse", itno) if itno else session.all_rows("item_warehouse")
    return [_described(session, row) for row in rows if str(row["WHLO"]) >= first]


def by_warehouse(session: Session, values: Values) -> Iterable[Row]:
    whlo, first = values.text("WHLO"), values.text("ITNO")
    rows = (row for row in session.all_rows("item_warehouse") if whlo in ("", row["WHLO"]))
    return [_described(session, row) for row in rows if str(row["ITNO"]) >= first]


def changed_since(session: Session, values: Values) -> Iterable[Row]:
    """Warehouse records in a range of warehouses and items, by change date."""
    places = values.text("FWHL"), values.text("TWHL", "\U0010ffff")
    items = values.text("FRIT"), values.text("TOIT", "\U0010ffff")
    rows = (
        row
        for row in sorted(
            session.all_rows("item_warehouse"), key=lambda row: (str(row["WHLO"]), str(row["ITNO"]))
        )
        if places[0] <= str(row["WHLO"]) <= places[1] and items[0] <= str(row["ITNO"]) <= items[1]
    )
    return session.changed_since((row for row in rows if str(row["LMDT"]) >= values.text("LMDT")), values)


def balance(session: Session, values: Values) -> Iterable[Row]:
    """On-hand, allocated and available quantities of an item in a warehouse."""
    session.warehouse(values)
    row = session.item_warehouse(values.text("ITNO"), values.text("WHLO"))
    item = session.item(values.text("ITNO"))
    return [{**row, **{n: session.shown_quantity(v, item) for n, v in quantities(row).items()}}]


def quantities(row: Row) -> dict[str, Decimal]:
    """The quantities of a warehouse record; AV01 is on hand less allocated, AV02 on hand less reserved."""
    stock, allocated, reserved = (Decimal(row.get(name) or 0) for name in ("STQT", "ALQT", "REQT"))
    return {
        "STQT": stock,
        "ALQT": allocated,
        "REQT": reserved,
        "AV01": stock - allocated,
        "AVAL": stock - allocated,
        "AV02": stock - reserved,
        "ORQT": Decimal(row.get("ORQT") or 0),
        "PLQT": Decimal(row.get("PLQT") or 0),
    }


def _facility(session: Session, values: Values) -> Row:
    session.item(values.text("ITNO"))
    return session.require("item_facility", "XRE0103", "FACI", values.text("ITNO"), values.text("FACI"))


def _ensure_facility(session: Session, itno: str, faci: str) -> None:
    if session.find("item_facility", itno, faci) is None:
        session.add("item_facility", {"ITNO": itno, "FACI": faci})


def _copied(source: Row, values: Values, *extra: str) -> Row:
    inherited = {name: value for name, value in source.items() if name not in _NOT_COPIED}
    return {**inherited, **{n: v for n, v in values.items() if n not in {"CITN", *extra}}}


def _without_stock(values: Values) -> Values:
    """The input without quantities, which only stock transactions change."""
    kept = Values({n: v for n, v in values.items() if n not in ("STQT", "ALQT", "REQT", "AVAL")})
    kept.blanks = values.blanks
    return kept


def _check(session: Session, values: Values, warehouse: Row) -> None:
    if "WHSL" in values:
        session.require("locations", "WWS0103", "WHSL", warehouse["WHLO"], values.text("WHSL"))
    if values.get("STAT", "20") not in ("10", "20", "50", "80", "90"):
        raise nok("WST0301", values["STAT"], "STAT")


def _described(session: Session, row: Row) -> Row:
    item, warehouse = session.find("items", row["ITNO"]), session.find("warehouses", row["WHLO"])
    extra = {"ITDS": item["ITDS"] if item else "", "WHNM": warehouse["WHNM"] if warehouse else ""}
    return {**row, **extra}


MMS200MI: Transactions = {
    "AddItmFac": add_facility,
    "CpyItmFac": copy_facility,
    "UpdItmFac": change_facility,
    "GetItmFac": get_facility,
    "LstItmFac": get_facility,
    "AddItmWhs": add_warehouse,
    "CpyItmWhs": copy_warehouse,
    "AutoCrtItmWhs": create_warehouse,
    "UpdItmWhs": change_warehouse,
    "GetItmWhsBasic": get_warehouse,
    "LstItmWhsByItm": by_item,
    "LstItmWhsByWhs": by_warehouse,
    "SelItemWhs": changed_since,
    "GetItmWhsBal": balance,
}
