"""General transactions that every program has: server time, user, version (reference 2.1), and number series."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import MESSAGES, nok
from ..session import Session, Transactions
from ..signatures import releases
from ..values import Row, Values


def server_time(session: Session, values: Values) -> Iterable[Row]:
    """The clock that also stamps records, so that it can serve as a watermark."""
    now = session.tenant.clock.now()
    stamp = session.tenant.timestamp_ms()
    return [{"DATE": now.strftime("%Y%m%d"), "TIME": now.strftime("%H%M%S"), "LMTS": stamp}]


def user_info(session: Session, values: Values) -> Iterable[Row]:
    """The M3 user behind the service account, with its defaults."""
    settings = session.settings
    row = {
        "ZZUSID": settings["user"],
        "ZDCONO": settings["default_cono"],
        "ZDDIVI": settings["default_divi"],
        "ZDFACI": settings["default_facility"],
        "ZZWHLO": settings["default_warehouse"],
        "ZDLANC": "GB",
        "ZDDTFM": "YMD",
        "DSEP": session.settings["decimal_sign"],
        "TIZO": "GMT",
        "USFN": "Brightpearl service account",
    }
    return [row]


def current_user(session: Session, values: Values) -> Iterable[Row]:
    return [{"TEID": "ACME_TST", "USER": session.settings["user"], "PRUS": session.settings["user"]}]


def message_text(session: Session, values: Values) -> Iterable[Row]:
    code = values.text("MSID")
    if code not in MESSAGES:
        raise nok("XRE0103", code, "MSID")
    return [{"MSGT": MESSAGES[code].replace("&1", values.text("PARM"))}]


def version(session: Session, values: Values) -> Iterable[Row]:
    return [{"VER": releases().get(session.program, "")}]


def time_zone(session: Session, values: Values) -> Iterable[Row]:
    return [{"TMTZ": "GMT", "UTCT": session.tenant.clock.now().strftime("%Y%m%d%H%M%S")}]


def user_data(session: Session, values: Values) -> Iterable[Row]:
    """The defaults of a user; without USID those of the caller."""
    settings = session.settings
    user = values.text("USID", str(settings["user"]))
    if user != settings["user"]:
        raise nok("XRE0103", user, "USID")
    row = {
        "CONO": settings["default_cono"],
        "DIVI": settings["default_divi"],
        "FACI": settings["default_facility"],
        "WHLO": settings["default_warehouse"],
        "LANC": "GB",
        "DTFM": "YMD",
        "DCFM": session.settings["decimal_sign"],
        "TIZO": "GMT",
        "USID": user,
        "NAME": "Brightpearl service account",
        "USTA": "20",
    }
    return [row]


def companies_and_divisions(session: Session, values: Values) -> Iterable[Row]:
    companies = session["companies"]
    for row in session["divisions"].rows.values():
        company = companies.get(row["CONO"])
        yield {**row, "CONM": company["TX40"] if company else ""}


def next_number(session: Session, values: Values) -> Iterable[Row]:
    """The next number of a series, which is then used up (reference 2.6.12)."""
    session.require("numbers", "XRE0103", "NBID", values.text("NBTY"), values.text("NBID"))
    number = session.tenant.next_number(f"{session.cono}/{values['NBTY']}/{values['NBID']}")
    return [{"NBNR": f"{number:010d}"}]


GENERAL: Transactions = {
    "GetServerTime": server_time,
    "GetUserInfo": user_info,
    "GetCurrentUser": current_user,
    "GetMessageText": message_text,
    "FpwVersion": version,
    "ServerTimeZone": time_zone,
}
MNS150MI: Transactions = {"GetUserData": user_data, "LstCmpDivi": companies_and_divisions}
CRS165MI: Transactions = {"RtvNextNumber": next_number}
