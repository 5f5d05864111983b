"""One expression of a flow file: SQL text in, checked DuckDB SQL out.

Expressions are single SQL values over the columns of a stream. Four things are rewritten:

- ``a.b.c`` becomes a struct access, checked against the stream's schema;
- ``x::T`` becomes TRY_CAST with a check that names field and value where the cast fails;
- ``a / b`` becomes an exact decimal division (DuckDB's own gives floating point) with a check for zero;
- ``lookup``, ``ref`` and ``country`` become joins with a check for keys that are not known.

A check holds only where its value is needed: inside CASE, IF and COALESCE it is guarded by the branch's condition.
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
    """A condition under which a row is rejected, with SQL for the value to show; ``call`` where a key was not found."""

    condition: str
    value: str
    reason: str
    call: int | None = None


@dataclass(slots=True)
class Scope:
    """What an expression may use, and what the expressions of one object have asked for so far."""

    columns: Schema
    rows: str = ""
    row: Schema | None = None
    lookups: frozenset[str] = frozenset()
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
    if not isinstance(tree, exp.Expression) or isinstance(tree, (exp.DDL, exp.Command)):
        raise ExpressionError(f"{text!r} is not a single value")
    return _Compiler(scope).visit(tree, ()).sql("duckdb")


def _syntax(text: str, error: Exception) -> str:
    places = getattr(error, "errors", None) or [{}]
    column, problem = places[0].get("col"), places[0].get("description") or "not SQL"
    return f"{problem.rstrip('.')} at column {column} of {text!r}" if column else f"{problem} in {text!r}"


@dataclass(slots=True)
class _Compiler:
    scope: Scope

    def visit(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        """The rewritten tree of a node that is evaluated only where all guards hold."""
        if isinstance(node, (exp.Query, exp.AggFunc, exp.Star, exp.Window, exp.Lambda, exp.Placeholder, exp.Parameter)):
            raise ExpressionError(_forbidden(node))
        if isinstance(node, (exp.Column, exp.Dot)):
            return self._path(node, guards)
        special = _SPECIAL.get(type(node))
        if special is not None:
            return special(self, node, guards)
        return self._rebuild(node, guards)

    def _rebuild(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        copy = node.copy()
        for name, value in node.args.items():
            if isinstance(value, exp.Expression):
                copy.set(name, self.visit(value, guards))
            elif isinstance(value, list):
                copy.set(name, [self.visit(v, guards) if isinstance(v, exp.Expression) else v for v in value])
        return copy

    def _path(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        names = _names(node)
        if names is None:
            return self._rebuild(node, guards)
        if names[0] == ROW and self.scope.row is not None:
            column = self._find(node, self.scope.row, names[1:], "row.")
            self.scope.paths.add((self.scope.rows, *names))
            self._check_leaves(column, names, guards)
            return _access(exp.column(ROW, quoted=True), names[1:])
        if names in (("row_id",), ("row_no",)) and self.scope.row is not None:
            return exp.column(names[0], quoted=True)
        column = self._find(node, self.scope.columns, names)
        self.scope.paths.add(names)
        self._check_leaves(column, names, guards)
        return _access(exp.column(names[0], quoted=True), names[1:])

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
            path = (*names, *below)
            typed = _access(exp.column(path[0], quoted=True), path[1:]).sql("duckdb")
            raw = _access(exp.column(f"_raw_{path[0]}", quoted=True), path[1:]).sql("duckdb")
            self._check(f"{raw} IS NOT NULL AND {typed} IS NULL", raw, f"{'.'.join(path)} is not a {kind}", guards)

    def _check(
        self, condition: str, value: str, reason: str, guards: tuple[str, ...], call: int | None = None
    ) -> None:
        guarded = " AND ".join(f"({part})" for part in (*guards, condition))
        check = Check(guarded, value, reason, call)
        if check not in self.scope.checks:
            self.scope.checks.append(check)

    def case(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        subject = self.visit(node.this, guards) if node.this else None
        passed: list[str] = []
        branches = []
        for branch in node.args["ifs"]:
            test = self.visit(branch.this, guards)
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
        return self._rebuild(node, guards)

    def _lookup(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        name = _text_argument(node, "lookup('table', key)")
        if name not in self.scope.lookups:
            known = ", ".join(sorted(self.scope.lookups)) or "none"
            raise ExpressionError(f"unknown lookup {name!r}; known: {known}")
        key = self._key(node.expressions[1:], guards)
        return self._joined(Call("lookup", name, key), f"is not in lookup {name}", guards)

    def _ref(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        target = _text_argument(node, "ref('flow.Object', key, ...)")
        if target.count(".") != 1:
            raise ExpressionError(f"ref needs 'flow.Object', got {target!r}")
        key = self._key(node.expressions[1:], guards)
        return self._joined(Call("ref", target, key), f"waits for {target.replace('.', ' ')}", guards)

    def _key(self, parts: list[exp.Expression], guards: tuple[str, ...]) -> str:
        texts = [f"CAST({self.visit(part, guards).sql('duckdb')} AS VARCHAR)" for part in parts]
        return texts[0] if len(texts) == 1 else "(" + " || '|' || ".join(texts) + ")"

    def _joined(self, call: Call, reason: str, guards: tuple[str, ...]) -> exp.Expression:
        index = self.scope.call(call)
        self._check(f"_k{index} IS NOT NULL AND NOT _f{index}", f"_k{index}", reason, guards, index)
        return exp.column(f"_c{index}")

    def _sum_rows(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        if len(node.expressions) != 2 or not isinstance(node.expressions[0], exp.Column):
            raise ExpressionError("use sum_rows(rows, expression over row)")
        rows = _names(node.expressions[0]) or ()
        column = self._find(node.expressions[0], self.scope.columns, rows)
        if not isinstance(column, (MapOf, ListOf)):
            raise ExpressionError(f"sum_rows needs a map or list of rows; {'.'.join(rows)} is neither")
        inner = Scope(self.scope.columns, rows=".".join(rows), row=column.entry)
        value = _Compiler(inner).visit(node.expressions[1], ())
        self.scope.paths |= inner.paths
        for check in inner.take_checks():
            broken = _each(rows, column, check.condition.replace('"_raw_row"', '"_raw"'), paired=True)
            self._check(f"list_bool_or({broken})", "''", f"a row of {'.'.join(rows)}: {check.reason}", guards)
        summed = f"list_sum({_each(rows, column, value.sql('duckdb'), paired=False)})"
        return sqlglot.parse_one(summed, read="duckdb")


_SPECIAL: dict[type, Any] = {
    exp.Case: _Compiler.case,
    exp.If: _Compiler.either,
    exp.Coalesce: _Compiler.coalesce,
    exp.Cast: _Compiler.cast,
    exp.TryCast: _Compiler.cast,
    exp.Div: _Compiler.divide,
    exp.Anonymous: _Compiler.function,
}


def _each(rows: Path, column: MapOf | ListOf, body: str, *, paired: bool) -> str:
    """SQL of a list with the body's value for every row; paired rows come with their raw text as ``_raw``."""
    typed, raw = (
        _access(exp.column(f"{prefix}{rows[0]}", quoted=True), rows[1:]).sql("duckdb") for prefix in ("", "_raw_")
    )
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
    start = min((part.meta["start"] for part in node.find_all(exp.Identifier) if "start" in part.meta), default=None)
    return "" if start is None else f" (at column {start + 1})"


def _access(base: exp.Expression, names: Path) -> exp.Expression:
    for name in names:
        base = exp.Anonymous(this="struct_extract", expressions=[base, exp.Literal.string(name)])
    return base


def _text_argument(node: exp.Expression, usage: str) -> str:
    first = node.expressions[0] if node.expressions else None
    if not isinstance(first, exp.Literal) or not first.is_string or len(node.expressions) < 2:
        raise ExpressionError(f"use {usage}")
    return first.name


def _forbidden(node: exp.Expression) -> str:
    if isinstance(node, exp.AggFunc):
        return f"{node.sql('duckdb')} sums over records; within one record use sum_rows(rows, expression)"
    return f"{node.sql('duckdb')} is not a single value of one record"
