"""JSON without floats: numbers with a fraction are Decimal when read and when written."""

from __future__ import annotations

import json
from decimal import Decimal

import orjson

from .errors import malformed_json


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(type(value).__name__)


def dump_json(value: object) -> bytes:
    """JSON in which a Decimal keeps its scale."""
    return orjson.dumps(value, default=_number)


def load_json(body: bytes) -> object:
    """The parsed body; numbers with a fraction are Decimal. Raises: ApiError JSON_PARSER_ERROR."""
    try:
        return _decoder.decode(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise malformed_json(f"Unexpected character or end of input: {error}") from error
