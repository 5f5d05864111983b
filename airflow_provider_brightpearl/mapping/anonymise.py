"""Personal data of a record replaced by values of the same shape, so that a mapping treats them alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from hashlib import sha256
from random import Random
from typing import Any

import phonenumbers

# members that say who or where a person is, in Brightpearl, Salesforce and M3
_PERSONAL = re.compile(
    r"name|phone|mobile|fax|telex|mail|street|address|city|town|post|zip|contact|company|birth|salutation|iban|tax"
    r"|vat|note|comment|descr|message|memo|subject|text|url|website|user|owner"
    r"|^(cunm|cua\d|town|pono|phno|phn2|tfno|tel\d|mail|yref\d?|cfc\d|vrno)$",
    re.IGNORECASE,
)
_PHONE = re.compile(r"phone|mobile|fax|^(phno|phn2|tfno|tel\d)$", re.IGNORECASE)
# words that are no one's
_PUBLIC = re.compile(
    r"country|currency|language|locale|state|status|type|iso|(^|[a-z_])ids?$|Id$|code$", re.IGNORECASE
)
_POSTAL = re.compile(r"post|zip|^pono$", re.IGNORECASE)
_NEUTRAL = re.compile(
    r"[-+]?\d+(\.\d+)?"  # numbers and ids
    r"|\d{4}-\d\d-\d\d(T.*)?"  # dates and instants
    r"|(?=.*\d)[0-9A-Za-z]{15}([0-9A-Za-z]{3})?"  # ids of Salesforce
    r"|(?=.*\d)[0-9a-fA-F-]{32,36}"  # UUIDs
    r"|(?=.*\d)[A-Z0-9][A-Z0-9_./-]*"  # codes such as those of M3
    r"|[A-Z]{2,3}|true|false"  # countries, currencies
)
_TRIES = 400


def anonymised(record: Any, known: Collection[str], salt: str) -> Any:
    """A copy of a record in which texts that may be of a person are replaced; equal texts by equal ones.

    Length, kinds of characters, their direction and size in UTF-8, and what is empty stay, and a phone number is valid
    where it was. Numbers, dates, ids, codes, countries and currencies stay as they are.

    Args:
        record: of JSON values.
        known: texts that mean something to the mapping, such as keys of lookups; they stay too.
        salt: makes the same copy each time.
    """
    regions = [None, *sorted(_regions(record))]
    return _replaced(record, "", lambda name, text: _text(name, text, known, salt, regions))


def _replaced(value: Any, name: str, replace: Callable[[str, str], str]) -> Any:
    if isinstance(value, dict):
        return {each: _replaced(inner, each, replace) for each, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, name, replace) for inner in value]
    return replace(name, value) if isinstance(value, str) else value


def _regions(value: Any) -> set[str]:
    """What may be a country in a record."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {each for part in inner for each in _regions(part)}
    return {value} & set(phonenumbers.SUPPORTED_REGIONS) if isinstance(value, str) else set()


def _text(name: str, text: str, known: Collection[str], salt: str, regions: list[str | None]) -> str:
    if not text.strip() or text in known:
        return text
    if _PHONE.search(name):
        return _phone(text, salt, regions)
    personal = _PERSONAL.search(name) and not (_PUBLIC.search(name) and not _POSTAL.search(name))
    if not personal and (_PUBLIC.search(name) or _NEUTRAL.fullmatch(text)):
        return text
    random = Random(_seed(salt, text))  # noqa: S311
    if "@" in text:
        address, dot, ending = text.rpartition(".")
        return f"{_fake(address, random)}{dot}{ending}"
    return _fake(text, random)


def _seed(salt: str, text: str, attempt: int = 0) -> int:
    return int.from_bytes(
        sha256(f"{salt}\x00{text}\x00{attempt}".encode("utf-8", "surrogatepass")).digest()[:8], "big"
    )


def _phone(text: str, salt: str, regions: list[str | None]) -> str:
    """Another number that is valid where this one is."""
    valid = [_is_valid(text, region) for region in regions]
    fake = text
    for attempt in range(_TRIES):
        # the country, and after a while the area too, decide whether it is one
        kept = 3 if attempt < _TRIES // 4 else len(text) // 2
        fake = text[:kept] + _fake(text[kept:], Random(_seed(salt, text, attempt)))  # noqa: S311
        if fake != text and valid == [_is_valid(fake, region) for region in regions]:
            return fake
    return fake


def _is_valid(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _fake(text: str, random: Random) -> str:
    return "".join(_character(each, random) for each in text)


def _character(each: str, random: Random) -> str:
    """Another character of the same kind; all that is neither letter nor digit stays."""
    kind = unicodedata.category(each)
    if each.isascii():
        letters = "abcdefghijklmnopqrstuvwxyz" if each.islower() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        # a number keeps its length: no zero in front that was not there
        choices = letters if each.isalpha() else "123456789" if each.isdigit() and each != "0" else each
        return random.choice(choices)
    if kind[0] not in "LN":
        return each
    first = ord(each) & ~63
    alike = [
        other
        for other in map(chr, range(first, first + 64))
        if not 0xD800 <= ord(other) <= 0xDFFF
        and unicodedata.category(other) == kind
        and unicodedata.bidirectional(other) == unicodedata.bidirectional(each)
        and len(unicodedata.normalize("NFC", other)) == len(unicodedata.normalize("NFC", each))
        and len(unicodedata.normalize("NFD", other)) == len(unicodedata.normalize("NFD", each))
    ]
    return random.choice(alike) if alike else each
