"""Warehouses, balances per location, and counting (reference 2.6.3, 2.6.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values
from .item_warehouses import quantities

BALANCE_KEY = ("BANO", "CAMU", "REPN")


def list_warehouses(session: Session, values: Values) -> Iterable[Row]:
    first, last = values.text("FWHL"), values.text("TWHL", "\U0010ffff")
    rows = (row for row in session.all_rows("warehouses") if first <= str(row["WHLO"]) <= last)
    return session.changed_since(rows, values)


def get_warehouse(session: Session, values: Values) -> Iterable[Row]:
    return [session.warehouse(values)]


def balances_of_warehouse(session: Session, values: Values) -> Iterable[Row]:
    """The balances of a warehouse, optionally of one item or location."""
    session.warehouse(values)
    wanted = [name for name in ("ITNO", "WHSL") if name in values]
    for row in session.all_rows("balances"):
        if row["WHLO"] == values["WHLO"] and all(row[name] == values[name] for name in wanted):
            yield _displayed(session, row)


def balances_of_item(session: Session, values: Values) -> Iterable[Row]:
    session.item(values.text("ITNO"))
    rows = (row for row in session.all_rows("balances") if row["ITNO"] == values["ITNO"])
    wanted = (row for row in rows if values.text("WHLO") in ("", row["WHLO"]))
    return [_displayed(session, row) for row in session.changed_since(wanted, values)]


def get_balance(session: Session, values: Values) -> Iterable[Row]:
    key = (values.text("WHLO"), values.text("ITNO"), values.text("WHSL"), *_lot(values))
    session.item_warehouse(values.text("ITNO"), values.text("WHLO"))
    return [_displayed(session, session.require("balances", "XRE0103", "WHSL", *key))]


def count(session: Session, values: Values) -> None:
    """Set the counted quantity of a balance id; it is absolute, so a repeat changes nothing (reference 2.6.4)."""
    session.warehouse(values)
    session.item_warehouse(values.text("ITNO"), values.text("WHLO"))
    session.require("locations", "WWS0103", "WHSL", values.text("WHLO"), values.text("WHSL"))
    session.check_code(values, "RSCD")
    if "STQI" not in values:
        raise generic_nok("Physical inventory quantity must be entered", "STQI")
    if values["STQI"] < 0:
        raise nok("XNU0000", values["STQI"], "STQI")
    quantity = session.quantity(values["STQI"], session.item(values.text("ITNO")), "STQI")
    present = balance_of(session, values)
    before = Decimal(present["STQT"]) if present else Decimal(0)
    place = {name: values.text(name) for name in ("WHLO", "ITNO", "WHSL", "BANO", "CAMU", "RSCD")}
    move_stock(session, {**place, "REPN": values.integer("REPN")}, quantity - before, "COUNT")
    if "STDI" in values or present is None:
        session["balances"].update(_required(session, values), {"INDT": values.text("STDI", session.today())})


def move_stock(session: Session, place: Row, quantity: Decimal, reference: str) -> None:
    """Change the stock of a balance id and of its warehouse record."""
    lot = {"BANO": place.get("BANO", ""), "CAMU": place.get("CAMU", ""), "REPN": place.get("REPN", 0)}
    key = (place["WHLO"], place["ITNO"], place["WHSL"], *lot.values())
    row = session.find("balances", *key)
    if row is None:
        stock = {name: place[name] for name in ("WHLO", "ITNO", "WHSL")}
        row = session.add("balances", {**stock, **lot, "STQT": Decimal(0), "STAS": "2"})
    if quantity == 0:
        return
    session["balances"].update(row, {"STQT": row["STQT"] + quantity})
    total = session.item_warehouse(str(place["ITNO"]), str(place["WHLO"]))
    session["item_warehouse"].update(total, {"STQT": Decimal(total["STQT"]) + quantity})
    moved = {**place, "TRNR": session.tenant.next_number("stock"), "TRQT": quantity, "RIDN": reference}
    session.add("stock_transactions", moved)


def allocate(session: Session, itno: str, whlo: str, quantity: Decimal) -> None:
    """Allocate a quantity, negative to release it."""
    row = session.find("item_warehouse", itno, whlo)
    if row is not None and quantity:
        session["item_warehouse"].update(row, {"ALQT": Decimal(row["ALQT"]) + quantity})


def new_balances(session: Session, values: Values) -> Iterator[Row]:
    """Warehouse records changed since a timestamp, for incremental reads of stock (reference 2.6.3)."""
    for row in session.changed_since(session.all_rows("item_warehouse"), values):
        yield _available(session, row)


def balances_per_warehouse(session: Session, values: Values) -> Iterable[Row]:
    session.item(values.text("ITNO"))
    return [
        _available(session, row) for row in session.with_key_prefix("item_warehouse", values.text("ITNO"))
    ]


def _available(session: Session, row: Row) -> Row:
    """Available quantities, with two decimals as in the sample of the reference."""
    found = quantities(row)
    shown = {name: found[name].quantize(Decimal("0.01")) for name in ("AV01", "AV02")}
    dates = {"LTDT": session.today(), "PFDT": session.today()}
    return {"WHLO": row["WHLO"], "ITNO": row["ITNO"], "LMDT": row["LMDT"], **dates, **shown}


def balance_of(session: Session, values: Values) -> Row | None:
    """The balance id in the input; None if it does not exist."""
    return session.find(
        "balances", values.text("WHLO"), values.text("ITNO"), values.text("WHSL"), *_lot(values)
    )


def _required(session: Session, values: Values) -> Row:
    row = balance_of(session, values)
    if row is None:
        raise nok("XRE0103", values.text("WHSL"), "WHSL")
    return row


def _lot(values: Values) -> tuple[str, str, int]:
    return values.text("BANO"), values.text("CAMU"), values.integer("REPN")


def _displayed(session: Session, row: Row) -> Row:
    item = session.item(str(row["ITNO"]))
    stock = session.shown_quantity(row["STQT"], item)
    names = {"ITDS": item.get("ITDS", ""), "UNMS": item.get("UNMS", "")}
    return {**row, **names, "STQT": stock, "STQI": stock, "ALQT": 0, "STDI": row.get("INDT", "")}


MMS005MI: Transactions = {"LstWarehouses": list_warehouses, "GetWarehouse": get_warehouse}
MMS060MI: Transactions = {
    "Get": get_balance,
    "List": balances_of_warehouse,
    "LstNewItemBal": balances_of_item,
    "LstViaItem": balances_of_item,
}
MMS310MI: Transactions = {"Update": count, "Get": get_balance, "List": balances_of_warehouse}
OIS100MI: Transactions = {"LstNewBalances": new_balances, "LstWarehBalance": balances_per_warehouse}
