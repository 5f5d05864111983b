"""Journals into the general ledger, GLS840MI (reference 2.6.8).

A batch is created, filled line by line, validated (CtrlBatch) and posted (UpdBatch). Both are jobs whose errors
only appear in a panel: no transaction lists them. The collections of the sandbox do.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ...settings import int_setting
from ..errors import Nok, generic_nok, nok
from ..session import Session, Transactions
from ..values import Row, Values
from .journal_posting import post
from .journal_rules import line_amounts, line_problem, voucher_problems

NEW, IN_ERROR, CONTROLLED, POSTED = "10", "15", "20", "90"
BY_POSITION, BY_FIELD = 1, 2


def add_head(session: Session, values: Values) -> Iterable[Row]:
    """Create a batch with a key chosen by the caller; a repeated key is rejected (reference 5.1)."""
    session.require("interfaces", "XRE0103", "INTN", values.text("INTN"))
    divi = values.text("DIVI", session.divi)
    session.require("divisions", "XRE0103", "DIVI", divi)
    state: Row = {"STAT": NEW, "ERRORS": [], "DUE": None}
    session.add("journals", {**values, **state, "DIVI": divi, "CONO": session.cono}, "KEY1")
    return [{"CONO": session.cono}]


def add_fields(session: Session, values: Values) -> None:
    """Add a line by fields."""
    journal = _open(session, values, BY_FIELD)
    if values.text("INRI") not in _identities(session, journal):
        raise nok("XRE0103", values["INRI"], "INRI")
    _add(session, journal, {"DIVI": journal["DIVI"], **values})


def add_position(session: Session, values: Values) -> Iterable[Row]:
    """Add a line as a position string; the interface defines the positions."""
    journal = _open(session, values, BY_POSITION)
    interface = session.require("interfaces", "XRE0103", "INTN", journal["INTN"])
    _add(
        session,
        journal,
        {**_split_positions(interface, values.text("PARM")), **values, "DIVI": journal["DIVI"]},
    )
    return [{"CONO": session.cono}]


def _add(session: Session, journal: Row, given: Row) -> None:
    row = {"GRNR": "1", "INRI": "I1", **given, "LINE": int(given["LINE"])}
    row.update(line_amounts(session, row))
    error = line_problem(session, row) if session.settings["ledger_validation"] == "line" else None
    if error is not None:
        raise error
    session.add("journal_lines", row, "LINE")
    session["journals"].update(journal, {"STAT": NEW, "ERRORS": []})


def control(session: Session, values: Values) -> Iterable[Row]:
    """Validate a batch (option 6)."""
    journal = _journal(session, values)
    _run_due_job(session, journal)
    if journal["STAT"] == POSTED:
        raise nok("WST0301", journal["STAT"], "KEY1")
    errors = _errors(session, journal)
    session["journals"].update(journal, {"STAT": IN_ERROR if errors else CONTROLLED, "ERRORS": errors})
    if errors and session.settings["ledger_validation"] == "nok":
        first = errors[0]
        raise Nok(str(first["MSID"]), str(first["TX60"]), str(first["FLDN"]))
    return [{"CONO": session.cono}]


def update(session: Session, values: Values) -> Iterable[Row]:
    """Post a batch (option 9); one with errors stays unposted, and the response does not say so."""
    journal = _journal(session, values)
    _run_due_job(session, journal)
    if journal["STAT"] in (NEW, POSTED):
        raise nok("WST0301", journal["STAT"], "KEY1")
    wait = int_setting(session.settings, "ledger_job_seconds")
    session["journals"].update(journal, {"DUE": session.tenant.clock.seconds() + wait})
    _run_due_job(session, journal)
    return [{"CONO": session.cono}]


def run_due_jobs(session: Session) -> None:
    """Run all posting jobs that are due."""
    for journal in session.all_rows("journals"):
        _run_due_job(session, journal)


def _run_due_job(session: Session, journal: Row) -> None:
    due = journal["DUE"]
    if due is None or session.tenant.clock.seconds() < due:
        return
    session["journals"].update(journal, {"DUE": None})
    if journal["STAT"] == CONTROLLED:
        post(session, journal, session.with_key_prefix("journal_lines", journal["KEY1"]))
        session["journals"].update(journal, {"STAT": POSTED})


def _errors(session: Session, journal: Row) -> list[Row]:
    lines = session.with_key_prefix("journal_lines", journal["KEY1"])
    found = [(line["LINE"], error) for line in lines if (error := line_problem(session, line))]
    errors = [
        {"LINE": line, "MSID": error.code, "FLDN": error.field, "TX60": error.message}
        for line, error in found
    ]
    if not lines:
        errors.append({"LINE": 0, "MSID": "CPF9898", "FLDN": "KEY1", "TX60": "The batch has no lines"})
    return errors or voucher_problems(session, lines)


def _journal(session: Session, values: Values) -> Row:
    return session.require("journals", "XRE0103", "KEY1", values.text("KEY1"))


def _open(session: Session, values: Values, usage: int) -> Row:
    journal = _journal(session, values)
    _run_due_job(session, journal)
    if journal["STAT"] == POSTED or journal["DUE"] is not None:
        raise nok("WST0301", journal["STAT"], "KEY1")
    interface = session.find("interfaces", journal["INTN"]) or {}
    if int(interface.get("USAGE", 0)) != usage:
        raise generic_nok(f"Interface {journal['INTN']} does not accept lines of this kind", "INTN")
    return journal


def _identities(session: Session, journal: Row) -> list[str]:
    interface = session.find("interfaces", journal["INTN"]) or {}
    return list(interface.get("INRI", []))


def _split_positions(interface: Row, text: str) -> Row:
    """The fields of a position string, by the `LAYOUT` of the interface."""
    found: Row = {}
    for name, (start, length) in interface["LAYOUT"].items():
        value = text[start : start + length].strip()
        if value:
            found[name] = Decimal(value) if name in ("CUAM", "ACAM", "ARAT") else value
    return found


GLS840MI: Transactions = {
    "AddBatchHead": add_head,
    "AddBatchLineFld": add_fields,
    "AddBatchLine": add_position,
    "CtrlBatch": control,
    "UpdBatch": update,
}
