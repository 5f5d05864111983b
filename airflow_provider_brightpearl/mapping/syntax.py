"""The parsed SQL of an expression: what it may contain, its names, and how parts of it are rewritten."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from airflow_provider_brightpearl.core.schema import ListOf, MapOf, Path

# it logs each index of a list that it counts from one
logging.getLogger("sqlglot").setLevel(logging.WARNING)

FORBIDDEN = (
    exp.Query, exp.AggFunc, exp.Star, exp.Window, exp.Lambda, exp.Placeholder, exp.Parameter, exp.Explode, exp.Unnest,
)  # fmt: skip
VOLATILE = frozenset(
    "current_date current_time current_timestamp current_localtime current_localtimestamp localtime localtimestamp "
    "get_current_time get_current_timestamp transaction_timestamp now today rand random uuid uuidv4 uuidv7 "
    "gen_random_uuid nextval currval setseed".split()
)

# as functions.MACROS has them, which serve addresses that are not plain columns
SHORT_FOR = {
    "street": "text(concat_ws(chr(10), text(addressLine1), text(addressLine2)))",
    "city": "text(addressLine3)",
}


class ExpressionError(ValueError):
    """An expression that cannot be used; the message names the place and the valid names."""


def written_out(name: str, address: exp.Expression) -> exp.Expression:
    """The expansion of a short name for parts of an address."""

    def part(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Column):
            return node
        return exp.Dot(this=address.copy(), expression=exp.to_identifier(node.name))

    return sqlglot.parse_one(SHORT_FOR[name], read="duckdb").transform(part)


def quoted(value: str) -> str:
    """A text as SQL text."""
    return str(exp.Literal.string(value).sql("duckdb"))


def each(rows: Path, column: MapOf | ListOf, body: str, *, paired: bool) -> str:
    """SQL of a list with the body's value for every row; paired rows come with their raw text as ``_raw``."""
    typed, raw = (exp.column(prefix + ".".join(rows), quoted=True).sql("duckdb") for prefix in ("", "_raw_"))
    if isinstance(column, MapOf):
        typed, raw = f"map_values({typed})", f"map_values({raw})"
    if not paired:
        return f'list_transform({typed}, lambda "row": {body})'
    body = body.replace('"_raw"', "struct_extract(pair, 2)").replace('"row"', "struct_extract(pair, 1)")
    return f"list_transform(list_zip({typed}, {raw}), lambda pair: coalesce({body}, false))"


def names(node: exp.Expression) -> Path | None:
    """The steps of ``a.b.c``, or None if it contains anything but names."""
    return tuple(_steps(node)) if all(step is not None for step in _steps(node)) else None  # type: ignore[arg-type]


def _steps(node: exp.Expression | None) -> Iterator[str | None]:
    if isinstance(node, exp.Dot):
        yield from _steps(node.this)
        yield from _steps(node.expression)
    elif isinstance(node, exp.Column):
        yield from (part.name for part in node.parts)
    elif isinstance(node, exp.Identifier):
        yield node.name
    else:
        yield None


def at(node: exp.Expression) -> str:
    """The position of a node in its text, for a message."""
    start = min(
        (part.meta["start"] for part in node.find_all(exp.Identifier) if "start" in part.meta), default=None
    )
    return "" if start is None else f" (at column {start + 1})"


def access(base: exp.Expression, names: Path) -> exp.Expression:
    """What lies below a value, step by step."""
    for name in names:
        base = exp.Anonymous(this="struct_extract", expressions=[base, exp.Literal.string(name)])
    return base


def member(value: exp.Expression, name: str) -> exp.Expression:
    """A member of a JSON object, as text."""
    return exp.Anonymous(this="json_extract_string", expressions=[value, exp.Literal.string(json_path(name))])


def json_path(name: str) -> str:
    """The path of a member in a JSON object."""
    return f'$."{name}"'


def text_argument(node: exp.Expression, usage: str) -> str:
    """The first argument, which has to be a literal text."""
    first = node.expressions[0] if node.expressions else None
    if not isinstance(first, exp.Literal) or not first.is_string or len(node.expressions) < 2:
        raise ExpressionError(f"use {usage}")
    return str(first.name)


def function_name(node: exp.Expression) -> str:
    """The name of the function that a node calls, empty where it calls none."""
    if not isinstance(node, exp.Func):
        return ""
    return str(node.this if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def forbidden(node: exp.Expression) -> str:
    """Why a mapping may not contain a node."""
    if function_name(node) in VOLATILE:
        return f"{node.sql('duckdb')} gives another value at every run, so no record would ever be unchanged"
    if isinstance(node, exp.AggFunc):
        return f"{node.sql('duckdb')} sums over records; within one record use sum_rows(rows, expression)"
    return f"{node.sql('duckdb')} is not a single value of one record"
