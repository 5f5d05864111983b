"""Record ids: 15 case-sensitive characters plus 3 that make them safe without case (reference, section 3)."""

from __future__ import annotations

import re

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def suffix(short: str) -> str:
    """The 3 characters that spell out which of the 15 are upper case."""
    marks = []
    for start in (0, 5, 10):
        bits = 0
        for place in range(5):
            if "A" <= short[start + place] <= "Z":
                bits |= 1 << place
        marks.append(_SUFFIX[bits])
    return "".join(marks)


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
    """The 18-character form of a 15 or 18 character id, None when it is no id."""
    if not isinstance(text, str) or not _SHAPE.fullmatch(text):
        return None
    expected = suffix(text[:15])
    if len(text) == 15:
        return text + expected
    return text if text[15:].upper() == expected else None
