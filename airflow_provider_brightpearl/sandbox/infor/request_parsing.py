"""Parses HTTP requests into transactions: query, matrix and body parameters (reference 2.2 to 2.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from ..settings import int_setting
from .errors import GatewayError
from .execution import Options, TransactionCall

# Parameters of every transaction; excludempty is how v1 spells it
STANDARD = frozenset(
    "cono divi lanc locale timeZone maxrecs dateformat excludeempty excludempty righttrim returncols format"
    " extendedresult metadata returnSystemFields m3user".split()
)
_ATTRIBUTES = frozenset(
    "program cono divi lanc locale timeZone dateFormat maxReturnedRecords excludeEmptyValues rightTrim"
    " extendedResult transactions".split()
)
_TRANSACTION_KEYS = frozenset({"transaction", "record", "selectedColumns"})


@dataclass(frozen=True, slots=True)
class ParsedPath:
    """A path below an execute endpoint, with its parameters and input fields."""

    segments: tuple[str, ...]
    parameters: Mapping[str, str]
    fields: Mapping[str, str]


def parse_path(rest: str, query: str) -> ParsedPath:
    """Parse `PROGRAM/TRANSACTION;name=value;...` and the query; upper-case names are input fields."""
    path, *matrix = rest.split(";")
    given = dict(parse_qsl(query, keep_blank_values=True, separator="&"))
    given.update(_matrix(part) for part in matrix if part)
    parameters = {name: value for name, value in given.items() if not _is_field(name)}
    fields = {name: value for name, value in given.items() if _is_field(name)}
    return ParsedPath(tuple(unquote(part) for part in path.split("/") if part), parameters, fields)


def _matrix(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote(name), unquote(value)


def _is_field(name: str) -> bool:
    return name == name.upper() and not name.startswith("_")


def check_parameters(parameters: Mapping[str, str], settings: Mapping[str, object]) -> None:
    """Reject unknown parameters, except cache busters such as `_rid`. Raises: GatewayError."""
    unknown = [name for name in parameters if name not in STANDARD and not name.startswith("_")]
    if unknown and settings["strict_parameters"]:
        raise GatewayError(400, f"Unknown query parameter {unknown[0]}")


def parse_options(parameters: Mapping[str, str], settings: Mapping[str, object], v1: bool = False) -> Options:
    """The options in query and matrix parameters. Raises: GatewayError."""
    return Options(
        cono=parameters.get("cono", ""),
        divi=parameters.get("divi", ""),
        maxrecs=_non_negative(parameters.get("maxrecs", int_setting(settings, "default_maxrecs")), "maxrecs"),
        dateformat=parameters.get("dateformat") or "YMD8",
        exclude_empty=_boolean(parameters.get("excludeempty", parameters.get("excludempty", False))),
        right_trim=_boolean(parameters.get("righttrim", True)),
        columns=tuple(filter(None, parameters.get("returncols", "").split(","))),
        extended=_boolean(parameters.get("extendedresult", False)) and not v1,
    )


def parse_bulk(
    body: bytes, parameters: Mapping[str, str], settings: Mapping[str, object]
) -> list[TransactionCall]:
    """The transactions of a bulk body. Raises: GatewayError."""
    call = _decoded(body)
    _check_order(call, settings)
    program, transactions = call.get("program"), call.get("transactions")
    if not isinstance(program, str) or not isinstance(transactions, list):
        raise GatewayError(400, "program and transactions are required")
    most = int_setting(settings, "max_bulk_transactions")
    if most and len(transactions) > most:
        raise GatewayError(413, f"More than {most} transactions")
    options = _bulk_options(call, parse_options(parameters, settings))
    return [_item(program, one, options) for one in transactions]


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        call = json.loads(body, parse_float=str)
    except ValueError:
        raise GatewayError(400, "The body is not valid JSON") from None
    if not isinstance(call, dict):
        raise GatewayError(400, "The body is not a JSON object")
    return call


def _check_order(call: dict[str, Any], settings: Mapping[str, object]) -> None:
    """The server streams the body, so attributes after `transactions` have no effect (reference 2.4)."""
    unknown = [name for name in call if name not in _ATTRIBUTES]
    if unknown and settings["strict_parameters"]:
        raise GatewayError(400, f"Unknown attribute {unknown[0]}")
    names = list(call)
    trailing = names[names.index("transactions") + 1 :] if "transactions" in call else []
    how = settings["attributes_after_transactions"]
    if trailing and how == "refuse":
        raise GatewayError(400, f"Attribute {trailing[0]} comes after transactions")
    for name in trailing if how == "ignore" else ():
        del call[name]


def _bulk_options(call: Mapping[str, Any], options: Options) -> Options:
    return replace(
        options,
        cono=_as_text(call.get("cono")) or options.cono,
        divi=_as_text(call.get("divi")) or options.divi,
        maxrecs=_non_negative(call.get("maxReturnedRecords", options.maxrecs), "maxReturnedRecords"),
        dateformat=call.get("dateFormat") or options.dateformat,
        exclude_empty=_boolean(call.get("excludeEmptyValues", options.exclude_empty)),
        right_trim=_boolean(call.get("rightTrim", options.right_trim)),
        extended=_boolean(call.get("extendedResult", options.extended)),
    )


def _item(program: str, given: Any, options: Options) -> TransactionCall:
    if (
        not isinstance(given, dict)
        or set(given) - _TRANSACTION_KEYS
        or not isinstance(given.get("transaction"), str)
    ):
        raise GatewayError(400, "A transaction is not valid")
    record = given.get("record") or {}
    if not isinstance(record, dict) or any(isinstance(value, (dict, list)) for value in record.values()):
        raise GatewayError(400, "A record is not valid")
    columns = tuple(given.get("selectedColumns") or ()) or options.columns
    fields = {name: _as_text(value) for name, value in record.items()}
    return TransactionCall(program, given["transaction"], fields, replace(options, columns=columns))


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boolean(value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    if str(value).lower() not in ("true", "false"):
        raise GatewayError(400, f"{value} must be true or false")
    return str(value).lower() == "true"


def _non_negative(value: Any, name: str) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        raise GatewayError(400, f"{name} is not a number") from None
