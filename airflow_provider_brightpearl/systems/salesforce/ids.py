"""Record ids of Salesforce: 15 characters whose case counts, or the same with a suffix of 3 that repeats the case."""

from __future__ import annotations

import re

_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", re.ASCII)
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def full_id(text: str) -> str | None:
    """The id of 18 characters that a text of 15 or 18 means; None for a text that is not an id."""
    if not _SHAPE.fullmatch(text):
        return None
    short = text[:15]
    full = short + "".join(_mark(short[start : start + 5]) for start in (0, 5, 10))
    return full if full.startswith(text) else None


def _mark(five: str) -> str:
    """One character for which of five are upper case."""
    return _SUFFIX[sum(char.isupper() << place for place, char in enumerate(five))]
