"""The cause of a dead letter: its reason without what differs from record to record."""

from __future__ import annotations

import re
from collections.abc import Iterable

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
# ids such as those of Salesforce and UUIDs
_LONG_ID = re.compile(r"(?<![\w-])(?=[\w-]*\d)[0-9A-Za-z][0-9A-Za-z-]{11,}(?![\w-])")
# not CRS610MI or Address1, which are names
_NUMBER = re.compile(r"(?<![\w])[-+]?\d(?:[\d.,:/-]*\d)?")


def normalised(reason: str, values: Iterable[str]) -> str:
    """A reason with ``…`` for each value, number and id in it, so that equal causes are equal texts.

    Args:
        reason: why a record did not go through.
        values: what the letter itself names: its value, its row, the id of its record.
    """
    for value in sorted(filter(None, values), key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", reason)
    for pattern in (_QUOTED, _LONG_ID, _NUMBER):
        reason = pattern.sub("…", reason)
    return re.sub(r"…(?:[\s,]*…)+", "…", reason)
