"""How long a server asks to wait, from its Retry-After header."""

from __future__ import annotations

from collections.abc import Mapping

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a ``Retry-After`` asks for, whether it holds seconds or a date; None if it holds neither."""
    text = headers.get("Retry-After", "")
    try:
        return float(Retry().parse_retry_after(text)) if text else None
    except InvalidHeader:
        return None
