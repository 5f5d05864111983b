"""Amounts: whole hundredths inside, decimal text on the wire."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_USUAL = [f"{amount // 100}.{amount % 100:02d}" for amount in range(20_000)]


def two(hundredths: int) -> str:
    """An amount with two decimals."""
    if 0 <= hundredths < 20_000:
        return _USUAL[hundredths]
    if hundredths < 0:
        return "-" + two(-hundredths)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def four(hundredths: int) -> str:
    """An amount with four decimals."""
    return two(hundredths) + "00"


def half_up(numerator: int, denominator: int) -> int:
    """The nearest whole number to a quotient, halves away from zero."""
    if numerator < 0:
        return -half_up(-numerator, denominator)
    return (2 * numerator + denominator) // (2 * denominator)


def number(value: object) -> Decimal | None:
    """A number sent as JSON number or text; None when it is neither."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and not isinstance(value, bool) else None


def places(value: Decimal, count: int) -> str:
    """A number as plain text with so many decimals."""
    return f"{value:.{count}f}"
