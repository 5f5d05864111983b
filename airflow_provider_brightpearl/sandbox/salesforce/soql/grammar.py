"""The supported SOQL, as a lark grammar and as a syntax tree (reference, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from ..errors import ApiError

GRAMMAR = r"""
?start: query
query: "SELECT"i select_list "FROM"i NAME where? group? order? limit? offset?
select_list: item ("," item)*
?item: path alias? -> plain
     | call alias? -> called
     | "(" query ")" -> child
alias: NAME
path: NAME ("." NAME)*
call: NAME "(" path? ")"
where: "WHERE"i condition
?condition: both ("OR"i both)*   -> any_of
?both: single ("AND"i single)*   -> all_of
?single: "NOT"i single           -> negation
       | "(" condition ")"         -> enclosed
       | path OPERATOR value     -> comparison
       | path "LIKE"i value      -> like
       | path "IN"i list_        -> within
       | path "NOT"i "IN"i list_ -> without
list_: "(" value ("," value)* ")"
?value: STRING    -> text
      | DATETIME  -> datetime
      | DATE      -> date
      | NUMBER    -> number
      | "TRUE"i   -> true
      | "FALSE"i  -> false
      | "NULL"i   -> null
      | NAME (":" NUMBER)? -> literal
group: "GROUP"i "BY"i path ("," path)*
order: "ORDER"i "BY"i sort ("," sort)*
sort: (path | call) direction? nulls?
direction: "ASC"i -> asc
         | "DESC"i -> desc
nulls: "NULLS"i "FIRST"i -> nulls_first
     | "NULLS"i "LAST"i  -> nulls_last
limit: "LIMIT"i NUMBER
offset: "OFFSET"i NUMBER

