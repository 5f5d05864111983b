"""Numbers in text, as systems write them: a decimal point, no thousands separators."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def decimal_of(text: str) -> Decimal | None:
    """The finite number that a text holds, digits unchanged; None where it holds none, as with a decimal comma."""
    stripped = text.strip()
    return Decimal(stripped) if _NUMBER.fullmatch(stripped) else None
