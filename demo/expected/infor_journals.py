"""Payments as journals of M3's general ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from demo.expected.infor_orders import m3_day
from demo.expected.records import Expected, Fields, Record, Source, rounded

ACCOUNTS = {"STRIPE": "1240", "PAYPAL": "1250", "BACS": "1200", "CASH": "1230", "GIFTCARD": "1260"}
ON_ACCOUNT = "1590"
MOVES_MONEY = ("RECEIPT", "CAPTURE", "PAYMENT")
PLACES = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}


def journals(source: Source, accounts: Mapping[str, str], wanted: Expected) -> None:
    """Adds a journal of two lines per payment; a method without an account rejects it."""
    orders = {order["id"]: order for order in source["order"]}
    moving = [each for each in source["customer-payment"] if moves_money(each)]
    ready = [each for each in moving if each["paymentMethodCode"] in accounts]
    wanted.records["Journal"] = {f"BP{each['paymentId']}": {"INTN": "BPGL", "STAT": "90"} for each in ready}
    lines = {
        key: fields
        for each in ready
        for key, fields in _lines(each, orders[each["orderId"]]["currency"], accounts)
    }
    wanted.records["JournalLine"] = lines
    # what is posted of a line is what was sent
    posted = ("AIT1", "CUCD", "CUAM", "ACAM", "DBCR", "ACDT")
    wanted.records["Voucher"] = {key: {name: line[name] for name in posted} for key, line in lines.items()}
    wanted.rejected["payments_to_infor_gl"] = {str(each["paymentId"]) for each in moving} - {
        str(each["paymentId"]) for each in ready
    }


def moves_money(payment: Record) -> bool:
    """Whether it is a receipt, capture or repayment, and of something."""
    return payment["paymentType"] in MOVES_MONEY and Decimal(payment["amountPaid"]) != 0


def received(payment: Record) -> Decimal:
    """What comes in, less than nothing for what is paid back."""
    amount = Decimal(payment["amountPaid"])
    return -abs(amount) if payment["paymentType"] == "PAYMENT" else amount


def _lines(payment: Record, currency: Record, accounts: Mapping[str, str]) -> Iterator[tuple[str, Fields]]:
    key, amount = f"BP{payment['paymentId']}", received(payment)
    own = currency["accountingCurrencyCode"]
    in_books = rounded(amount / Decimal(currency["exchangeRate"]), PLACES.get(own, 2))
    said = f"{payment['orderId']} {payment['paymentMethodCode'].lower()}"[:24]
    both = ((accounts[payment["paymentMethodCode"]], 1), (ON_ACCOUNT, -1))
    for line, (account, sign) in enumerate(both, 1):
        fields: Fields = {
            "AIT1": account,
            "CUCD": payment["currencyCode"],
            "CUAM": sign * amount,
            "ACAM": sign * in_books,
            "DBCR": "D" if sign * amount > 0 else "C",
            "ACDT": m3_day(payment["paymentDate"]),
            "VTXT": f"{key} {said}"[:40],
        }
        yield f"{key}|{line}", fields
