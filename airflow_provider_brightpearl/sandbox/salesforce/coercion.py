"""Converts the values that clients send to the values that the org stores."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

from ..countries import COUNTRIES
from .datetimes import canonical_date, canonical_instant
from .errors import ApiError
from .fields import Field

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def coerce(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    """The stored form of a value that is neither null nor a reference.

    Args:
        field: the field to store the value in.
        value: the value in the request.
        settings: the settings of the org.
        is_csv: the value is text, as in a bulk upload.

    Raises:
        ApiError: with a code of the error catalogue in the reference.
    """
    return _COERCE[field.type](field, value, settings, is_csv)


def wrong_type(field: Field, value: object, is_csv: bool) -> ApiError:
    """The error for a value that cannot be converted to the type of the field."""
    if is_csv:
        return ApiError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{field.label}: value not of required type: {value}",
            [field.name],
        )
    kind = {bool: "BOOLEAN", int: "NUMBER_INT", Decimal: "NUMBER_FLOAT", str: "STRING"}.get(
        type(value), "OBJECT"
    )
    return ApiError(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {field.type} from VALUE_{kind} value {value} "
        "or request may be missing a required field",
        [field.name],
    )


def _text(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    if not isinstance(value, str):
        loose = settings["numbers_in_text"] and isinstance(value, (int, Decimal))
        if not loose or isinstance(value, bool):
            raise wrong_type(field, value, is_csv)
        value = str(value)
    if len(value) > field.length:
        raise ApiError(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {value} (max length={field.length})",
            [field.name],
        )
    if field.name.endswith("CountryCode") and value not in COUNTRIES:
        raise _bad_choice(field, value)
    return value


def _email(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    found = _text(field, value, settings, is_csv)
    if not _EMAIL.fullmatch(str(found)):
        raise ApiError(
            "INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {found}", [field.name]
        )
    return found


def _picklist(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    found = _text(field, value, settings, is_csv)
    for choice in field.values:
        if choice == found or choice.lower() == str(found).lower():
            return choice
    if field.restricted:
        raise _bad_choice(field, found)
    return found


def _bad_choice(field: Field, value: object) -> ApiError:
    return ApiError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{field.label}: bad value for restricted picklist field: {value}",
        [field.name],
    )


def _boolean(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTH and (is_csv or value not in "01"):
        return _TRUTH[value.lower()]
    raise wrong_type(field, value, is_csv)


@lru_cache(maxsize=65536)
def _parsed(text: str, scale: int, excess: str) -> Decimal | None:
    # cached: most cells of a large upload repeat a few thousand prices and quantities
    if not _NUMERIC.fullmatch(text):
        return None
    try:
        value = Decimal(text)
        exact = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    except InvalidOperation:
        return None
    if exact != value and excess == "keep":
        return value
    return None if exact != value and excess == "refuse" else exact


def _decimal(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise wrong_type(field, value, is_csv)
    found = _parsed(str(value), field.scale, str(settings["excess_decimals"]))
    if found is None:
        raise wrong_type(field, value, is_csv)
    if abs(found) >= 10 ** (field.precision - field.scale):
        raise ApiError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {value}",
            [field.name],
        )
    return found


def _integer(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,10}(\.0+)?", str(value)):
        raise wrong_type(field, value, is_csv)
    return int(Decimal(str(value)))


def _date(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    found = canonical_date(value) if isinstance(value, str) else None
    if found is None:
        raise wrong_type(field, value, is_csv)
    return found


def _datetime(field: Field, value: object, settings: Mapping[str, object], is_csv: bool) -> object:
    found = canonical_instant(value) if isinstance(value, str) else None
    if found is None:
        raise wrong_type(field, value, is_csv)
    return found


Coercer = Callable[[Field, object, Mapping[str, object], bool], object]

_COERCE: dict[str, Coercer] = {
    "string": _text,
    "textarea": _text,
    "phone": _text,
    "url": _text,
    "email": _email,
    "picklist": _picklist,
    "boolean": _boolean,
    "double": _decimal,
    "currency": _decimal,
    "percent": _decimal,
    "int": _integer,
    "date": _date,
    "datetime": _datetime,
    "id": _text,
}
