"""Amounts: integer hundredths internally, decimal text on the wire."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_USUAL = [f"{amount // 100}.{amount % 100:02d}" for amount in range(20_000)]


def two_decimals(hundredths: int) -> str:
    """An amount with two decimals."""
    if 0 <= hundredths < 20_000:
        return _USUAL[hundredths]
    if hundredths < 0:
        return "-" + two_decimals(-hundredths)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def four_decimals(hundredths: int) -> str:
    """An amount with four decimals."""
    return two_decimals(hundredths) + "00"


def divide_half_up(numerator: int, denominator: int) -> int:
    """A quotient rounded to an integer, halves away from zero."""
    if numerator < 0:
        return -divide_half_up(-numerator, denominator)
    return (2 * numerator + denominator) // (2 * denominator)


def parse_decimal(value: object) -> Decimal | None:
    """A number sent as a JSON number or as text; None if it is neither."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and not isinstance(value, bool) else None


def fixed_decimals(value: Decimal, count: int) -> str:
    """A number as text with a fixed count of decimals."""
    return f"{value:.{count}f}"
