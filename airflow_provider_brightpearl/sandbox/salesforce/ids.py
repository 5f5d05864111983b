"""Record ids: 15 case-sensitive characters, and 3 more for case-insensitive use (reference, section 3)."""

from __future__ import annotations

import re
from functools import lru_cache

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def suffix(short: str) -> str:
    """The 3 characters that encode which of the 15 are upper case."""
    return _mark(short[:5]) + _mark(short[5:10]) + _mark(short[10:])


@lru_cache(maxsize=65_536)
def _mark(block: str) -> str:
    return _SUFFIX[sum(1 << place for place, char in enumerate(block) if "A" <= char <= "Z")]


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of the n-th record of an object."""
    tail = ["0"] * 12
    place = 11
    while number:
        number, digit = divmod(number, 62)
        tail[place] = DIGITS[digit]
        place -= 1
    short = prefix + "".join(tail)
    return short + suffix(short)


def full_id(text: object) -> str | None:
    """The 18-character form of an id of 15 or 18 characters; None if the text is not an id."""
    if not isinstance(text, str) or not _SHAPE.fullmatch(text):
        return None
    expected = suffix(text[:15])
    if len(text) == 15:
        return text + expected
    return text if text[15:].upper() == expected else None
