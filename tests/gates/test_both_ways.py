"""The gate gives the same verdict and page whether DuckDB or Great Expectations evaluates.

``BRIGHTPEARL_GATE_EXAMPLES`` sets how many examples each expectation gets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from airflow_provider_brightpearl.gates.table import KNOWN
from tests.flows.golden import CASES, MAPPINGS, case, map_records
from tests.gates.judgements import judgements, verdict_of, write_part
from tests.gates.test_expectations import Flow

EXAMPLES = int(os.environ.get("BRIGHTPEARL_GATE_EXAMPLES", "8"))
RANDOM = settings(
    deadline=None,
    max_examples=EXAMPLES,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(60 + 5 * EXAMPLES),
    pytest.mark.filterwarnings("ignore:This pattern is interpreted as a regular expression"),
]


def found(flow: Flow | FlowSpec, parts: Sequence[Mapping[str, Path]], page: Path, sql_rows: int) -> Any:
    """GateResult, page and its JSON; or what cannot be judged."""
    try:
        verdict = verdict_of(ExpectationGate(flow, page, "manual__1", sql_rows), *parts)
    except Misconfigured as error:
        return str(error)
    return verdict, page.read_text(), json.loads(page.with_suffix(".json").read_text())


def agreed(flow: Flow | FlowSpec, parts: Sequence[Mapping[str, Path]], folder: Path) -> None:
    """Great Expectations and DuckDB find the same."""
    by_gx = found(flow, parts, folder / "gx.html", 0)
    by_sql = found(flow, parts, folder / "sql.html", 1_000_000)
    assert by_gx == by_sql


@pytest.mark.parametrize("name", KNOWN)
@RANDOM
@given(data=st.data())
def test_one_expectation(name: str, data: st.DataObject) -> None:
    rules, pools, size, seed = data.draw(judgements([name]))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "Order.parquet"
        write_part(path, pools, size, seed)
        agreed(Flow({"Order": rules}), [{"Order": path}], Path(folder))


@RANDOM
@given(data=st.data())
def test_several_expectations_over_two_parts(data: st.DataObject) -> None:
    """Rejections, failures and results come in the same order."""
    names = data.draw(st.lists(st.sampled_from(list(KNOWN)), min_size=3, max_size=6, unique=True))
    rules, pools, size, seed = data.draw(judgements(names))
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / "0.parquet", Path(folder) / "1.parquet"]
        for number, path in enumerate(paths):
            write_part(path, pools, size, seed + number)
        flow = Flow({"Order": rules[::2], "OrderItem": rules[1::2]})
        agreed(flow, [{"Order": path, "OrderItem": path} for path in paths], Path(folder))


def _golden(flow: FlowSpec, folder: Path) -> dict[str, Path]:
    """All golden cases of a flow as one part; each is mapped alone, since they share keys."""
    for number, path in enumerate(path for path in CASES if path.parent.name == flow.flow):
        given = case(path)
        (folder / f"{number}").mkdir()
        map_records(flow, [given["record"]], given.get("bound", {}), folder / f"{number}")
    paths = {name: folder / f"{name}.parquet" for name in flow.objects}
    for name, path in paths.items():
        duckdb.execute(f"COPY (FROM '{folder}/*/{name}.parquet') TO '{path}' (FORMAT parquet)")
    return paths


def _spoiled(path: Path) -> Path:
    """The same rows three times: as they are, without values, and with negative numbers and long texts."""
    spoiled = path.with_suffix(".spoiled.parquet")
    worse = {"DECIMAL": '-"{}"', "BIGINT": '-"{}"', "VARCHAR": 'repeat("{}", 300)'}
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE FROM '{path}'").fetchall()
        kinds = {name: kind.partition("(")[0] for name, kind, *_ in described if not name.startswith("_")}
        nulls = ", ".join(f'NULL AS "{name}"' for name in kinds)
        wrong = ", ".join(
            f'{worse.get(kind, "NULL").format(name)} AS "{name}"' for name, kind in kinds.items()
        )
        rows = " UNION ALL ".join(
            f"SELECT *{f' REPLACE ({replaced})' if replaced else ''} FROM '{path}'"
            for replaced in ("", nulls, wrong)
        )
        connection.execute(f"COPY ({rows}) TO '{spoiled}' (FORMAT parquet)")
    return spoiled


@pytest.mark.parametrize("file", sorted(MAPPINGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_flows(file: Path, tmp_path: Path) -> None:
    flow = load_flow(file)
    golden = _golden(flow, tmp_path)
    spoiled = {name: _spoiled(path) for name, path in golden.items()}

    agreed(flow, [golden, spoiled], tmp_path)
    assert bool(flow.expect) is bool(verdict_of(ExpectationGate(flow), spoiled).rejections)
