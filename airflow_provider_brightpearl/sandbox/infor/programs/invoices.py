"""Invoices of deliveries, OIS350MI and ARS200MI (reference 2.6.7)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import nok
from ..session import Session, Transactions
from ..values import Row, Values
from .order_values import net_amount, vat_code, vat_percent
from .search import search_rows

ZERO = Decimal(0)


def invoice_delivery(session: Session, head: Row) -> None:
    """Create the invoice of a completed delivery: one line per VAT code, charges with the first delivery."""
    order = session.find("orders", head["RIDN"])
    if order is None:
        return
    today, cucd = session.today(), str(order["CUCD"])
    ivno = session.tenant.next_number(f"{session.cono}/invoices/{today[:4]}", 900_101)
    lines = _amounts(session, order, head)
    net = sum((net for _, net, _ in lines), ZERO)
    vat = sum((vat for _, _, vat in lines), ZERO)
    same = {"CUNO": order["CUNO"], "PYNO": order["PYNO"], "CUCD": cucd, "ORNO": order["ORNO"]}
    total = {"AMT1": net, "AMT2": net + vat, "VTAM": vat, "RAFC": net + vat, "IVAV": net + vat}
    row = {**same, **total, "DIVI": order["DIVI"], "YEA4": today[:4], "IVNO": ivno, "FACI": order["FACI"]}
    state = {"IDAT": today, "ACDT": today, "DUDT": today, "INST": "9", "IVTP": "31", "EXIN": "", "INPX": ""}
    place = {"DLIX": head["DLIX"], "WHLO": head["WHLO"], "TEPY": order.get("TEPY", "")}
    session.add(
        "invoices", {**row, **state, **place, "VONO": session.tenant.next_number("AR", 70_001), "VSER": "C1"}
    )
    for number, (code, net, vat) in enumerate(lines, 1):
        part = {"LINO": number, "AMT1": net, "AMT2": net, "VTAM": vat, "VTCD": code}
        rate = vat_percent(session, code)
        session.add("invoice_lines", {**row, **place, **part, "IVTP": "31", "VTP1": rate.normalize()})
    session["deliveries"].update(head, {"IVNO": ivno, "IVDT": today})
    _mark_lines(session, head)


def _amounts(session: Session, order: Row, head: Row) -> list[tuple[str, Decimal, Decimal]]:
    """Code, net and VAT of the delivered lines, with the order's charges on its first invoice."""
    cucd, customer = str(order["CUCD"]), session.find("customers", order["CUNO"]) or {}
    nets: dict[str, Decimal] = {}
    for row in session.with_key_prefix("delivery_lines", head["DLIX"]):
        line = session.find("order_lines", row["RIDN"], row["RIDL"], row["RIDX"])
        if line is not None and row["DLQT"]:
            net = net_amount(session, {**line, "ORQT": row["DLQT"]}, cucd)
            code = vat_code(session, line, customer)
            nets[code] = nets.get(code, ZERO) + net
    if not session.where("invoices", "ORNO", order["ORNO"]):
        for charge in session.with_key_prefix("order_charges", order["ORNO"]):
            nets[str(charge["VTCD"])] = nets.get(str(charge["VTCD"]), ZERO) + charge["CRAM"]
    taxed = str(customer.get("TXAP", 1)) != "0"
    vats = {c: session.rounded(n * vat_percent(session, c) / 100 * taxed, cucd) for c, n in nets.items()}
    return [(code, net, vats[code]) for code, net in nets.items()]


def _mark_lines(session: Session, head: Row) -> None:
    for row in session.with_key_prefix("delivery_lines", head["DLIX"]):
        line = session.find("order_lines", row["RIDN"], row["RIDL"], row["RIDX"])
        if line is not None and line["ORST"] == "66":
            session["order_lines"].update(line, {"IVQT": line["DLQT"], "ORST": "77"})


def list_heads(session: Session, values: Values) -> Iterable[Row]:
    """Invoices of a year, starting from a number; they have no change timestamp (reference 2.6.7)."""
    year, first = values.integer("YEA4"), values.integer("IVNO")
    rows = [row for row in session.all_rows("invoices") if int(row["YEA4"]) == year and row["IVNO"] >= first]
    divi = values.text("DIVI", session.divi)
    return sorted((row for row in rows if row["DIVI"] == divi), key=lambda row: int(row["IVNO"]))


def list_by_payer(session: Session, values: Values) -> Iterable[Row]:
    return [row for row in list_heads(session, values) if row["PYNO"] == values["PYNO"]]


def _head(session: Session, values: Values) -> Row:
    divi = values.text("DIVI", session.divi)
    key = (divi, values.integer("YEA4"), values.integer("IVNO"))
    return session.require("invoices", "XRE0103", "IVNO", *key)


def get_head(session: Session, values: Values) -> Iterable[Row]:
    return [_head(session, values)]


