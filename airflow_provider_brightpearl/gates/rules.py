"""What a flow expects of its rows, checked; Great Expectations is loaded only for what the table does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, Protocol

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.gates.gx_library import arguments, classes, is_by_row
from airflow_provider_brightpearl.gates.signatures import fits
from airflow_provider_brightpearl.gates.table import KNOWN, Known


class Expecting(Protocol):
    """What the gate has to know of a flow; ``flow.spec.FlowSpec`` fits."""

    @property
    def flow(self) -> str: ...

    @property
    def root(self) -> str: ...

    @property
    def objects(self) -> Mapping[str, object]: ...

    @property
    def expect(self) -> Mapping[str, list[dict[str, dict[str, Any]]]]: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation of a flow: ``name`` is Great Expectations' without ``expect_``.

    ``known`` is its line in the table. ``in_sql`` is False where its arguments are not those of the table.
    """

    flow: str
    object: str
    number: int
    name: str
    options: Mapping[str, Any]
    known: Known | None
    by_row: bool
    in_sql: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, none if it is about the table."""
        named = (self.options.get(key) for key in ("column", "column_A", "column_B"))
        return (*(column for column in named if column), *self.options.get("column_list", ()))

    @property
    def needs_all_columns(self) -> bool:
        return not self.columns or "row_condition" in self.options

    @property
    def blocks(self) -> bool:
        """False for the severities warning and info: they are shown and reject nothing."""
        return bool(self.options.get("severity", "critical") == "critical")

    @property
    def place(self) -> str:
        return f"{self.flow}: expect.{self.object}: {self.name}"

    def fitted(self, kinds: Mapping[str, str]) -> FittedRule:
        """The rule for columns of these DuckDB types.

        Bounds and sets take the type of their column, so that 0.1 means a tenth for a DECIMAL. Aggregates are
        evaluated in floating point, as in Great Expectations.

        Raises:
            Misconfigured: a column does not exist, or a bound does not fit its type.
        """
        for column in self.columns:
            if column not in kinds:
                raise Misconfigured(f"{self.place}: no column {column!r}{_instead(column, kinds)}")
        options = dict(self.options)
        for name in self.known.typed if self.known else ():
            value = options.get(name)
            if isinstance(value, list | tuple | set):
                options[name] = [self._fitting(each, kinds) for each in value]
            elif value is not None:
                options[name] = self._fitting(value, kinds)
        return FittedRule(self, options)

    def _fitting(self, value: Any, kinds: Mapping[str, str]) -> Any:
        kind = kinds[self.options["column"]]
        try:
            return _fit(value, kind, exact=self.by_row)
        except (ValueError, InvalidOperation) as error:
            raise Misconfigured(f"{self.place}: {value!r} does not fit a column of type {kind}") from error


@dataclass(frozen=True, slots=True)
class FittedRule:
    """A rule with its arguments for the columns of a part."""

    rule: Rule
    options: Mapping[str, Any]


def rules_of(flow: Expecting) -> dict[str, list[Rule]]:
    """The rules of a flow by object.

    Raises:
        Misconfigured: an object, expectation or argument that is not known; names close matches.
    """
    rules: dict[str, list[Rule]] = {}
    for name, entries in flow.expect.items():
        if name not in flow.objects:
            raise Misconfigured(f"{flow.flow}: expect.{name}: no such object{_instead(name, flow.objects)}")
        named = [item for entry in entries for item in entry.items()]
        rules[name] = [_rule(flow.flow, name, number, *item) for number, item in enumerate(named)]
    return rules


def _rule(flow: str, object_name: str, number: int, said: str, options: dict[str, Any]) -> Rule:
    name = said.removeprefix("expect_")
    known = KNOWN.get(name)
    if known and fits(known.takes, options):
        return Rule(flow, object_name, number, name, options, known, known.by_row, in_sql=True)
    # any problem is reported by Great Expectations, in its own words
    kinds = classes()
    if name not in kinds:
        raise Misconfigured(f"{flow}: expect.{object_name}: no expectation {said!r}{_instead(name, kinds)}")
    kind = kinds[name]
    rule = Rule(flow, object_name, number, name, options, known, is_by_row(kind), in_sql=False)
    _check_arguments(rule, kind)
    return rule


def _check_arguments(rule: Rule, kind: Any) -> None:
    taken = arguments(kind)
    for name in rule.options:
        if name not in taken:
            raise Misconfigured(
                f"{rule.place}: no argument {name!r}{_instead(name, taken)}; known: {', '.join(taken)}"
            )
    try:
        kind(**rule.options)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"{rule.place}: {_problems(error)}") from error


def _problems(error: Exception) -> str:
    details = getattr(error, "errors", None)
    if details is None:
        return str(error)
    return "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in details())


def _instead(name: str, known: Mapping[str, object] | list[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _fit(value: Any, kind: str, *, exact: bool) -> Any:
    if kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith("INT") or kind == "INTEGER":
        number = Decimal(str(value))
        return number if exact else float(number)
    if kind == "DATE":
        return value.date() if isinstance(value, datetime) else _date(value)
    if kind.startswith("TIMESTAMP"):
        return _instant(value, aware="WITH TIME ZONE" in kind)
    if isinstance(value, datetime):
        # mapped instants are text of this form
        return _instant(value, aware=True).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return str(value) if isinstance(value, date) else value


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _instant(value: Any, *, aware: bool) -> datetime:
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC) if aware else instant.astimezone(UTC).replace(tzinfo=None)
