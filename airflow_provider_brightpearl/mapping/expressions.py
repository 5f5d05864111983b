"""One expression of a flow file: SQL text in, checked DuckDB SQL out.

Expressions are single SQL values over the columns of a stream. Four things are rewritten:

- ``a.b.c`` becomes the column of that name, checked against the stream's schema; its raw text is ``_raw_a.b.c``;
- ``street`` and ``city`` of an address become what they are short for, so that no other part of it is read;
- ``x::T`` becomes TRY_CAST with a check that names field and value where the cast fails;
- ``a / b`` becomes an exact decimal division (DuckDB's own gives floating point) with a check for zero;
- ``lookup``, ``ref``, ``source_of`` and ``country`` become joins with a check for keys that are not known;
  ``has_ref`` and ``has_source`` are what such a check asks, and ``any_row`` asks it of the rows of a record.

A check holds only where its value is needed: inside CASE, IF, COALESCE, AND and OR it is guarded by
the conditions before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from airflow_provider_brightpearl.core.schema import (
    NAMED_JSON,
    ListOf,
    MapOf,
    Path,
    Schema,
    UnknownColumn,
    find,
    leaves,
)
from airflow_provider_brightpearl.mapping import syntax
from airflow_provider_brightpearl.mapping.syntax import ExpressionError

ROW = "row"

# what is looked up in the crosswalk: the target's id of a key, or the key of a target's id
REF, SOURCE_OF = "ref", "source_of"
BOUND = (REF, SOURCE_OF)
KINDS = {"ref": REF, "source_of": SOURCE_OF, "has_ref": REF, "has_source": SOURCE_OF}
_ARGUMENTS = {REF: "key", SOURCE_OF: "target_id"}


@dataclass(frozen=True, slots=True)
class Call:
    """A join that an expression needs: ``kind`` is lookup, ref, source_of or country.

    ``target`` is the table, or flow and object; ``key`` is the SQL of what is looked up: of a list of texts where it
    is ``many``, of which one is enough.
    """

    kind: str
    target: str
    key: str
    many: bool = False


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
        if isinstance(node, syntax.FORBIDDEN) or syntax.function_name(node) in syntax.VOLATILE:
            raise ExpressionError(syntax.forbidden(node))
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
        names = syntax.names(node)
        if names is None:
            return self._rebuild(node, guards)
        kind = self._json_kind(names)
        if kind is None:
            return self._named(node, names, guards)
        column = self._named(node, names[:-1], guards)
        if kind == NAMED_JSON:
            text, place = column.sql("duckdb"), ".".join(names)
            self._check(
                f"{text} IS NOT NULL AND NOT json_exists({text}, {syntax.quoted(syntax.json_path(names[-1]))})",
                syntax.quoted(names[-1]),
                f"{place} is not a field that is read: correct its name, or grant access to it",
                guards,
            )
        return syntax.member(column, names[-1])

    def _json_kind(self, names: Path) -> str | None:
        """The type of the JSON column whose member a path names, such as ``custom.Loyalty__c``; None for others."""
        in_row = names[0] == ROW and self.scope.row is not None
        schema = self.scope.row if in_row and self.scope.row is not None else self.scope.columns
        try:
            column = find(schema, names[int(in_row) : -1])
        except UnknownColumn:
            return None
        return column if column in ("JSON", NAMED_JSON) else None

    def _named(self, node: exp.Expression, names: Path, guards: tuple[str, ...]) -> exp.Expression:
        """The column of a path."""
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
            return syntax.access(exp.column(f"{prefix}{ROW}", quoted=True), (*names[1:], *below))
        return syntax.access(exp.column(prefix + ".".join(names), quoted=True), below)

    def _find(self, node: exp.Expression, schema: Schema, names: Path, prefix: str = "") -> Any:
        try:
            return find(schema, names)
        except UnknownColumn as error:
            hint = ""
            if not prefix and names[0] == ROW:
                hint = "; row is there only in objects with rows:"
            raise ExpressionError(f"{prefix}{error}{hint}{syntax.at(node)}") from error

    def _check_leaves(self, column: Any, names: Path, guards: tuple[str, ...]) -> None:
        for below, kind in leaves(column):
            if kind in ("VARCHAR", "JSON", NAMED_JSON):
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
        if name in KINDS:
            return self._bound(name, KINDS[name], node, guards)
        if name == "country":
            key = self._key(node.expressions, guards)
            return self._joined(Call("country", "country", key), "is not a country", guards)
        if name == "sum_rows":
            return self._sum_rows(node, guards)
        if name == "join_rows":
            return self._join_rows(node, guards)
        if name == "any_row":
            return self._any_row(node, guards)
        if name in syntax.SHORT_FOR and len(node.expressions) == 1 and syntax.names(node.expressions[0]):
            return self.visit(syntax.written_out(name, node.expressions[0]), guards)
        return self._rebuild(node, guards)

    def _lookup(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        name = syntax.text_argument(node, "lookup('table', key)")
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

    def _bound(self, name: str, kind: str, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        target = self._bound_object(name, kind, node)
        flow, _, object_name = target.partition(".")
        if self.scope.in_rows:
            raise ExpressionError(f"{name} cannot be used inside sum_rows or join_rows")
        call = Call(kind, target, self._key(node.expressions[1:], guards))
        if name != kind:
            return exp.column(f"_f{self.scope.call(call)}")
        if kind == REF:
            return self._joined(call, f"waits for {flow} {object_name}", guards)
        index = self.scope.call(call)
        several = f"is the target of more than one {object_name} of {flow}: only one may be bound to it"
        shown = f"_k{index} || ' (' || _s{index} || ')'"
        self._check(f"_s{index} IS NOT NULL", shown, several, guards)
        return self._joined(call, f"waits for the {object_name} of {flow} whose target it is", guards)

    def _bound_object(self, name: str, kind: str, node: exp.Expression) -> str:
        target = syntax.text_argument(node, f"{name}('flow.Object', {_ARGUMENTS[kind]}, ...)")
        flow, _, object_name = target.partition(".")
        if target.count(".") != 1 or not flow or not object_name:
            raise ExpressionError(f"{name} needs 'flow.Object', got {target!r}")
        return target

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

    def _any_row(self, node: exp.Expression, guards: tuple[str, ...]) -> exp.Expression:
        usage = "any_row(rows, has_source('flow.Object', expression over row))"
        asked = node.expressions[1] if len(node.expressions) == 2 else None
        name = str(asked.this).lower() if isinstance(asked, exp.Anonymous) else ""
        if asked is None or name not in ("has_ref", "has_source"):
            raise ExpressionError(f"use {usage}, or has_ref")
        target = self._bound_object(name, KINDS[name], asked)
        key = exp.Tuple(expressions=asked.expressions[1:])
        keys = self._of_rows(
            exp.Anonymous(this="any_row", expressions=[node.expressions[0], key]), usage, 2, guards
        )
        return exp.column(f"_f{self.scope.call(Call(KINDS[name], target, keys, many=True))}")

    def _of_rows(self, node: exp.Expression, usage: str, arguments: int, guards: tuple[str, ...]) -> str:
        """SQL of a list with the value of the second argument for every row of the first."""
        if len(node.expressions) != arguments or not isinstance(node.expressions[0], (exp.Column, exp.Dot)):
            raise ExpressionError(f"use {usage}")
        rows = syntax.names(node.expressions[0]) or ()
        column = self._find(node.expressions[0], self.scope.columns, rows)
        if not isinstance(column, (MapOf, ListOf)):
            raise ExpressionError(f"{usage} needs a map or list of rows; {'.'.join(rows)} is neither")
        inner = Scope(self.scope.columns, rows, column.entry, self.scope.lookups, in_rows=True)
        wanted, compiler = node.expressions[1], _Compiler(inner)
        # several parts are those of a key
        key = isinstance(wanted, exp.Tuple)
        value = compiler._key(wanted.expressions, ()) if key else compiler.visit(wanted, ()).sql("duckdb")
        self.scope.paths |= inner.paths
        for check in inner.take_checks():
            self._check_rows(rows, column, check, guards)
        return syntax.each(rows, column, value, paired=False)

    def _check_rows(self, rows: Path, column: MapOf | ListOf, check: Check, guards: tuple[str, ...]) -> None:
        broken = syntax.each(rows, column, check.condition.replace('"_raw_row"', '"_raw"'), paired=True)
        value, reason = "''", f"a row of {'.'.join(rows)}: {check.reason}"
        if check.lookup:
            missing = f"CASE WHEN {check.condition} THEN {check.value} END"
            keys = f"list_sort(list_distinct({syntax.each(rows, column, missing, paired=False)}))"
            value, reason = f"array_to_string({keys}, ', ')", check.reason
        self._check(f"list_bool_or({broken})", value, reason, guards, lookup=check.lookup)


def value_macro(lookup: str) -> str:
    """Name of the SQL macro that looks a key up where no join is possible."""
    return f"value_of_{lookup}"


def known_macro(lookup: str) -> str:
    """Name of the SQL macro that returns whether a lookup has a key."""
    return f"known_in_{lookup}"


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