def list_lines(session: Session, values: Values) -> Iterable[Row]:
    head = _head(session, values)
    return session.with_key_prefix("invoice_lines", head["DIVI"], head["YEA4"], head["IVNO"])


def by_order(session: Session, values: Values) -> Iterable[Row]:
    session.require("orders", "WOR0303", "ORNO", values.text("ORNO"))
    return session.where("invoices", "ORNO", values["ORNO"])


def delivered_lines(session: Session, values: Values) -> Iterable[Row]:
    """What was delivered of the lines of an order: QTY1 in basic units, QTY2 in those of the line (INFERRED)."""
    order = session.require("orders", "WOR0303", "ORNO", values.text("ORNO"))
    head = session.require("deliveries", "WDL0203", "DLIX", values.integer("DLIX"))
    asked = (values["ORNO"], values["WHLO"], values["TEPY"])
    if asked != (head["RIDN"], head["WHLO"], order.get("TEPY", "")):
        raise nok("XRE0103", head["DLIX"], "DLIX")
    for row in session.with_key_prefix("delivery_lines", head["DLIX"]):
        line = session.find("order_lines", row["RIDN"], row["RIDL"], row["RIDX"]) or {}
        if row["DLQT"] and values.integer("PONR", int(row["RIDL"])) == row["RIDL"]:
            shown = session.shown_quantity(row["DLQT"], session.find("items", row["ITNO"]) or {"DCCD": 6})
            place = {"PONR": row["RIDL"], "POSX": row["RIDX"], "ORST": line.get("ORST", "")}
            yield {**row, **place, "QTY1": shown, "QTY2": shown}


def _ledger_row(row: Row) -> Row:
    """An invoice as the accounts receivable ledger shows it, unpaid, so RECO is 0 (reference 2.6.7)."""
    amounts = {"CUAM": row["IVAV"], "PCUA": ZERO, "OCUA": row["IVAV"], "RECO": 0}
    place = {"JRNO": row["VONO"], "JSNO": 1}
    return {
        **row,
        **amounts,
        **place,
        "CINO": row["IVNO"],
        "INYR": row["YEA4"],
        "IVDT": row["IDAT"],
        "TRCD": "10",
    }


def account_of_customer(session: Session, values: Values) -> Iterable[Row]:
    session.customer(values)
    return [_ledger_row(row) for row in session.where("invoices", "CUNO", values["CUNO"])]


def account_invoice(session: Session, values: Values) -> Iterable[Row]:
    for row in session.where("invoices", "CUNO", values.text("CUNO")):
        if (str(row["IVNO"]), int(row["YEA4"])) == (values["CINO"], values.integer("INYR")):
            return [_ledger_row(row)]
    raise nok("XRE0103", values["CINO"], "CINO")


def list_by_division(session: Session, values: Values) -> Iterable[Row]:
    """Invoices of a range of divisions, from an invoice date; all are open, so AAC0 leaves none out."""
    first, last = values.text("FDIV", session.divi), values.text("TDIV") or values.text("FDIV", session.divi)
    for row in sorted(map(_ledger_row, session.all_rows("invoices")), key=_ledger_key):
        wanted = first <= str(row["DIVI"]) <= last and row["IVDT"] >= values.text("IVDT")
        if wanted and all(row[name] == values[name] for name in ("PYNO", "CUNO") if name in values):
            yield row


def _ledger_key(row: Row) -> tuple[str, int, int]:
    return str(row["DIVI"]), int(row["YEA4"]), int(row["IVNO"])


def get_by_journal(session: Session, values: Values) -> Iterable[Row]:
    """The invoice with a journal number (INFERRED: the sandbox uses its voucher number)."""
    key = tuple(values.integer(name) for name in ("YEA4", "JRNO", "JSNO"))
    for row in map(_ledger_row, session.all_rows("invoices")):
        if (int(row["YEA4"]), int(row["JRNO"]), row["JSNO"]) == key:
            return [row]
    raise nok("XRE0103", key[1], "JRNO")


def search_invoices(session: Session, values: Values) -> Iterable[Row]:
    rows = sorted(map(_ledger_row, session.all_rows("invoices")), key=_ledger_key)
    return search_rows(session, rows, values.text("SQRY"))


OIS350MI: Transactions = {
    "LstInvHead": list_heads,
    "LstInvHeadByPay": list_by_payer,
    "GetInvHead": get_head,
    "LstInvLine": list_lines,
    "LstAllInvByCO": by_order,
    "LstDelLine": delivered_lines,
    "LstInvHeadByCo": by_order,
}
ARS200MI: Transactions = {
    "LstInvoices": account_of_customer,
    "LstInvByDivi": list_by_division,
    "GetInvTotInfo": account_invoice,
    "GetInvoice": get_by_journal,
    "SearchInvoices": search_invoices,
}
