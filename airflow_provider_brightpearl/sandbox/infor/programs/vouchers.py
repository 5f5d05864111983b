"""The general ledger: posted vouchers, GLS200MI, and the chart of accounts, CRS630MI (reference 2.6.8)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values
from .journals import run_due_jobs


def by_date(session: Session, values: Values) -> Iterable[Row]:
    """Voucher lines between two accounting dates, which is how a posting can be verified."""
    run_due_jobs(session)
    divi = values.text("DIVI", session.divi)
    rows = session.all_rows("vouchers")
    return [r for r in rows if r["DIVI"] == divi and values["FRDT"] <= r["ACDT"] <= values["TODT"]]


def lines(session: Session, values: Values) -> Iterable[Row]:
    return _lines(session, values)


def head(session: Session, values: Values) -> Iterable[Row]:
    rows = _lines(session, values)
    sums = {
        "DSUM": sum((row["ACAM"] for row in rows if row["ACAM"] > 0), Decimal(0)),
        "CSUM": sum((row["ACAM"] for row in rows if row["ACAM"] < 0), Decimal(0)),
        "CUAD": sum((row["CUAM"] for row in rows if row["CUAM"] > 0), Decimal(0)),
        "CUAC": sum((row["CUAM"] for row in rows if row["CUAM"] < 0), Decimal(0)),
    }
    return [{**rows[0], **sums}]


def _lines(session: Session, values: Values) -> list[Row]:
    run_due_jobs(session)
    key = (values.text("DIVI"), values.integer("YEA4"))
    rows = session.where("vouchers", "VONO", values.integer("VONO"))
    found = [row for row in rows if (row["DIVI"], int(row["YEA4"])) == key]
    for name in ("VSER", "JRNO"):
        if name in values:
            found = [row for row in found if str(row[name]) == values.text(name)]
    if not found:
        raise nok("XRE0103", values.integer("VONO"), "VONO")
    return found


def get_account(session: Session, values: Values) -> Iterable[Row]:
    key = (values.text("DIVI", session.divi), values.integer("AITP"), values.text("AITM"))
    return [session.require("accounts", "XRE0103", "AITM", *key)]


def list_accounts(session: Session, values: Values) -> Iterable[Row]:
    kind, divi, first = values.integer("AITP"), values.text("DIVI", session.divi), values.text("AITM")
    rows = (row for row in session.all_rows("accounts") if (row["AITP"], row["DIVI"]) == (kind, divi))
    return sorted((row for row in rows if row["AITM"] >= first), key=lambda row: str(row["AITM"]))


GLS200MI: Transactions = {
    "LstVouchersByDt": by_date,
    "LstVoucherLines": lines,
    "GetVoucherHead": head,
}
CRS630MI: Transactions = {"GetAccountID": get_account, "LstAccountID": list_accounts}
