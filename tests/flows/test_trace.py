"""The way of a record through all systems, from the state database alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli.app import app, main
from airflow_provider_brightpearl.errors import Misconfigured, TimedOut
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.trace import trace
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.retention import Cutoffs, clean_state
from tests.flows.conftest import QUIET
from tests.flows.org import Org
from tests.flows.site import MAPPINGS
from tests.flows.test_orders_to_brightpearl import FLOW
from tests.postgres import sqlite_url


@pytest.fixture
def org(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Org]:
    # where the command looks for the state
    folder = tmp_path / "brightpearl"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(MAPPINGS))
    monkeypatch.setenv("COLUMNS", "220")
    with Sandbox(customers=3, products=6, orders=2, seed=11, settings=QUIET) as sandbox:
        site = Org(sandbox, folder)
        for flow in (
            "customers_to_salesforce",
            "products_to_salesforce",
            "customers_to_infor",
            "products_to_infor",
        ):
            site.run(flow)
        site.pass_time(5)
        yield site


def whats(org: Org, kind: str, record_id: str) -> list[tuple[str, str]]:
    """The steps of a record, each with the system in which it happened."""
    return [
        (step.system.partition(":")[0], step.what) for step in trace(org.environment, kind, record_id).steps
    ]


def test_an_order_is_followed_through_three_systems_from_each_of_its_ids(org: Org) -> None:
    placed = org.place(("2", "10.50"), ("1", "4.00"))
    org.run(FLOW)
    org.pass_time(5)
    org.run("orders_to_infor")
    org.pass_time(5)
    org.run(FLOW, full_resync=True)
    [sale] = org.sales().values()
    number = next(row["ORNO"] for row in org.m3("orders") if row["CUOR"] == str(sale["id"]))
    found = trace(org.environment, "order", str(sale["id"]))
    assert [
        ("salesforce", "read"), ("brightpearl", "write confirmed"), ("brightpearl", "created"),
        # the order and its rows, to the flow of the other direction
        ("brightpearl", "linked"), ("brightpearl", "linked"),
        ("salesforce", "written back"), ("brightpearl", "read"), ("infor", "write confirmed"), ("infor", "created"),
        ("brightpearl", "written back"), ("brightpearl", "written back"), ("salesforce", "read"),
    ] == [(step.system.partition(":")[0], step.what) for step in found.steps]  # fmt: skip
    assert sorted(step.at for step in found.steps) == [step.at for step in found.steps]
    # the other orders are not part of it
    assert {(placed, str(sale["id"])), (str(sale["id"]), number)} == {
        (row.source_id, row.target_id) for row in found.rows
    }
    assert {"run5", "run6", ""} == {step.run for step in found.steps}
    for said, other in (
        ("orders", placed),
        ("Order", placed[:15]),
        ("sales_orders", number),
        ("order", f"SF-{placed}"),
    ):
        assert found.steps == trace(org.environment, said, other).steps
    # that of a line as well
    bound = org.wiring(FLOW).crosswalk.of_records(FLOW, [placed])
    for line in [each for each in bound if each.object == "OrderRow"]:
        assert found.steps == trace(org.environment, "order", line.target_id).steps


def test_a_refused_order_says_why_until_it_goes_through(org: Org) -> None:
    placed = org.place(("1", "5.00"), Type="Fax")
    org.run(FLOW)
    [read, rejected, letter] = trace(org.environment, "order", placed).steps
    assert ("read", "rejected", "dead letter") == (read.what, rejected.what, letter.what)
    assert "is not in lookup channel" in rejected.text
    assert letter.text.startswith("open, transform: ")
    assert "'Fax' is not in lookup channel; 1 attempts since" in letter.text
    org.change("Order", placed, Type="Web")
    org.pass_time(5)
    org.run(FLOW)
    assert [
        "read", "rejected", "dead letter", "read", "write confirmed", "created", "linked", "linked",
        "dead letter resolved", "written back",
    ] == [what for _, what in whats(org, "order", placed)]  # fmt: skip


def test_a_write_in_doubt_is_shown_with_the_run_that_failed(org: Org) -> None:
    org.run(FLOW)
    org.pass_time(10)
    placed = org.place(("2", "10.50"))
    org.sandbox.control(
        "POST", "/faults", {"system": "brightpearl", "path": "multi-message", "drop": "after"}
    )
    with pytest.raises(TimedOut):
        org.run(FLOW)
    for record_id in (placed, f"SF-{placed}"):
        found = {step.what: step for step in trace(org.environment, "order", record_id).steps}
        assert "write in doubt" in found, record_id
        assert found["run: failed"].text.startswith("load: ")


def test_ids_are_found_when_the_history_is_gone(org: Org) -> None:
    placed = org.place(("1", "5.00"))
    org.run(FLOW)
    later = org.now() + timedelta(days=1)
    clean_state(org.database, Cutoffs(later, later, later))
    found = trace(org.environment, "order", placed)
    assert [("brightpearl", "linked")] == [
        step for step in whats(org, "order", placed) if step[1] == "linked"
    ]
    [sale] = org.sales().values()
    assert [str(sale["id"])] == [row.target_id for row in found.rows]


def test_the_command_shows_a_record_and_says_what_is_not_known(
    org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    key = min(org.there("Account"))
    shown = CliRunner().invoke(app, ["trace", "customer", key], catch_exceptions=False).output
    for text in (
        "brightpearl:acmetest  ",
        "customers_to_infor",
        "→ Account 001",
        "created",
        "steps of customer",
    ):
        assert text in shown
    plain = json.loads(
        CliRunner().invoke(app, ["trace", "customer", key, "--json"], catch_exceptions=False).output
    )
    assert {"kind", "id", "rows", "steps"} == set(plain)
    capsys.readouterr()
    for arguments, reason in (
        (["customer", "9999"], "nothing is known of customer 9999: no run of customers_to_infor"),
        (["costumer", key], "did you mean customer?"),
    ):
        with pytest.raises(SystemExit, match="1"):
            main(["trace", *arguments])
        assert reason in capsys.readouterr().err


def test_no_flow_has_run_yet(tmp_path: Path) -> None:
    empty = Environment(
        MAPPINGS,
        lambda: open_engine(sqlite_url(tmp_path)),
        lambda: tmp_path,
        nothing,
        nothing,
    )
    with pytest.raises(Misconfigured, match="no flow has run yet"):
        trace(empty, "order", "1")


def nothing(*_: Any) -> Any:
    raise AssertionError("no system is asked")
