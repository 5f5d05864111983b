"""The functions an expression may use besides DuckDB's own: SQL macros, and Python where tables are needed.

``lookup``, ``ref``, ``country`` and ``sum_rows`` are rewritten by the compiler and are not functions of the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb

from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.mapping import addresses
from airflow_provider_brightpearl.mapping.expressions import known_macro, value_macro
from airflow_provider_brightpearl.mapping.queries import country_key
from airflow_provider_brightpearl.mapping.syntax import quoted

# ISO 4217 currencies whose minor unit is not two decimals
_MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_WIDE = "DECIMAL(28, 6)"


def _scaled(value: str) -> str:
    return f"CAST(CAST({value} AS {_WIDE}) * 1000000 AS HUGEINT)"


def _short(value: str) -> str:
    # NULL from 100,000 on; division of 64 bit integers costs a tenth of that of 128 bit ones
    return f"CAST(TRY_CAST({value} AS DECIMAL(11, 6)) * CAST(1000000 AS DECIMAL(7, 0)) AS BIGINT)"


def _quotient(scaled: Callable[[str], str], digits: int, places: int = 6) -> str:
    """The quotient of a and b, rounded once, half away from zero, at so many places."""
    upper, lower = f"abs({scaled('a')})", f"abs({scaled('b')})"
    rounded = f"({upper} * {2 * 10**places} + {lower}) // (2 * {lower})"
    sign = "CAST(sign(a) * sign(b) AS DECIMAL(1, 0))"
    unit = f"CAST({10**-places:.6f} AS DECIMAL({7 if places == 0 else 6}, 6))"
    return f"CAST({sign} * CAST({rounded} AS DECIMAL({digits}, 0)) * {unit} AS {_WIDE})"


def _either(places: int = 6) -> str:
    return f"coalesce({_quotient(_short, 18, places)}, {_quotient(_scaled, 31, places)})"


def _minor_units() -> str:
    cases = " ".join(
        f"WHEN currency IN ({', '.join(repr(code) for code in codes.split())}) THEN {digits}"
        for digits, codes in _MINOR_UNITS.items()
    )
    return f"CASE {cases} ELSE 2 END"


_CONVERTED = " ".join(f"WHEN {digits} THEN {_either(digits)}" for digits in (0, 2, 3, 4))
_ROUNDED = " ".join(f"WHEN {digits} THEN CAST(round(amount, {digits}) AS {_WIDE})" for digits in (0, 2, 3, 4))

MACROS = {
    "text(value)": "nullif(trim(CAST(value AS VARCHAR)), '')",
    # half away from zero at six decimals; DuckDB's own division of decimals gives floating point
    "divide(a, b)": f"CASE WHEN b = 0 THEN NULL ELSE {_either()} END",
    "minor_units(currency)": _minor_units(),
    "round_money(amount, currency)": f"CASE minor_units(currency) {_ROUNDED} END",
    # not by divide, whose six decimals would be rounded a second time
    "convert_money(a, b, currency)": f"CASE WHEN b = 0 THEN NULL ELSE CASE minor_units(currency) {_CONVERTED} END END",
    "street(address)": "text(concat_ws(chr(10), text(address.addressLine1), text(address.addressLine2)))",
    "city(address)": "text(address.addressLine3)",
    "entry(object, key, name)": "json_extract_string(object, '$.\"' || key || '\".\"' || name || '\"')",
    "price_at(prices, quantity)": "json_extract_string(prices, '$.\"' || quantity || '\"')",
}

_PYTHON = {"phone": addresses.phone, "region": addresses.region, "postcode": addresses.postcode}


def lookup_macros(name: str, table: LookupTable) -> tuple[str, str]:
    """The macros of a lookup for places where no join is possible: its value, and whether it has a key."""
    entries = ", ".join(f"{_quoted(key)}: {_quoted(value)}" for key, value in table.values.items())
    values = f"CAST(MAP {{{entries}}} AS MAP(VARCHAR, VARCHAR))"
    other = {"keep": "key", "default": _quoted(table.default)}.get(table.unknown, "NULL")
    known = f"key IS NULL OR map_contains({values}, key)" if table.unknown in ("reject", "warn") else "true"
    found = f"CASE WHEN map_contains({values}, key) THEN {values}[key] ELSE {other} END"
    return (
        f"CREATE TEMP MACRO {value_macro(name)}(key) AS {found}",
        f"CREATE TEMP MACRO {known_macro(name)}(key) AS {known}",
    )


def _quoted(text: str | None) -> str:
    return "NULL" if text is None else quoted(text)


def _calls(sql: str, name: str) -> bool:
    return re.search(rf"\b{name}\(", sql, re.IGNORECASE) is not None


def _used_macros(sql: str) -> list[tuple[str, str]]:
    used = []
    # a macro calls only those above it
    for head, body in reversed(MACROS.items()):
        if _calls(sql, head.partition("(")[0]):
            used.append((head, body))
            sql += body
    return used[::-1]


def register(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Registers with a connection what its SQL uses: macros, Python functions, and the table of countries."""
    for head, body in _used_macros(sql):
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}")
    for name, function in _PYTHON.items():
        if _calls(sql, name):
            connection.create_function(
                name, function, ["VARCHAR", "VARCHAR"], "VARCHAR", null_handling="special", side_effects=False
            )
    if '"country"' in sql:
        connection.execute(f"CREATE OR REPLACE TEMP MACRO country_key(name) AS {country_key('name')}")
        known = addresses.countries()
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE country AS SELECT country_key(name) AS key, min(code) AS value "
            "FROM (SELECT unnest($1::VARCHAR[]) AS name, unnest($2::VARCHAR[]) AS code) GROUP BY ALL",
            [list(known), list(known.values())],
        )