OPERATOR: "!=" | "<>" | "<=" | ">=" | "=" | "<" | ">"
STRING: /'(?:[^'\\]|\\.)*'/s
DATETIME.3: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)/i
DATE.2: /\d{4}-\d\d-\d\d/
NUMBER: /[+-]?\d+(\.\d+)?/
NAME: /[a-z_][a-z0-9_]*/i
%import common.WS
%ignore WS
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One selected column: a path, a function of one, or a child query."""

    path: tuple[str, ...]
    function: str = ""
    alias: str = ""
    child: Query | None = None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a condition, with its syntactic kind."""

    kind: str  # text, number, date, datetime, boolean, null, range
    value: object
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """path operator value; `operator` is =, !=, <, <=, >, >=, LIKE, IN or NOT IN."""

    path: tuple[str, ...]
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """AND, OR or NOT over conditions."""

    operator: str
    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """One term of ORDER BY."""

    column: Column
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query, not yet checked against the schema."""

    columns: tuple[Column, ...]
    source: str
    where: Any = None
    group: tuple[tuple[str, ...], ...] = ()
    order: tuple[Sort, ...] = ()
    limit: int | None = None
    offset: int = 0


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def _unquote(text: str) -> str:
    out, chars = [], iter(text[1:-1])
    for char in chars:
        if char == "\\":
            escaped = next(chars)
            char = _ESCAPES.get(escaped.lower(), escaped)
        out.append(char)
    return "".join(out)


def _unquote_pattern(text: str) -> str:
    """Like `_unquote`, but escaped wildcards stay escaped."""
    return _unquote(text.replace("\\%", "\\\\%").replace("\\_", "\\\\_"))


class _Build(Transformer[Token, Any]):
    """Converts the parse tree to the dataclasses above."""

    def query(self, parts: list[Any]) -> Query:
        columns, source, *rest = parts
        named = dict(rest)
        return Query(tuple(columns), str(source), **named)

    def select_list(self, parts: list[Any]) -> list[Column]:
        return parts

    def path(self, parts: list[Token]) -> tuple[str, ...]:
        return tuple(str(part) for part in parts)

    def alias(self, parts: list[Token]) -> str:
        return str(parts[0])

    def plain(self, parts: list[Any]) -> Column:
        return Column(parts[0], alias=parts[1] if len(parts) > 1 else "")

    def call(self, parts: list[Any]) -> Column:
        argument = parts[1] if len(parts) > 1 and parts[1] is not None else ()
        return Column(argument, function=str(parts[0]).upper())

    def called(self, parts: list[Any]) -> Column:
        alias = parts[1] if len(parts) > 1 else ""
        return Column(parts[0].path, parts[0].function, alias)

    def child(self, parts: list[Any]) -> Column:
        return Column((), child=parts[0])

    def where(self, parts: list[Any]) -> tuple[str, Any]:
        return "where", parts[0]

    def any_of(self, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return parts[0]
        if any(isinstance(part, Logic) and part.operator == "AND" for part in parts):
            raise ValueError("unexpected token: OR (AND and OR are mixed without parentheses)")
        return Logic("OR", tuple(parts))

    def enclosed(self, parts: list[Any]) -> Logic:
        return Logic("()", (parts[0],))

    def all_of(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else Logic("AND", tuple(parts))

    def negation(self, parts: list[Any]) -> Logic:
        return Logic("NOT", tuple(parts))

    def comparison(self, parts: list[Any]) -> Comparison:
        operator = "!=" if parts[1] == "<>" else str(parts[1])
        return Comparison(parts[0], operator, (parts[2],))

    def like(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "LIKE", (parts[1],))

    def within(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "IN", tuple(parts[1]))

    def without(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "NOT IN", tuple(parts[1]))

    def list_(self, parts: list[Any]) -> list[Literal]:
        return parts

    def text(self, parts: list[Token]) -> Literal:
        return Literal("text", str(parts[0]))

    def datetime(self, parts: list[Token]) -> Literal:
        return Literal("datetime", str(parts[0]))

    def date(self, parts: list[Token]) -> Literal:
        return Literal("date", str(parts[0]))

    def number(self, parts: list[Token]) -> Literal:
        return Literal("number", Decimal(str(parts[0])))

    def true(self, parts: list[Token]) -> Literal:
        return Literal("boolean", True)

    def false(self, parts: list[Token]) -> Literal:
        return Literal("boolean", False)

    def null(self, parts: list[Token]) -> Literal:
        return Literal("null", None)

    def literal(self, parts: list[Token]) -> Literal:
        return Literal("range", str(parts[0]).upper(), int(parts[1]) if len(parts) > 1 else None)

    def group(self, parts: list[Any]) -> tuple[str, Any]:
        return "group", tuple(parts)

    def order(self, parts: list[Any]) -> tuple[str, Any]:
        return "order", tuple(parts)

    def sort(self, parts: list[Any]) -> Sort:
        column = parts[0] if isinstance(parts[0], Column) else Column(parts[0])
        words = parts[1:]
        return Sort(column, "desc" in words, "last" in words)

    def asc(self, parts: list[Token]) -> str:
        return "asc"

    def desc(self, parts: list[Token]) -> str:
        return "desc"

    def nulls_first(self, parts: list[Token]) -> str:
        return "first"

    def nulls_last(self, parts: list[Token]) -> str:
        return "last"

    def limit(self, parts: list[Token]) -> tuple[str, int]:
        return "limit", int(parts[0])

    def offset(self, parts: list[Token]) -> tuple[str, int]:
        return "offset", int(parts[0])


_parser = Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)


@lru_cache(maxsize=256)
def parse(text: str) -> Query:
    """Parse a query. Raises: ApiError MALFORMED_QUERY with row and column."""
    try:
        query: Query = _Build().transform(_parser.parse(text))
    except UnexpectedInput as error:
        where = f"ERROR at Row:{error.line}:Column:{error.column}"
        near = text[max(0, (error.pos_in_stream or 0) - 20) :][:40]
        raise ApiError("MALFORMED_QUERY", f"\n{near}\n^\n{where}\nunexpected token") from None
    except (VisitError, ValueError) as error:
        raise ApiError("MALFORMED_QUERY", f"ERROR at Row:1:Column:1\n{error}") from None
    return query


def plain_text(literal: Literal) -> str:
    """The text of a quoted literal, unescaped."""
    return _unquote(str(literal.value))


def pattern_text(literal: Literal) -> str:
    """The text of a LIKE pattern, unescaped except for escaped wildcards."""
    return _unquote_pattern(str(literal.value))
