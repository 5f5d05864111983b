"""Confirming temporary orders: Confirm, the batch job and its statuses (reference 2.6.5, 5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ...settings import int_setting
from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values
from .batch_lines import displayed_line, line_problem
from .batch_orders import CREATED, CREDIT_STOP, HEAD_ERROR, LINE_ERROR, NO_LINES, require_batch_order
from .deliveries import create_deliveries
from .order_values import order_value
from .search import search_rows
from .stock import allocate

_COPIES = {"addresses": "batch_addresses", "texts": "batch_texts", "charges": "batch_charges"}
_STAMPS = {"LMDT", "LMTM", "LMTS", "RGDT", "RGTM", "CHNO", "CHID"}
_BATCH_ONLY = {"ERRORS", "ORNR", "DUE"} | _STAMPS


def confirm(session: Session, values: Values) -> Iterable[Row]:
    """Submit the order to the batch job; the response may be OK although the job then fails."""
    head = run_due_job(session, require_batch_order(session, values, open_only=False))
    if head["STAT"] == CREATED:
        if session.settings["confirm_again"] == "refuse":
            raise nok("WST0301", head["STAT"], "ORNO")
        return [{"ORNO": head["ORNR"], "STAT": CREATED}]
    wait = int_setting(session.settings, "confirm_seconds")
    if wait:
        session["batch_orders"].update(head, {"DUE": session.tenant.clock.seconds() + wait})
    else:
        _run_batch_job(session, head)
    failed = head["ORNO"] if session.settings["confirm_failed_number"] == "temporary" else ""
    return [{"ORNO": head["ORNR"] or failed, "STAT": head["STAT"]}]


def run_due_job(session: Session, head: Row) -> Row:
    """Run the batch job of a temporary order if it is due, and return the order."""
    due = head.get("DUE")
    if due is not None and session.tenant.clock.seconds() >= due:
        _run_batch_job(session, head)
    return head


def _run_batch_job(session: Session, head: Row) -> None:
    lines = session.with_key_prefix("batch_lines", head["ORNO"])
    status, errors = _status(session, head, lines)
    session["batch_orders"].update(head, {"STAT": status, "ERRORS": errors, "DUE": None})
    if status == CREATED:
        orno = make_order(session, head, lines)
        session["batch_orders"].update(head, {"ORNR": orno, "ORSL": "22", "ORST": "22"})


def _status(session: Session, head: Row, lines: list[Row]) -> tuple[str, list[Row]]:
    """The resulting status of an order, with the messages that the panel shows."""
    if head["STAT"] == HEAD_ERROR:
        return HEAD_ERROR, head["ERRORS"]
    if not lines:
        return NO_LINES, []
    found = [(line, line_problem(session, dict(line), head)) for line in lines]
    errors = [
        {"LEVL": "1", "MSID": error.code, "MDTA": line["ITNO"], "TX60": error.message}
        for line, error in found
        if error
    ]
    if errors:
        return LINE_ERROR, errors
    if _is_credit_stopped(session, head, lines):
        return CREDIT_STOP, [{"LEVL": "0", "MSID": "", "MDTA": head["CUNO"], "TX60": "Credit stop"}]
    return CREATED, []


def _is_credit_stopped(session: Session, head: Row, lines: list[Row]) -> bool:
    customer = session.find("customers", head["CUNO"]) or {}
    if str(customer.get("BLCD") or "0") not in ("0", ""):
        return True
    limit = Decimal(customer.get("CRLM") or 0)
    if not limit or not session.settings["credit_limit"]:
        return False
    value = order_value(session, head, lines, session.with_key_prefix("batch_charges", head["ORNO"])).total
    return value * session.rate(session.divi, str(head["CUCD"]), str(head["ORDT"])) > limit


def make_order(session: Session, head: Row, lines: list[Row]) -> str:
    """Create the order, allocate its stock and plan its deliveries; returns its number."""
    orno = f"{session.tenant.next_number(f'{session.cono}/orders', 10_000_456):010d}"
    own = {name: value for name, value in head.items() if name not in _BATCH_ONLY}
    facility = session.find("facilities", head["FACI"]) or {"DIVI": session.divi}
    states = {"ORSL": "22", "ORST": "22", "STAT": "20", "DIVI": facility["DIVI"], "TMPO": head["ORNO"]}
    order = session.add("orders", {**own, **states, "ORNO": orno})
    made = [session.add("order_lines", new_line(line, orno)) for line in lines]
    for name, source in _COPIES.items():
        for row in session.with_key_prefix(source, head["ORNO"]):
            session.add(f"order_{name}", {**_without_stamps(row), "ORNO": orno})
    for line in made:
        allocate(session, line["ITNO"], line["WHLO"], line["ORQT"])
    if session.settings["delivery_at_confirm"]:
        create_deliveries(session, order, made)
    return orno


def new_line(line: Row, orno: str) -> Row:
    """An undelivered order line from a temporary one."""
    state = {"ORST": "22", "ALQT": line["ORQT"], "DLQT": Decimal(0), "IVQT": Decimal(0)}
    return {**_without_stamps(line), **state, "ORNO": orno}


def _without_stamps(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _STAMPS}


def get_order_number(session: Session, values: Values) -> Iterable[Row]:
    """The number of the order created from a temporary order; blank until it exists."""
    return [{"ORNR": run_due_job(session, require_batch_order(session, values, open_only=False))["ORNR"]}]


def get_head(session: Session, values: Values) -> Iterable[Row]:
    head = run_due_job(session, require_batch_order(session, values, open_only=False))
    charges = session.with_key_prefix("batch_charges", head["ORNO"])
    value = order_value(session, head, session.with_key_prefix("batch_lines", head["ORNO"]), charges)
    return [{**head, "NTAM": value.net}]


def list_heads(session: Session, values: Values) -> Iterable[Row]:
    """A customer's temporary orders with CUOR and ORNR, for a lookup before a retry (reference 2.6.5)."""
    session.customer(values)
    first, last = values.text("ORSL", "00"), values.text("ORST", "99")
    heads = [run_due_job(session, row) for row in session.where("batch_orders", "CUNO", values["CUNO"])]
    return [row for row in heads if first <= row["ORSL"] and row["ORST"] <= last]


