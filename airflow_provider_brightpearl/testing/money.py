"""Whether a target holds the money that its source holds, per currency, from the records themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from .evidence import Evidence, Row

Sums = dict[str, Decimal]
_NONE = Decimal(0)
# half a unit of the last place of each amount, as targets round them
_SLACK = Decimal("0.006")
# collection, id and where the amount stands in it, by stream
_SOURCES = {
    "brightpearl.sales_orders": ("order", "id", "totalValue.net", "currency.orderCurrencyCode"),
    "brightpearl.payments": ("customer-payment", "paymentId", "amountPaid", "currencyCode"),
    "salesforce.orders": ("Order", "Id", "TotalAmount", "CurrencyIsoCode"),
}


def sums_differ(evidence: Evidence) -> list[str] | None:
    """The currencies in which the bound records' money differs; None where the amounts' places are not known."""
    stream = str(evidence.flow["source"])
    objects = {str(each.get("object", name)) for name, each in evidence.flow["objects"].items()}
    read = next(
        (_TARGETS[evidence.target, each] for each in objects if (evidence.target, each) in _TARGETS), None
    )
    if stream not in _SOURCES or read is None:
        return None
    collection, id_name, amount, currency = _SOURCES[stream]
    bound = {row["source_id"] for row in evidence.bindings} - evidence.letters.keys()
    ours: Sums = defaultdict(lambda: _NONE)
    for row in evidence.rows(stream.partition(".")[0], collection):
        if str(row[id_name]) in bound:
            ours[str(_at(row, currency))] += _signed(row, Decimal(str(_at(row, amount))))
    theirs: Sums = defaultdict(lambda: _NONE)
    rows = 0
    for source_id, code, value in read(evidence):
        if source_id in bound:
            theirs[code] += value
            rows += 1
    slack = _SLACK * max(rows, 1)
    return [
        f"{code}: {ours[code]} at the source, {theirs[code]} in the target"
        for code in sorted({*ours, *theirs})
        if abs(ours[code] - theirs[code]) > slack
    ] + _unbalanced(evidence)


def _at(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value[name]
    return value


def _signed(row: Row, amount: Decimal) -> Decimal:
    return -abs(amount) if row.get("paymentType") == "PAYMENT" else amount


def _unbalanced(evidence: Evidence) -> list[str]:
    """Vouchers of M3 whose lines do not add up to zero."""
    if evidence.target != "infor":
        return []
    sums: dict[str, Decimal] = defaultdict(lambda: _NONE)
    for row in evidence.rows("infor", "vouchers"):
        sums[f"{row['YEA4']}|{row['VONO']}"] += Decimal(str(row["CUAM"]))
    return [f"voucher {number} is out of balance by {value}" for number, value in sums.items() if value]


def _salesforce_orders(evidence: Evidence) -> Iterator[tuple[str, str, Decimal]]:
    orders = {row["Id"]: row for row in evidence.rows("salesforce", "Order")}
    for row in evidence.rows("salesforce", "OrderItem"):
        order = orders.get(row["OrderId"], {})
        value = Decimal(str(row["Quantity"])) * Decimal(str(row["UnitPrice"]))
        yield str(order.get("Brightpearl_Order_Id__c")), str(order.get("CurrencyIsoCode")), value


def _m3_orders(evidence: Evidence) -> Iterator[tuple[str, str, Decimal]]:
    orders = {row["ORNO"]: row for row in evidence.rows("infor", "orders") if row["CONO"] == "100"}
    for row in evidence.rows("infor", "order_lines"):
        if row["ORNO"] in orders:
            order = orders[row["ORNO"]]
            yield order["CUOR"], order["CUCD"], Decimal(row["ORQT"]) * Decimal(row["SAPR"])
    for row in evidence.rows("infor", "order_charges"):
        if row["ORNO"] in orders:
            yield orders[row["ORNO"]]["CUOR"], orders[row["ORNO"]]["CUCD"], Decimal(str(row["CRAM"]))


def _m3_vouchers(evidence: Evidence) -> Iterator[tuple[str, str, Decimal]]:
    for row in evidence.rows("infor", "vouchers"):
        if row["AIT1"] == "1590":
            payment = str(row["VTXT"]).partition(" ")[0].removeprefix("BP").partition("-")[0]
            yield payment, row["CUCD"], -Decimal(str(row["CUAM"]))


def _brightpearl_orders(evidence: Evidence) -> Iterator[tuple[str, str, Decimal]]:
    for row in evidence.rows("brightpearl", "order"):
        reference = str(row.get("externalRef") or "")
        if reference.startswith("SF-"):
            yield reference[3:], row["currency"]["orderCurrencyCode"], Decimal(row["totalValue"]["net"])


_TARGETS = {
    ("salesforce", "Order"): _salesforce_orders,
    ("infor", "Order"): _m3_orders,
    ("infor", "Journal"): _m3_vouchers,
    ("brightpearl", "SalesOrder"): _brightpearl_orders,
}
