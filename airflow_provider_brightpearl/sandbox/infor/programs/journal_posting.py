"""Posts a validated batch as vouchers of the general ledger (reference 2.6.8)."""

from __future__ import annotations

from decimal import Decimal

from ..session import Session
from ..values import Row
from .journal_rules import DIMENSIONS, local_amounts, vouchers_of

SERIES = "300"
_KEPT = (*DIMENSIONS, "ACQT", "CUCD", "ACDT", "VTXT", "VTCD", "EICD", "CRTP", "ARAT")


def post(session: Session, journal: Row, lines: list[Row]) -> None:
    """Create the vouchers of a batch, one per group number, all in one journal."""
    year = str(lines[0]["ACDT"])[:4]
    divi = str(journal["DIVI"])
    jrno = session.tenant.next_number(f"{session.cono}/{divi}/{year}/journals", 1201)
    jsno = 0
    for rows in vouchers_of(lines).values():
        vono = session.tenant.next_number(f"{session.cono}/{divi}/{year}/vouchers", 80_001)
        for row, amount in zip(rows, local_amounts(session, rows), strict=True):
            jsno += 1
            number = {"DIVI": divi, "YEA4": year, "JRNO": jrno, "JSNO": jsno, "VSER": SERIES, "VONO": vono}
            session.add("vouchers", {**_line(session, row, amount), **number, "KEY1": journal["KEY1"]})


def _line(session: Session, row: Row, amount: Decimal) -> Row:
    kept = {name: row[name] for name in _KEPT if name in row}
    foreign = Decimal(row["CUAM"]) if row.get("CUAM") is not None else amount
    side = "D" if (foreign or amount) >= 0 else "C"
    date = str(row["ACDT"])
    same = {"FEID": "GL01", "FNCN": "1", "TRCD": "20", "ACYP": date[:6], "OCDT": date, "VATD": date}
    return {"CRTP": 1, **kept, **same, "ACAM": amount, "CUAM": foreign, "DBCR": side}
