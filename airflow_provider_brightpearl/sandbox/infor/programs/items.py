"""Items and their aliases, MMS200MI and MMS025MI (reference 2.6.2)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values, to_scale

_CODE_FIELDS = ("UNMS", "ITTY", "ITGR", "RESP", "PRVG")
_STATUSES = ("10", "20", "50", "80", "90")
_NOT_COPIED = {"CONO", "ITNO", "LMDT", "LMTM", "LMTS", "RGDT", "RGTM", "CHNO", "CHID"}
_TYPE_DEFAULTS: Row = {"STAT": "20", "UNMS": "PCS", "MABU": 1, "PRVG": "", "RESP": "", "DCCD": 0, "VTCS": 1}


def add(session: Session, values: Values) -> None:
    _check(session, values)
    session.add("items", {"DCCD": 0, "STCD": 1, "SALE": 1, **values}, "ITNO")


def add_by_type(session: Session, values: Values) -> Iterable[Row]:
    """Create an item with the defaults of its type; without ITNO the number comes from the number series."""
    _check(session, values)
    itno = values.text("ITNO") or f"{session.tenant.next_number(f'{session.cono}/items', 100_001)}"
    session.add("items", {**_TYPE_DEFAULTS, "STCD": 1, "SALE": 1, **values, "ITNO": itno}, "ITNO")
    return [{"ITNO": itno}]


def copy(session: Session, values: Values) -> Iterable[Row]:
    """Create an item with the technical defaults of the item in CITN (reference 2.6.2)."""
    template: Row = session.item(values.text("CITN"), "CITN") if "CITN" in values else {"UNMS": "PCS"}
    _check(session, values)
    inherited = {name: value for name, value in template.items() if name not in _NOT_COPIED}
    given = {name: value for name, value in values.items() if name not in ("CITN", "CITT")}
    row = session.add("items", {"DCCD": 0, "STCD": 1, **inherited, **given}, "ITNO")
    return [{"ITNO": row["ITNO"], "HVMT": row.get("HVMT", 0)}]


def change(session: Session, values: Values) -> None:
    row = _named(session, values)
    _check(session, values)
    session.change("items", row, values, "ITNO")


def change_price(session: Session, values: Values) -> None:
    """Set sales and purchase price; a price without currency is in the local currency."""
    row = _named(session, values)
    for price, currency in (("SAPR", "CUCS"), ("PUPR", "CUCD")):
        session.check_exists(values, currency, "currencies")
        if price in values:
            if values[price] < 0:
                raise nok("XNU0000", values[price], price)
            values[price] = to_scale(values[price], 6, price, session.settings)
            if currency not in values and not row.get(currency):
                values[currency] = session.local_currency(session.divi)
    session.change("items", row, values, "ITNO")


def get(session: Session, values: Values) -> Iterable[Row]:
    return [_answer(_named(session, values))]


def select(session: Session, values: Values) -> Iterable[Row]:
    """Items by number, change date and change timestamp, for incremental reads (reference 2.6.10)."""
    first, last = values.text("FRIT"), values.text("TOIT", "\U0010ffff")
    since = values.text("LMDT")
    rows = sorted(session.all_rows("items"), key=lambda row: str(row["ITNO"]))
    rows = [row for row in rows if first <= str(row["ITNO"]) <= last]
    return session.changed_since((_answer(row) for row in rows if str(row["LMDT"]) >= since), values)


def by_change_date(session: Session, values: Values) -> Iterable[Row]:
    first, last = values.text("FLMD"), values.text("TLMD", "99999999")
    return [_answer(row) for row in session.all_rows("items") if first <= str(row["LMDT"]) <= last]


def by_number(session: Session, values: Values) -> Iterable[Row]:
    first = values.text("ITNO")
    rows = sorted(session.all_rows("items"), key=lambda row: str(row["ITNO"]))
    return [_answer(row) for row in rows if str(row["ITNO"]) >= first]


def delete(session: Session, values: Values) -> None:
    row = _named(session, values)
    if session.with_key_prefix("item_warehouse", row["ITNO"]):
        raise generic_nok("Item has warehouse records and cannot be deleted", "ITNO")
    session["items"].remove(row)


def add_alias(session: Session, values: Values) -> None:
    session.item(values.text("ITNO"))
    if not session.find("codes", "ALWT", values.integer("ALWT")):
        raise generic_nok(f"Alias category {values.integer('ALWT')} is invalid", "ALWT")
    session.add("aliases", {"ALWQ": "", "E0PA": "", **values, "ALWT": values.integer("ALWT")}, "POPN")


def item_of_alias(session: Session, values: Values) -> Iterable[Row]:
    return [_alias(session, values, values.text("ITNO"))]


def delete_alias(session: Session, values: Values) -> None:
    session["aliases"].remove(_alias(session, values, values.text("ITNO")))


def aliases_of_item(session: Session, values: Values) -> Iterable[Row]:
    session.item(values.text("ITNO"))
    wanted = values.integer("ALWT")
    rows = session.where("aliases", "ITNO", values.text("ITNO"))
    return [row for row in rows if wanted in (0, row["ALWT"])]


def aliases_of_category(session: Session, values: Values) -> Iterable[Row]:
    rows = (row for row in session.all_rows("aliases") if row["ALWT"] == values.integer("ALWT"))
    return session.changed_since((r for r in rows if values.text("ALWQ") in ("", r["ALWQ"])), values)


def _alias(session: Session, values: Values, itno: str) -> Row:
    for row in session.where("aliases", "POPN", values.text("POPN")):
        same = row["ALWT"] == values.integer("ALWT") and row["E0PA"] == values.text("E0PA")
        if same and values.text("ALWQ") in ("", row["ALWQ"]) and itno in ("", row["ITNO"]):
            return row
    raise nok("WPO0403", values.text("POPN"), "POPN")


def _named(session: Session, values: Values) -> Row:
    return session.item(values.text("ITNO"))


def _answer(row: Row) -> Row:
    """An item with prices of at least two decimals."""
    prices = {n: _price(row[n]) for n in ("SAPR", "PUPR") if row.get(n)}
    return {**row, **prices} if prices else row


def _price(value: Decimal) -> Decimal:
    plain = Decimal(value).normalize()
    return plain if -int(plain.as_tuple().exponent) > 2 else plain.quantize(Decimal("0.01"))


def _check(session: Session, values: Values) -> None:
    itno = values.text("ITNO")
    if itno != itno.strip():
        raise nok("WIT0101", itno, "ITNO")
    if values.get("STAT", "20") not in _STATUSES:
        raise nok("WST0301", values["STAT"], "STAT")
    for name in _CODE_FIELDS:
        session.check_code(values, name)
    if values.get("VTCS"):
        session.require("vat_codes", "XRE0103", "VTCS", values.integer("VTCS"))


MMS200MI: Transactions = {
    "AddItmBasic": add,
    "AddItmViaItmTyp": add_by_type,
    "CpyItmBasic": copy,
    "UpdItmBasic": change,
    "UpdItmPrice": change_price,
    "GetItmBasic": get,
    "GetItmPrice": get,
    "Get": get,
    "SelItem": select,
    "LstItmByChgDate": by_change_date,
    "LstItmByItm": by_number,
    "DltItm": delete,
}
MMS025MI: Transactions = {
    "AddAlias": add_alias,
    "DltAlias": delete_alias,
    "GetItem": item_of_alias,
    "LstAlias": aliases_of_item,
    "LstAliasViaCat": aliases_of_category,
}
