"""The value of an order: lines, charges and VAT (reference 2.6.5, samples in 2.6.12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..session import Session
from ..values import Row

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Value:
    """The totals of an order in its own currency."""

    goods: Decimal
    discount: Decimal
    charges: Decimal
    vat: Decimal

    @property
    def net(self) -> Decimal:
        """The amount before charges and tax."""
        return self.goods - self.discount

    @property
    def total(self) -> Decimal:
        """The amount payable."""
        return self.net + self.charges + self.vat


def order_value(session: Session, order: Row, lines: list[Row], charges: list[Row]) -> Value:
    """All totals; the setting `vat_rounding` decides whether VAT is rounded per order and code, or per line."""
    cucd = str(order["CUCD"])
    customer = session.find("customers", order["CUNO"]) or {}
    gross = [session.rounded(gross_amount(line), cucd) for line in lines]
    nets = [net_amount(session, line, cucd) for line in lines]
    taxed = [(vat_code(session, line, customer), net) for line, net in zip(lines, nets, strict=True)]
    taxed += [(str(charge["VTCD"]), Decimal(charge["CRAM"])) for charge in charges]
    vat = _vat(session, taxed, cucd, order) if str(customer.get("TXAP", 1)) != "0" else ZERO
    charged = sum((Decimal(charge["CRAM"]) for charge in charges), ZERO)
    goods, net = sum(gross, ZERO), sum(nets, ZERO)
    return Value(*(session.rounded(one, cucd) for one in (goods, goods - net, charged, vat)))


def gross_amount(line: Row) -> Decimal:
    """Quantity times price, before discounts; SACD is the quantity the price is for."""
    price = Decimal(line.get("SAPR") or 0) / (Decimal(line.get("SACD") or 0) or 1)
    return Decimal(line.get("ORQT") or 0) * price


def net_amount(session: Session, line: Row, cucd: str) -> Decimal:
    """The amount of a line after discount percentages and amounts, rounded once."""
    quantity = Decimal(line.get("ORQT") or 0)
    per = quantity if session.settings["discount_amount_basis"] == "unit" else Decimal(1)
    amount = gross_amount(line)
    for step in "123456":
        amount -= amount * Decimal(line.get(f"DIP{step}") or 0) / 100
        amount -= Decimal(line.get(f"DIA{step}") or 0) * per
    return session.rounded(amount, cucd)


def vat_code(session: Session, line: Row, customer: Row) -> str:
    """The VAT code of a line: the customer's, else the item's, else the default."""
    item = session.find("items", line["ITNO"]) or {}
    found = customer.get("VTCD") or item.get("VTCS") or session.settings["default_vat_code"]
    return str(found)


def vat_percent(session: Session, code: str) -> Decimal:
    """The rate of a VAT code, in percent."""
    row = session.find("vat_codes", code)
    return Decimal(row["VTP1"]) if row else ZERO


def _vat(session: Session, taxed: Iterable[tuple[str, Decimal]], cucd: str, order: Row) -> Decimal:
    bases: dict[str, Decimal] = {}
    each = ZERO
    for code, amount in taxed:
        bases[code] = bases.get(code, ZERO) + amount
        each += session.rounded(amount * vat_percent(session, code) / 100, cucd)
    if session.settings["vat_rounding"] == "line":
        return each
    parts = (session.rounded(base * vat_percent(session, c) / 100, cucd) for c, base in bases.items())
    return sum(parts, ZERO)
