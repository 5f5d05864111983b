"""Messages of the warehouse interfaces and their external numbers, PMSN (reference 2.6.4, 2.6.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values

STAGED, DONE = "10", "90"


def create_message(session: Session, values: Values, kind: str, field: str = "MSGN") -> Row:
    """Create a message from a known partner; an external number can be used only once."""
    partner, sort = values.text("E0PA"), values.text("E065")
    if not session.with_key_prefix("partners", partner):
        raise nok("WE00A03", partner, "E0PA")
    if session.find("partners", partner, sort) is None:
        raise nok("ED01016", sort, "E065")
    if _repeated(session, values):
        raise nok("WMS3804", values["PMSN"], "PMSN")
    number = values.text(field) or _number(session)
    if session.find("messages", number) is not None:
        raise nok("WMS3804", number, field)
    row = {**values, "MSGN": number, "PMSN": values.text("PMSN"), "KIND": kind, "STAT": STAGED}
    return session.add("messages", row)


def is_immediate(values: Values, field: str = "PRFL") -> bool:
    """True if the message must be processed in the same request."""
    return values.text(field) == "*EXE"


def mark_processed(session: Session, message: Row) -> None:
    """Mark a message as processed."""
    session["messages"].update(message, {"STAT": DONE})


@contextmanager
def processing(session: Session, message: Row) -> Iterator[None]:
    """Mark a message as processed after the block, or delete it if the block raises while it is staged."""
    try:
        yield
    except Exception:
        if message["STAT"] == STAGED:
            session["messages"].remove(message)
        raise
    mark_processed(session, message)


def _repeated(session: Session, values: Values) -> bool:
    if "PMSN" not in values or session.settings["repeated_message"] == "accept":
        return False
    return any(row["E0PA"] == values["E0PA"] for row in session.where("messages", "PMSN", values["PMSN"]))


def _number(session: Session) -> str:
    return f"{session.today()[2:]}{session.tenant.next_number(f'{session.cono}/messages', 1234):09d}"


def find_message(session: Session, values: Values) -> Iterable[Row]:
    """The message with an external number, for a lookup before a retry; the partner is in E0PB here."""
    rows = session.where("messages", "PMSN", values.text("PMSN"))
    found = [row for row in rows if row["E0PA"] == values["E0PB"]]
    if not found:
        raise nok("WMS3703", values.text("PMSN"), "PMSN")
    return found[:1]


def list_messages(session: Session, values: Values) -> Iterable[Row]:
    wanted: dict[str, Any] = {name: values[name] for name in ("PMSN", "STAT") if name in values}
    for row in session.all_rows("messages"):
        if row["E0PA"] == values["E0PB"] and all(row[name] == value for name, value in wanted.items()):
            yield row


MHS850MI: Transactions = {"GetMvxMsg": find_message, "LstMvxMsg": list_messages}
MMS850MI: Transactions = {"GetMvxMsg": find_message}
