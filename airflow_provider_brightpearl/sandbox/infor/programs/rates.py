"""Exchange rates and tax rates, CRS055MI and CRS175MI (reference 2.6.9)."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values


def add(session: Session, values: Values) -> Iterable[Row]:
    """Set the rate from a date on; the same date overwrites (reference 9)."""
    session.require("currencies", "XRE0103", "CUCD", values.text("CUCD"))
    if values["ARAT"] <= 0:
        raise nok("XNU0000", values["ARAT"], "ARAT")
    divi = values.text("DIVI", session.divi)
    local = session.local_currency(divi)
    key: Row = {"DIVI": divi, "CUCD": values["CUCD"], "CRTP": values.integer("CRTP"), "CUTD": values["CUTD"]}
    present = session.find("rates", *key.values())
    if present is not None:
        session["rates"].update(present, {"ARAT": values["ARAT"]})
    else:
        session.add("rates", {**key, "ARAT": values["ARAT"], "LOCD": local, "DMCU": 1, "RAFA": 1})
    return [{"FCUR": values["CUCD"], "TCUR": local, "ARAT": values["ARAT"], "RAFA": 1, "DMCU": 1}]


def select(session: Session, values: Values) -> Iterable[Row]:
    """The rates valid on a date."""
    first, last = values.text("FRDI", session.divi), values.text("TODI", session.divi)
    wanted = values.text("FCUR")
    rows = [
        row
        for row in session.all_rows("rates")
        if first <= str(row["DIVI"]) <= last
        and row["CRTP"] == values.integer("CRTP")
        and str(row["CUTD"]) <= values["CUTD"]
        and wanted in ("", row["CUCD"])
    ]
    return session.changed_since(_newest(rows), values)


def per_type(session: Session, values: Values) -> Iterable[Row]:
    session.require("currencies", "XRE0103", "CUCD", values.text("CUCD"))
    rows = session.with_key_prefix("rates", session.divi, values["CUCD"], values.integer("CRTP"))
    return [row for row in rows if str(row["CUTD"]) >= values.text("CUTD")]


def current(session: Session, values: Values) -> Iterable[Row]:
    """Today's rates, with the decimals of each currency."""
    divi, kind = values.text("DIVI", session.divi), values.integer("CRTP", 1)
    rows = [r for r in session.all_rows("rates") if r["DIVI"] == divi and r["CRTP"] == kind]
    for row in _newest(row for row in rows if str(row["CUTD"]) <= session.today()):
        currency = session.find("currencies", row["CUCD"]) or {}
        more = {"CUC1": row["CUCD"], "CUC2": row["LOCD"], "TX40": currency.get("TX40", "")}
        yield {**row, **more, "DCCD": currency.get("DCCD", 2)}


def _newest(rows: Iterable[Row]) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda one: str(one["CUTD"])):
        found[str(row["DIVI"]), str(row["CUCD"])] = row
    return list(found.values())


def vat_rates(session: Session, values: Values) -> Iterable[Row]:
    rows = session.all_rows("vat_codes")
    return [row for row in rows if "VTCD" not in values or row["VTCD"] == values.integer("VTCD")]


def general_codes(session: Session, values: Values) -> Iterable[Row]:
    first = values.text("STKY")
    return [row for row in session.with_key_prefix("codes", values.text("STCO")) if str(row["STKY"]) >= first]


CRS055MI: Transactions = {"AddRate": add, "SelExchangeRate": select, "LstRatesPerType": per_type}
CRS175MI: Transactions = {
    "LstCurrRates": current,
    "LstVatPercent": vat_rates,
    "LstGeneralCode": general_codes,
}
