"""Validation of journals: accounts, periods, signs and balance (reference 2.6.8)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ...settings import list_setting
from ..errors import Nok, generic_nok, nok
from ..session import Session
from ..values import Row

ZERO = Decimal(0)
DIMENSIONS = tuple(f"AIT{n}" for n in range(1, 8))
CLOSED = 1


def line_amounts(session: Session, row: Row) -> Row:
    """The amounts of a line, rounded to their currencies; debits are positive, credits negative."""
    local = session.local_currency(str(row["DIVI"]))
    cucd = str(row.get("CUCD") or local)
    if session.find("currencies", cucd) is None:
        raise nok("XRE0103", cucd, "CUCD")
    amounts: Row = {"CUCD": cucd}
    for name, currency in (("CUAM", cucd), ("ACAM", local)):
        if row.get(name) is not None:
            amounts[name] = _signed(session, session.amount(Decimal(row[name]), currency, name), row)
    return amounts


def _signed(session: Session, value: Decimal, row: Row) -> Decimal:
    credit = session.settings["ledger_sign"] == "dbcr" and row.get("DBCR") == "C"
    return -value if credit else value


def line_problem(session: Session, row: Row) -> Nok | None:
    """The first problem of a line; None if it is valid."""
    try:
        _check(session, row)
    except Nok as error:
        return error
    return None


def _check(session: Session, row: Row) -> None:
    divi = str(row["DIVI"])
    session.require("divisions", "XRE0103", "DIVI", divi)
    if not row.get("AIT1"):
        raise generic_nok("Account must be entered", "AIT1")
    for number, name in enumerate(DIMENSIONS, 1):
        if row.get(name):
            _check_account(session, divi, number, name, str(row[name]))
    _check_period(session, divi, str(row.get("ACDT") or ""))
    if row.get("CUAM") is None and row.get("ACAM") is None:
        raise generic_nok("Amount must be entered", "CUAM")
    _check_sign(session, row)
    if "VTCD" in row and session.find("vat_codes", int(row["VTCD"])) is None:
        raise nok("XRE0103", row["VTCD"], "VTCD")
    local_amount(session, row)


def _check_account(session: Session, divi: str, kind: int, field: str, value: str) -> None:
    account = session.find("accounts", divi, kind, value)
    if account is None:
        raise nok("XRE0103", value, field)
    if account.get("LCCD"):
        raise generic_nok(f"Account {value} is locked", field)


def _check_period(session: Session, divi: str, date: str) -> None:
    if not date:
        raise nok("XDT0001", date, "ACDT")
    period = session.find("periods", divi, date[:6])
    if period is None:
        raise generic_nok(f"No accounting period for {date}", "ACDT")
    if period["STAT"] == CLOSED or date[:6] in list_setting(session.settings, "closed_periods"):
        raise generic_nok(f"Accounting period {date[:6]} is closed", "ACDT")


def _check_sign(session: Session, row: Row) -> None:
    side, amount = row.get("DBCR"), Decimal(row.get("CUAM") or row.get("ACAM") or 0)
    if side not in (None, "D", "C"):
        raise generic_nok("Debit or credit must be D or C", "DBCR")
    if side and amount and (side == "D") != (amount > 0):
        raise generic_nok("Sign of the amount does not agree with debit or credit", "DBCR")


def local_amount(session: Session, row: Row) -> Decimal:
    """The amount in local currency: as given, or converted with the rate of the line or the day."""
    if row.get("ACAM") is not None:
        return Decimal(row["ACAM"])
    divi, cucd = str(row["DIVI"]), str(row["CUCD"])
    rate = Decimal(row["ARAT"]) if row.get("ARAT") else session.rate(divi, cucd, str(row["ACDT"]))
    return session.rounded(Decimal(row["CUAM"]) * rate, session.local_currency(divi))


def local_amounts(session: Session, lines: list[Row]) -> list[Decimal]:
    """The lines of a voucher in local currency; a rounding difference goes to the last converted line."""
    amounts = [local_amount(session, row) for row in lines]
    left = sum(amounts, ZERO)
    computed = [n for n, row in enumerate(lines) if row.get("ACAM") is None]
    if (
        left
        and computed
        and session.settings["local_difference"] == "adjust"
        and _small(left, session, lines)
    ):
        amounts[computed[-1]] -= left
    return amounts


def _small(left: Decimal, session: Session, lines: list[Row]) -> bool:
    places = session.places(session.local_currency(str(lines[0]["DIVI"])))
    return abs(left) <= Decimal(1).scaleb(-places) * len(lines)


def vouchers_of(lines: Iterable[Row]) -> dict[str, list[Row]]:
    """The lines of each voucher, by group number."""
    found: dict[str, list[Row]] = {}
    for row in lines:
        found.setdefault(str(row["GRNR"]), []).append(row)
    return found


def voucher_problems(session: Session, lines: list[Row]) -> list[Row]:
    """Errors of vouchers that are not balanced or have several accounting dates."""
    found = []
    for number, rows in vouchers_of(lines).items():
        for text in _imbalances(session, rows):
            found.append(
                {"LINE": rows[0]["LINE"], "MSID": "CPF9898", "FLDN": "CUAM", "TX60": f"{text} ({number})"}
            )
    return found


def _imbalances(session: Session, rows: list[Row]) -> list[str]:
    texts = []
    if len({str(row["ACDT"]) for row in rows}) > 1:
        texts.append("Voucher has several accounting dates")
    currencies = {str(row["CUCD"]) for row in rows}
    foreign = [row["CUAM"] for row in rows if row.get("CUAM") is not None]
    if len(currencies) == 1 and len(foreign) == len(rows) and sum(foreign, ZERO):
        texts.append("Voucher is not balanced in its currency")
    if sum(local_amounts(session, rows), ZERO):
        texts.append("Voucher is not balanced in local currency")
    return texts