def list_errors(session: Session, values: Values) -> Iterable[Row]:
    rows: list[Row] = run_due_job(session, require_batch_order(session, values, open_only=False))["ERRORS"]
    return rows


def get_status(session: Session, values: Values) -> Iterable[Row]:
    return [run_due_job(session, require_batch_order(session, values, open_only=False))]


def get_address(session: Session, values: Values) -> Iterable[Row]:
    order = require_batch_order(session, values, open_only=False)
    return [session.require("batch_addresses", "WAD1003", "ADRT", order["ORNO"], values.integer("ADRT"))]


def list_batch_lines(session: Session, values: Values) -> Iterable[Row]:
    order = require_batch_order(session, values, open_only=False)
    return [displayed_line(session, row) for row in session.with_key_prefix("batch_lines", order["ORNO"])]


def search_lines(session: Session, values: Values) -> Iterable[Row]:
    """Lines of temporary orders by an index over head and line."""
    heads = {row["ORNO"]: row for row in session.all_rows("batch_orders")}
    rows = ({**heads[row["ORNO"]], **row} for row in session.all_rows("batch_lines") if row["ORNO"] in heads)
    return search_rows(session, rows, values.text("SQRY"))


OIS100MI: Transactions = {
    "Confirm": confirm,
    "GetOrderNo": get_order_number,
    "GetBatchHead": get_head,
    "LstBatchHead": list_heads,
    "LstErrMsgOrder": list_errors,
}
OIS275MI: Transactions = {
    "GetTmpOrderStat": get_status,
    "GetBatchHead": get_head,
    "GetAddress": get_address,
    "LstBatchLine": list_batch_lines,
    "SearchBatchLine": search_lines,
}
