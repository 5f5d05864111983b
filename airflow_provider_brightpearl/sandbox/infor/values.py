"""Parses and renders field values, which are all text on the wire (reference 2.1, 2.3, 2.6.11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from .errors import generic_nok, missing_field, nok, too_long
from .signatures import Field, Signature, is_date, is_number

Row = dict[str, Any]

DATE_FORMATS = {
    "YMD8": "%Y%m%d",
    "YMD6": "%y%m%d",
    "MDY6": "%m%d%y",
    "DMY6": "%d%m%y",
    "YMD8-": "%Y-%m-%d",
    "YWD5": "",  # year, week, day of the week: yywwd
}
_NUMBER = re.compile(r"-?\d+(\.\d*)?|-?\.\d+")
# keys of M3 tables, which are upper case
_KEYS = frozenset(
    "CUNO CUTM ITNO CITN WHLO CWHL WHSL TWSL FACI CFAC ORTP CUCD CUCS ADID CSCD ECAR PYNO INRC DIVI"
    " UNMS ALUN SPUN ITTY ITGR CRID MODL TEDL TEPY RSCD AIT1 AIT2 AIT3 AIT4 AIT5 AIT6 AIT7 AITM DBCR"
    " INTN INRI FRIT TOIT E065 PANR".split()
)


class Values(dict[str, Any]):
    """The input of a transaction: text, or Decimal for numbers, without blank fields."""

    blanks: frozenset[str] = frozenset()

    def text(self, name: str, default: str = "") -> str:
        """A field as text."""
        return str(self.get(name, default))

    def integer(self, name: str, default: int = 0) -> int:
        """A field as an integer. Raises: Nok."""
        value = self.get(name, default)
        try:
            found = int(value)
        except ValueError:
            raise nok("XNU0000", value, name) from None
        if found != Decimal(value):
            raise nok("XNU0000", value, name)
        return found

    def decimal(self, name: str, default: str = "0") -> Decimal:
        """A field as a Decimal."""
        return Decimal(self.get(name, default))


def parse_record(
    signature: Signature, record: Mapping[str, str], dateformat: str, settings: Mapping[str, object]
) -> Values:
    """Validate and convert an input record: unknown fields, required fields, then lengths and types. Raises: Nok."""
    unknown = [name for name in record if name not in signature.inputs]
    if unknown and settings["unknown_field"] == "refuse":
        raise generic_nok(f"Input field {unknown[0]} is not known", unknown[0])
    for name in signature.required:
        if not record.get(name, "").strip():
            raise missing_field(name)
    values = Values()
    for name, raw in record.items():
        field = signature.inputs.get(name)
        if field is None:
            continue
        if len(raw.rstrip()) > field.length:
            raise too_long(name, field.length)
        if raw.strip():
            values[name] = _typed(field, raw.rstrip(), dateformat, settings)
    values.blanks = frozenset(n for n, raw in record.items() if not raw.strip() and n in signature.inputs)
    return values


def _typed(field: Field, raw: str, dateformat: str, settings: Mapping[str, object]) -> Any:
    if field.numeric:
        return _decimal(field, raw.strip(), str(settings["decimal_sign"]))
    if field.is_date:
        return _date(field.name, raw.strip(), dateformat)
    if field.name in _KEYS and settings["key_case"] == "upper":
        return raw.upper()
    return raw


def _decimal(field: Field, raw: str, sign: str) -> Decimal:
    """A number with the decimal sign of the user; another sign is no number. Raises: Nok."""
    plain = raw if sign == "." else raw.replace(".", "?").replace(sign, ".")
    if not _NUMBER.fullmatch(plain):
        raise nok("XNU0000", raw, field.name)
    return Decimal(plain)


def _date(name: str, raw: str, dateformat: str) -> str:
    """A date as tables store it, yyyymmdd."""
    if raw.strip("0") == "":
        return ""
    try:
        if dateformat == "YWD5":
            found = date.fromisocalendar(2000 + int(raw[:2]), int(raw[2:4]), int(raw[4:5]))
        else:
            length = len(datetime(2000, 1, 1).strftime(DATE_FORMATS[dateformat]))  # noqa: DTZ001
            if len(raw) != length:
                raise nok("XDT0001", raw, name)
            found = datetime.strptime(raw, DATE_FORMATS[dateformat]).date()  # noqa: DTZ007 - no time in it
    except ValueError:
        raise nok("XDT0001", raw, name) from None
    return found.strftime("%Y%m%d")


def to_scale(value: Decimal, places: int, name: str, settings: Mapping[str, object]) -> Decimal:
    """A number in so many decimals. Raises: Nok if it has more and `excess_decimals` is "refuse"."""
    step = Decimal(1).scaleb(-places)
    how = settings["excess_decimals"]
    exact = value.quantize(step, ROUND_DOWN if how == "truncate" else ROUND_HALF_UP)
    if exact != value and how == "refuse":
        raise nok("XNU0000", value, name)
    return exact


def rounded(value: Decimal, places: int) -> Decimal:
    """A computed amount, rounded half up."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def render_quantity(value: Decimal, places: int, settings: Mapping[str, object]) -> Decimal:
    """A quantity as responses show it: without trailing zeros, or with all decimals of the item."""
    if settings["quantity_style"] == "fixed":
        return rounded(value, places)
    return value.to_integral_value() if value == value.to_integral_value() else value.normalize()


def render(name: str, length: int, value: Any, dateformat: str, settings: Mapping[str, object]) -> str:
    """A stored value as text, neither trimmed nor padded."""
    if value is None or value == "":
        return "0" if is_number(name) else ""
    if isinstance(value, Decimal):
        text = format(value, "f").replace(".", str(settings["decimal_sign"]))
        return f"{text[1:]}-" if settings["trailing_minus"] and text.startswith("-") else text
    text = str(value)
    if dateformat != "YMD8" and is_date(name, length) and len(text) == 8 and text.isdigit():
        return _other_date(text, dateformat)
    return text


def _other_date(text: str, dateformat: str) -> str:
    found = datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007
    if dateformat == "YWD5":
        year, week, day = found.isocalendar()
        return f"{year % 100:02d}{week:02d}{day}"
    return found.strftime(DATE_FORMATS[dateformat])
