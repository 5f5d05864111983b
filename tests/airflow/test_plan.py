"""``brightpearl plan``, and the ledger's plan beside what a run then made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.environment import airflow_environment
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    settings: dict[str, dict[str, object]] = {
        "brightpearl": {"throttle": False},
        "infor": {"stock_checked_at_pick": False},
    }
    with Sandbox(customers=60, products=40, orders=120, seed=7, settings=settings) as running:
        yield running


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # each test has a state database of its own, so the targets begin as empty as it does
    sandbox.reset()
    connections: dict[str, dict[str, Any]] = {
        "brightpearl_default": {
            "conn_type": "brightpearl", "host": sandbox.url, "login": "acmetest",
            "password": "sandbox-staff-token", "extra": {"app_ref": "acmetest_sandbox", "token_kind": "staff"},
        },
        "salesforce_default": {
            "conn_type": "salesforce",
            "extra": {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret",
                      "domain": "acme.my", "endpoint_override": sandbox.url},
        },
        "infor_default": {
            "conn_type": "infor",
            "extra": {"ionapi": json.dumps(sandbox.control("GET", "/infor/ionapi")), "cono": "100", "divi": "AAA"},
        },
    }  # fmt: skip
    for name, fields in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(MAPPINGS))
    monkeypatch.setenv("COLUMNS", "200")
    sandbox.control("DELETE", "/log")
    return tmp_path


def planned(flow: str, *options: str) -> tuple[str, dict[str, list[str]]]:
    """What the command says, and the cells of its table by system."""
    done = CliRunner().invoke(app, ["plan", flow, *options], catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    rows = [
        re.split(r"\s*│\s*", line.strip("│ ")) for line in done.output.splitlines() if line.startswith("│")
    ]
    return done.output, {row[0]: row[1:] for row in rows}


def carried_out(flow: str) -> RunSummary:
    return run_flow(Wiring.of(flow, airflow_environment(MAPPINGS)), Request(RunKind.MANUAL), "r1")


FLOWS = (
    "customers_to_salesforce", "products_to_salesforce", "inventory_to_salesforce", "customers_to_infor",
    "payments_to_infor_gl",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("flow", FLOWS)
def test_what_is_planned_is_what_a_run_then_makes(home: Path, flow: str) -> None:
    if flow == "inventory_to_salesforce":
        carried_out("products_to_salesforce")
    said, table = planned(flow)
    summary = carried_out(flow)
    # of products whose stock is not tracked, a share is assumed to be bundles
    [counted] = re.findall(r"^([\d,]+) records", said, re.M)
    records = int(counted.replace(",", ""))
    assert summary.counts.extracted == pytest.approx(records, abs=flow == "inventory_to_salesforce")
    assert summary.calls.planned == {system: int(cells[0]) for system, cells in table.items()}
    for system, made in summary.calls.made.items():
        assert made == pytest.approx(summary.calls.planned[system], rel=0.2, abs=3)


@pytest.mark.slow
def test_a_run_is_planned_with_no_more_write_backs_than_it_sends(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = planned("orders_to_infor")
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__WRITE_BACK_LIMIT", "20")
    _, table = planned("orders_to_infor")
    # ten messages a call
    assert 2 < int(whole["brightpearl"][0]) - int(table["brightpearl"][0])
    for flow in ("customers_to_infor", "products_to_infor"):
        carried_out(flow)
    summary = carried_out("orders_to_infor")
    assert summary.write_back is not None
    assert 10 == summary.write_back.delivered
    assert summary.calls.planned["brightpearl"] == int(table["brightpearl"][0])
    assert summary.calls.made["brightpearl"] <= summary.calls.planned["brightpearl"] + 3


def test_a_plan_writes_nothing_and_asks_once_per_search(home: Path, sandbox: Sandbox) -> None:
    said, table = planned("orders_to_infor", "--from", "2020-01-01")
    calls = sandbox.control("GET", "/log")
    assert {"GET"} == {call["method"] for call in calls if "token" not in call["path"]}
    assert 2 == sum(call["system"] == "brightpearl" for call in calls)
    assert "This plan took 2 calls" in said
    # two messages back for each of some 120 orders, ten a call
    assert 20 <= int(table["brightpearl"][2]) <= 25
    assert ["0.1", "unknown", "0.0%"] == table["infor"][3:]


def test_limits_of_the_day_are_the_orgs_own(home: Path, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/settings/salesforce", {"daily_api_limit": 5_000, "daily_api_used": 0})
    try:
        _, table = planned("customers_to_salesforce", "--full-resync")
    finally:
        sandbox.control("POST", "/settings/salesforce", {"daily_api_limit": 100_000})
    calls, _, writing, minutes, left, share = table["salesforce"]
    assert (calls, "no limit", "0.1%") == (writing, minutes, share)
    assert 4_990 < int(left.replace(",", "")) < 5_000
    assert ("no limit", "no limit") == tuple(table["brightpearl"][-2:])


def test_a_back_fill_counts_the_searches_of_every_run(home: Path) -> None:
    said, table = planned("orders_to_salesforce", "--last", "2d")
    counted, once = re.findall(r"^[\d,]+ records", said, re.M), table["brightpearl"]
    said, table = planned("orders_to_salesforce", "--last", "2d", "--backfill")
    assert counted == re.findall(r"^[\d,]+ records", said, re.M)
    assert re.search(r"19[123] runs", said)
    assert 2 * 191 <= int(table["brightpearl"][0].replace(",", "")) > int(once[0])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--last", "2 weeks"], "--last: '2 weeks' is not a duration"),
        (["--from", "yesterday"], "from: 'yesterday' is not a valid timestamp"),
        (["--from", "2026-02-01", "--to", "2026-01-01"], "must be before to"),
        (["--ids", "1,2", "--backfill"], "--backfill goes with"),
    ],
)
def test_what_cannot_be_planned_is_said(home: Path, options: list[str], told: str) -> None:
    from airflow_provider_brightpearl.errors import Misconfigured

    with pytest.raises(Misconfigured, match=re.escape(told)):
        CliRunner().invoke(app, ["plan", "orders_to_salesforce", *options], catch_exceptions=False)
