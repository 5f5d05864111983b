"""One expression of a flow file: SQL text in, checked DuckDB SQL out.

Expressions are single SQL values over the columns of a stream. Four things are rewritten:

- ``a.b.c`` becomes the column of that name, checked against the stream's schema; its raw text is ``_raw_a.b.c``;
- ``street`` and ``city`` of an address become what they are short for, so that no other part of it is read;
- ``x::T`` becomes TRY_CAST with a check that names field and value where the cast fails;
- ``a / b`` becomes an exact decimal division (DuckDB's own gives floating point) with a check for zero;
- ``lookup``, ``ref`` and ``country`` become joins with a check for keys that are not known.

A check holds only where its value is needed: inside CASE, IF, COALESCE, AND and OR it is guarded by what was decided
before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from airflow_provider_brightpearl.core.schema import ListOf, MapOf, Path, Schema, UnknownColumn, find, leaves

ROW = "row"


class ExpressionError(ValueError):
    """An expression that cannot be used; the message names the place and what is known there."""


@dataclass(frozen=True, slots=True)
class Call:
    """A join that an expression needs: ``kind`` is lookup, ref or country; ``target`` the table, ``key`` its SQL."""

    kind: str
    target: str
    key: str


@dataclass(frozen=True, slots=True)
class Check:
    """A condition under which a row is rejected, with SQL for the value to show.

    ``call`` and ``lookup`` are set where a key was not found.
    """

    condition: str
    value: str
    reason: str
    call: int | None = None
    lookup: str = ""


@dataclass(slots=True)
class Scope:
    """What an expression may use, and what the expressions of one object have asked for so far."""

    columns: Schema
    rows: Path = ()
    row: Schema | None = None
    lookups: frozenset[str] = frozenset()
    in_rows: bool = False
    calls: list[Call] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    paths: set[Path] = field(default_factory=set)

    def call(self, call: Call) -> int:
        """Index of a call; the same lookup of the same key is made once."""
        if call not in self.calls:
            self.calls.append(call)
        return self.calls.index(call)

    def take_checks(self) -> list[Check]:
        """The checks since the last call of this; a plain cast check appears once per object."""
        taken, self.checks = self.checks, []
        return taken


def compile_expression(text: str, scope: Scope) -> str:
    """DuckDB SQL of one expression; its calls, checks and used paths are added to the scope.

    Raises:
        ExpressionError: not SQL, an unknown column or lookup, or a construct that a mapping may not use.
    """
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise ExpressionError(_syntax(text, error)) from error
    if not isinstance(tree, (exp.Condition, exp.AtTimeZone, exp.Interval, exp.Query)):
        raise ExpressionError(f"{text!r} is not a single value")
    return str(_Compiler(scope).visit(tree, ()).sql("duckdb"))


def _syntax(text: str, error: Exception) -> str:
    places = getattr(error, "errors", None) or [{}]
    column, problem = places[0].get("col"), places[0].get("description") or "not SQL"
    return f"{problem.rstrip('.')} at column {column} of {text!r}" if column else f"{problem} in {text!r}"


@dataclass(slots=True)
class _Compiler:
    scope: Scope

    def visit(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        """The rewritten tree of a node that is evaluated only where all guards hold."""
        if isinstance(node, _FORBIDDEN) or _function_name(node) in _VOLATILE:
            raise ExpressionError(_forbidden(node))
        if isinstance(node, (exp.Column, exp.Dot)):
            return self._path(node, guards)
        special = _SPECIAL.get(type(node))
        if special is not None:
            return special(self, node, guards)
        return self._rebuild(node, guards)

    def _rebuild(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        def visited(value: Any) -> Any:
            if isinstance(value, list):
                return [visited(each) for each in value]
            return self.visit(value, guards) if isinstance(value, exp.Expression) else value

        return type(node)(**{name: visited(value) for name, value in node.args.items()})

    def _path(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        names = _names(node)
        if names is None:
            return self._rebuild(node, guards)
        if names[0] == ROW and self.scope.row is not None:
            column = self._find(node, self.scope.row, names[1:], "row.")
            self.scope.paths.add((*self.scope.rows, *names))
            self._check_leaves(column, names, guards)
            return self._column(names)
        if names in (("row_id",), ("row_no",)) and self.scope.row is not None:
            return exp.column(names[0], quoted=True)
        column = self._find(node, self.scope.columns, names)
        self.scope.paths.add(names)
        self._check_leaves(column, names, guards)
        return self._column(names)

    def _column(self, names: Path, prefix: str = "", below: Path = ()) -> exp.Expression:
        """A path as a column of its own, and what lies below it; inside sum_rows a row is the lambda's, whole."""
        if names[0] == ROW and self.scope.in_rows:
            return _access(exp.column(f"{prefix}{ROW}", quoted=True), (*names[1:], *below))
        return _access(exp.column(prefix + ".".join(names), quoted=True), below)

    def _find(self, node: exp.Expression, schema: Schema, names: Path, prefix: str = "") -> Any:
        try:
            return find(schema, names)
        except UnknownColumn as error:
            hint = ""
            if not prefix and names[0] == ROW:
                hint = "; row is there only in objects with rows:"
            raise ExpressionError(f"{prefix}{error}{hint}{_at(node)}") from error

    def _check_leaves(self, column: Any, names: Path, guards: tuple[str, ...]) -> None:
        for below, kind in leaves(column):
            if kind in ("VARCHAR", "JSON"):
                continue
            typed = self._column(names, below=below).sql("duckdb")
            raw = self._column(names, "_raw_", below).sql("duckdb")
            place = ".".join((*names, *below))
            self._check(f"{raw} IS NOT NULL AND {typed} IS NULL", raw, f"{place} is not a {kind}", guards)

    def _check(
        self,
        condition: str,
        value: str,
        reason: str,
        guards: tuple[str, ...],
        call: int | None = None,
        lookup: str = "",
    ) -> None:
        guarded = " AND ".join(f"({part})" for part in (*guards, condition))
        check = Check(guarded, value, reason, call, lookup)
        if check not in self.scope.checks:
            self.scope.checks.append(check)

    def case(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        subject = self.visit(node.this, guards) if node.this else None
        passed: list[str] = []
        branches = []
        for branch in node.args["ifs"]:
            test = self.visit(branch.this, (*guards, *passed))
            condition = f"{subject.sql('duckdb')} = {test.sql('duckdb')}" if subject else test.sql("duckdb")
            value = self.visit(branch.args["true"], (*guards, *passed, condition))
            passed.append(f"({condition}) IS NOT TRUE")
            branches.append(exp.If(this=test, true=value))
        default = node.args.get("default")
        otherwise = self.visit(default, (*guards, *passed)) if default else None
        return exp.Case(this=subject, ifs=branches, default=otherwise)

    def either(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        test = self.visit(node.this, guards)
        condition = test.sql("duckdb")
        yes = self.visit(node.args["true"], (*guards, condition))
        no = node.args.get("false")
        no = self.visit(no, (*guards, f"({condition}) IS NOT TRUE")) if no else None
        return exp.Case(ifs=[exp.If(this=test, true=yes)], default=no)

    def both(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        return self._connected(node, guards, "FALSE")

    def any_of(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        return self._connected(node, guards, "TRUE")

    def _connected(self, node: exp.Expression, guards: tuple[str, ...], decided: str) -> exp.Expression:
        left = self.visit(node.this, guards)
        right = self.visit(node.expression, (*guards, f"({left.sql('duckdb')}) IS NOT {decided}"))
        return type(node)(this=left, expression=right)

    def coalesce(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        passed: list[exp.Expression] = []
        for part in (node.this, *node.expressions):
            empty = tuple(f"({done.sql('duckdb')}) IS NULL" for done in passed)
            passed.append(self.visit(part, (*guards, *empty)))
        return exp.Coalesce(this=passed[0], expressions=passed[1:])

    def cast(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        value = self.visit(node.this, guards)
        cast = exp.TryCast(this=value, to=node.args["to"].copy())
        text = value.sql("duckdb")
        self._check(
            f"({text}) IS NOT NULL AND {cast.sql('duckdb')} IS NULL",
            text,
            f"cannot be read as {node.args['to'].sql('duckdb')}",
            guards,
        )
        return cast

    def divide(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        upper, lower = self.visit(node.this, guards), self.visit(node.expression, guards)
        self._check(f"({lower.sql('duckdb')}) = 0", lower.sql("duckdb"), "cannot divide by zero", guards)
        return exp.func("divide", upper, lower)

    def function(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        name = str(node.this).lower()
        if name == "lookup":
            return self._lookup(node, guards)
        if name == "ref":
            return self._ref(node, guards)
        if name == "country":
            key = self._key(node.expressions, guards)
            return self._joined(Call("country", "country", key), "is not a country", guards)
        if name == "sum_rows":
            return self._sum_rows(node, guards)
        if name == "join_rows":
            return self._join_rows(node, guards)
        if name in _SHORT_FOR and len(node.expressions) == 1 and _names(node.expressions[0]):
            return self.visit(_written_out(name, node.expressions[0]), guards)
        return self._rebuild(node, guards)

    def _lookup(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        name = _text_argument(node, "lookup('table', key)")
        if name not in self.scope.lookups:
            known = ", ".join(sorted(self.scope.lookups)) or "none"
            raise ExpressionError(f"unknown lookup {name!r}; known: {known}")
        key = self._key(node.expressions[1:], guards)
        reason = f"is not in lookup {name}"
        if self.scope.in_rows:
            # a row of sum_rows cannot be joined to a table
            self._check(f"NOT {known_macro(name)}({key})", key, reason, guards, lookup=name)
            return exp.func(value_macro(name), sqlglot.parse_one(key, read="duckdb"))
        return self._joined(Call("lookup", name, key), reason, guards)

    def _ref(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        target = _text_argument(node, "ref('flow.Object', key, ...)")
        if self.scope.in_rows:
            raise ExpressionError("ref cannot be used inside sum_rows or join_rows")
        if target.count(".") != 1:
            raise ExpressionError(f"ref needs 'flow.Object', got {target!r}")
        key = self._key(node.expressions[1:], guards)
        return self._joined(Call("ref", target, key), f"waits for {target.replace('.', ' ')}", guards)

    def _key(self, parts: list[exp.Expression], guards: tuple[str, ...]) -> str:
        texts = [f"CAST({self.visit(part, guards).sql('duckdb')} AS VARCHAR)" for part in parts]
        return texts[0] if len(texts) == 1 else "(" + " || '|' || ".join(texts) + ")"

    def _joined(self, call: Call, reason: str, guards: tuple[str, ...]) -> exp.Expression:
        index = self.scope.call(call)
        lookup = call.target if call.kind == "lookup" else ""
        self._check(f"_k{index} IS NOT NULL AND NOT _f{index}", f"_k{index}", reason, guards, index, lookup)
        return exp.column(f"_c{index}")

    def _sum_rows(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        values = self._of_rows(node, "sum_rows(rows, expression over row)", 2, guards)
        return sqlglot.parse_one(f"list_sum({values})", read="duckdb")

    def _join_rows(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        values = self._of_rows(node, "join_rows(rows, expression over row, separator)", 3, guards)
        separator = self.visit(node.expressions[2], guards).sql("duckdb")
        return sqlglot.parse_one(f"array_to_string({values}, {separator})", read="duckdb")

    def _of_rows(self, node: exp.Expression, usage: str, arguments: int, guards: tuple[str, ...]) -> str:
        """SQL of a list with the value of the second argument for every row of the first."""
        if len(node.expressions) != arguments or not isinstance(node.expressions[0], (exp.Column, exp.Dot)):
            raise ExpressionError(f"use {usage}")
        rows = _names(node.expressions[0]) or ()
        column = self._find(node.expressions[0], self.scope.columns, rows)
        if not isinstance(column, (MapOf, ListOf)):
            raise ExpressionError(f"{usage} needs a map or list of rows; {'.'.join(rows)} is neither")
        inner = Scope(self.scope.columns, rows, column.entry, self.scope.lookups, in_rows=True)
        value = _Compiler(inner).visit(node.expressions[1], ())
        self.scope.paths |= inner.paths
        for check in inner.take_checks():
            self._check_rows(rows, column, check, guards)
        return _each(rows, column, value.sql("duckdb"), paired=False)

    def _check_rows(self, rows: Path, column: MapOf | ListOf, check: Check, guards: tuple[str, ...]) -> None:
        broken = _each(rows, column, check.condition.replace('"_raw_row"', '"_raw"'), paired=True)
        value, reason = "''", f"a row of {'.'.join(rows)}: {check.reason}"
        if check.lookup:
            missing = f"CASE WHEN {check.condition} THEN {check.value} END"
            keys = f"list_sort(list_distinct({_each(rows, column, missing, paired=False)}))"
            value, reason = f"array_to_string({keys}, ', ')", check.reason
        self._check(f"list_bool_or({broken})", value, reason, guards, lookup=check.lookup)


def value_macro(lookup: str) -> str:
    """Name of the SQL macro that looks a key up where no join is possible."""
    return f"value_of_{lookup}"


def known_macro(lookup: str) -> str:
    """Name of the SQL macro that tells whether a lookup has a key."""
    return f"known_in_{lookup}"


_FORBIDDEN = (
    exp.Query, exp.AggFunc, exp.Star, exp.Window, exp.Lambda, exp.Placeholder, exp.Parameter, exp.Explode, exp.Unnest,
)  # fmt: skip
_VOLATILE = frozenset(
    "current_date current_time current_timestamp current_localtime current_localtimestamp localtime localtimestamp "
    "get_current_time get_current_timestamp transaction_timestamp now today rand random uuid uuidv4 uuidv7 "
    "gen_random_uuid nextval currval setseed".split()
)

# as functions.MACROS has them, which serve addresses that are not plain columns
_SHORT_FOR = {
    "street": "text(concat_ws(chr(10), text(addressLine1), text(addressLine2)))",
    "city": "text(addressLine3)",
}

_SPECIAL: dict[type, Any] = {
    exp.Case: _Compiler.case,
    exp.If: _Compiler.either,
    exp.And: _Compiler.both,
    exp.Or: _Compiler.any_of,
    exp.Coalesce: _Compiler.coalesce,
    exp.Cast: _Compiler.cast,
    exp.TryCast: _Compiler.cast,
    exp.Div: _Compiler.divide,
    exp.Anonymous: _Compiler.function,
}


def _written_out(name: str, address: exp.Expression) -> exp.Expression:
    def part(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Column):
            return node
        return exp.Dot(this=address.copy(), expression=exp.to_identifier(node.name))

    return sqlglot.parse_one(_SHORT_FOR[name], read="duckdb").transform(part)


def _each(rows: Path, column: MapOf | ListOf, body: str, *, paired: bool) -> str:
    """SQL of a list with the body's value for every row; paired rows come with their raw text as ``_raw``."""
    typed, raw = (exp.column(prefix + ".".join(rows), quoted=True).sql("duckdb") for prefix in ("", "_raw_"))
    if isinstance(column, MapOf):
        typed, raw = f"map_values({typed})", f"map_values({raw})"
    if not paired:
        return f'list_transform({typed}, lambda "row": {body})'
    body = body.replace('"_raw"', "struct_extract(pair, 2)").replace('"row"', "struct_extract(pair, 1)")
    return f"list_transform(list_zip({typed}, {raw}), lambda pair: coalesce({body}, false))"


def _names(node: exp.Expression) -> Path | None:
    """The steps of ``a.b.c``, or None where something else than names is in it."""
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


def _at(node: exp.Expression) -> str:
    start = min(
        (part.meta["start"] for part in node.find_all(exp.Identifier) if "start" in part.meta), default=None
    )
    return "" if start is None else f" (at column {start + 1})"


def _access(base: exp.Expression, names: Path) -> exp.Expression:
    for name in names:
        base = exp.Anonymous(this="struct_extract", expressions=[base, exp.Literal.string(name)])
    return base


def _text_argument(node: exp.Expression, usage: str) -> str:
    first = node.expressions[0] if node.expressions else None
    if not isinstance(first, exp.Literal) or not first.is_string or len(node.expressions) < 2:
        raise ExpressionError(f"use {usage}")
    return str(first.name)


def _function_name(node: exp.Expression) -> str:
    if not isinstance(node, exp.Func):
        return ""
    return str(node.this if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def _forbidden(node: exp.Expression) -> str:
    if _function_name(node) in _VOLATILE:
        return f"{node.sql('duckdb')} gives another value at every run, so no record would ever be unchanged"
    if isinstance(node, exp.AggFunc):
        return f"{node.sql('duckdb')} sums over records; within one record use sum_rows(rows, expression)"
    return f"{node.sql('duckdb')} is not a single value of one record"
