"""Random parts, and random expectations about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.ports.gate import Gate, GateResult
from airflow_provider_brightpearl.gates.table import KNOWN

ODD_TEXTS = (
    "", " ", "a", "b", "ab", "A", "a\n", "\na", "a\tb", "\u00a0", "\x0b", "\x85", "\u2028", "a\0b", "a\0c",
    "é", "e\u0301", "ß", "\u212a", "k", "\u0663", "5", "05", "'", '"', "%", "\\", "<b>", "🤦🏼‍♂️", "2024-01-05", "red",
)  # fmt: skip
REGEXES = (
    "a", "^a", "a$", "^$", "$", ".", "^.$", r"\s", r"\S", r"\d", r"\D", r"\w", r"\W", r"\bred\b", r"\Aa\Z",
    "(?i)k", "(?i)SS", "(?s)a.", "(?m)^a", "(?=a)", "(?<!a)b", r"(.)\1", "(a|b)+", "[^@\\s]+", "é", "\\\\", "[\u00a0é]",
    "a{2,}", "(?a:\\d)", "\0",
)  # fmt: skip


def _cents(places: int, digits: int) -> st.SearchStrategy[Decimal]:
    most = 10**digits - 1
    whole = st.integers(-20, 20) | st.integers(-most, most)
    # written as text, since Python's own arithmetic keeps 28 digits
    return whole.map(lambda number: Decimal(f"{number}e-{places}"))


INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001
VALUES: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "text": ("VARCHAR", st.sampled_from(ODD_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=6)),
    "other_text": ("VARCHAR", st.sampled_from(ODD_TEXTS)),
    "flag": ("BOOLEAN", st.booleans()),
    "whole": ("BIGINT", st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)),
    "count": ("INTEGER", st.integers(-3, 3)),
    "money": ("DECIMAL(18,4)", _cents(4, 18)),
    "price": ("DECIMAL(9,2)", _cents(2, 9)),
    "wide": ("DECIMAL(38,10)", _cents(10, 38)),
    "day": ("DATE", st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    "instant": ("TIMESTAMPTZ", INSTANTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    "local": ("TIMESTAMP", INSTANTS),
}
NUMBERS = ("whole", "count", "money", "price", "wide")
TEXTS = ("text", "other_text")


def verdict_of(gate: Gate, *parts: Mapping[str, Path]) -> GateResult:
    """What a gate finds in all parts together."""
    found = list(gate.evaluate(parts))
    assert len(found) == len(parts)
    return GateResult(
        tuple(rejection for each in found for rejection in each.rejections),
        tuple(failure for each in found for failure in each.batch_failures),
        sum(each.evaluated for each in found),
    )


Pools = Mapping[str, Sequence[Any]]


def _written(value: Any) -> str | None:
    return None if value is None else str(value)


def write_part(path: Path, pools: Pools, size: int, seed: int) -> None:
    """A part of so many rows, with values out of the pools."""
    chance = Random(seed)
    columns = {name: [chance.choice(pool) for _ in range(size)] for name, pool in pools.items()}
    listed = ", ".join(
        f'CAST(unnest(CAST(? AS VARCHAR[])) AS {VALUES[name][0]}) AS "{name}"' for name in columns
    )
    query = f"SELECT unnest(range({size}))::VARCHAR AS _source_id, unnest(range({size}))::VARCHAR AS _row, {listed}"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY ({query}) TO '{path}' (FORMAT parquet)",
            [[_written(value) for value in values] for values in columns.values()],
        )


def said(name: str, pools: Pools) -> st.SearchStrategy[Any]:
    """A bound or member of a set as a flow file would give it, near to what the column holds."""
    known = [value for value in pools[name] if value is not None]
    values = VALUES[name][1] if not known else st.sampled_from(known) | VALUES[name][1]
    if name in NUMBERS:
        return values.flatmap(
            lambda value: st.sampled_from([str(value), float(value), int(value), float(value) + 0.5])
        )
    if name in ("instant", "local"):
        return values.flatmap(lambda value: st.sampled_from([value, value.isoformat(), value.isoformat(" ")]))
    if name == "day":
        return values.flatmap(lambda value: st.sampled_from([value, value.isoformat()]))
    return values


def bound(name: str, pools: Pools) -> st.SearchStrategy[Any]:
    """A bound for a column; of a text only what looks like a number or an instant can be one."""
    if name in TEXTS:
        return st.sampled_from(["2024-01-05", "5", "05.5", date(2024, 1, 5), datetime(2024, 1, 5, 7)])  # noqa: DTZ001
    return said(name, pools)


def _maybe(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=options)


def _bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    flags = {"strict_min": st.booleans(), "strict_max": st.booleans()}
    both = st.fixed_dictionaries({"min_value": values, "max_value": values}, optional=flags)
    return (
        both
        | st.fixed_dictionaries({"min_value": values}, optional=flags)
        | st.fixed_dictionaries({"max_value": values}, optional=flags)
    )


SHARES = st.sampled_from([0, 1, 0.5, 0.9, 1 / 3, 2 / 3, 0.25]) | st.floats(0, 1)
COMMON = _maybe(
    severity=st.sampled_from(["critical", "warning", "info"]), notes=st.sampled_from(["why", ["one", "two"]])
)
EXTREME = ("whole", "count", "money", "price", "wide", "day", "instant", "local", "text")
NUMBER = st.integers(-20, 20) | st.floats(-1e6, 1e6)


def _bound_options(name: str, column: str, pools: Pools) -> st.SearchStrategy[dict[str, Any]]:
    if "lengths_to_be" in name:
        return _bounds(st.integers(-1, 6))
    if name == "column_value_lengths_to_equal":
        return st.fixed_dictionaries({"value": st.integers(0, 6) | st.sampled_from([1.0, 2.5])})
    if "in_set" in name:
        strays = st.sampled_from([None, True, 1, 0, 1.5, "a"]) if column in ("flag", *TEXTS) else st.nothing()
        return st.fixed_dictionaries({"value_set": st.lists(said(column, pools) | strays, max_size=5)})
    if "regex" in name:
        return st.fixed_dictionaries({"regex": st.sampled_from(REGEXES)})
    if any(word in name for word in ("mean", "median", "sum")):
        return _bounds(NUMBER) | st.just({})
    if "between" in name:
        return _bounds(bound(column, pools))
    return st.just({})


def columns_for(name: str) -> tuple[str, ...]:
    """Columns about which an expectation may be."""
    if "regex" in name or "length" in name:
        return (*TEXTS, "whole")
    if "in_set" in name or "unique" in name or "null" in name:
        return tuple(VALUES)
    return NUMBERS if any(word in name for word in ("mean", "median", "sum")) else EXTREME


ALIKE = (NUMBERS, TEXTS, ("instant",), ("local",), ("day",), ("flag",))


@st.composite
def subjects(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """The arguments that name columns."""
    if name.startswith("column_pair"):
        alike = draw(st.sampled_from(ALIKE))
        return {key: draw(st.sampled_from(alike)) for key in ("column_A", "column_B")}
    if name.startswith("compound"):
        several = st.lists(st.sampled_from(list(VALUES)), min_size=2, max_size=3, unique=True)
        return {"column_list": draw(several)}
    return {} if name.startswith("table") else {"column": draw(st.sampled_from(columns_for(name)))}


def named(subject: Mapping[str, Any]) -> list[str]:
    columns = [value for value in subject.values() if isinstance(value, str)]
    return [*columns, *subject.get("column_list", [])]


@st.composite
def options_of(draw: st.DrawFn, name: str, subject: Mapping[str, Any], pools: Pools) -> dict[str, Any]:
    """All arguments of an expectation about these columns."""
    options = {**subject, **draw(COMMON)}
    if KNOWN[name].by_row:
        options |= draw(_maybe(mostly=SHARES))
    if name.startswith("column_pair"):
        kept = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
        options |= draw(_maybe(ignore_row_if=kept))
        if "greater" in name:
            options |= draw(_maybe(or_equal=st.booleans()))
    elif name.startswith("compound"):
        kept = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
        options |= draw(_maybe(ignore_row_if=kept))
    elif name.startswith("table"):
        options |= draw(_bounds(st.integers(0, 12)))
    else:
        options |= draw(_bound_options(name, options["column"], pools))
    return options


@st.composite
def judgements(draw: st.DrawFn, names: Sequence[str]) -> tuple[list[dict[str, Any]], Pools, int, int]:
    """Expectations of these names, values of the columns that they need, how many rows, and a seed for them."""
    chosen = [(name, draw(subjects(name))) for name in names]
    columns = [column for _, subject in chosen for column in named(subject)] or ["text"]
    pools = {
        column: draw(st.lists(st.none() | VALUES[column][1], min_size=1, max_size=5))
        for column in dict.fromkeys(columns)
    }
    rules = [{name: draw(options_of(name, subject, pools))} for name, subject in chosen]
    return rules, pools, draw(st.integers(1, 12) | st.just(300)), draw(st.integers(0, 10**6))
