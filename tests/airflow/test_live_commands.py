"""Commands that ask the systems: ``connections check``, ``mapping preview --id`` and ``run``."""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import run as command
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.environment import state_engine
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.tables import binding, watermark

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=10, products=5, orders=5, seed=7) as sandbox:
        yield sandbox


def connections(url: str) -> dict[str, dict[str, Any]]:
    return {
        "brightpearl_default": {
            "conn_type": "brightpearl", "host": url, "login": "acmetest",
            "password": "sandbox-staff-token", "extra": {"app_ref": "acmetest_sandbox", "token_kind": "staff"},
        },
        "salesforce_default": {
            "conn_type": "salesforce",
            "extra": {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret",
                      "domain": "acme.my", "endpoint_override": url},
        },
    }  # fmt: skip


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    running.reset()
    for name, fields in connections(running.url).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(MAPPINGS))
    return running


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout


def checked(*names: str) -> tuple[int, dict[str, str]]:
    code, said = invoke("connections", "check", *names, "--json")
    return code, {each["conn_id"]: each["state"] for each in json.loads(said)}


def test_connections_are_tested_by_the_hooks_of_this_package(sandbox: Sandbox) -> None:
    assert (0, {"brightpearl_default": "ok", "salesforce_default": "ok"}) == checked(
        "brightpearl", "salesforce_default"
    )
    code, said = invoke("connections", "check", "brightpearl")
    assert (0, "ok       brightpearl_default: Account acmetest answers (") == (code, said[:56])


def test_a_connection_that_fails_says_what_to_do(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = connections(sandbox.url)["brightpearl_default"] | {"password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", json.dumps(wrong))
    code, said = invoke("connections", "check", "brightpearl")
    assert 1 == code
    assert "failed   brightpearl_default: Brightpearl refused the token" in said
    assert "To do: correct the connection" in said


def test_a_connection_of_another_type_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres"}))
    with pytest.raises(Misconfigured, match="warehouse is of type 'postgres'"):
        invoke("connections", "check", "warehouse")


def test_a_connection_that_does_not_exist_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(
        Misconfigured, match="no connection 'elsewhere'; add it, then run `brightpearl connections"
    ):
        invoke("mapping", "preview", "orders_to_salesforce", "--id", "1", "--source-conn-id", "elsewhere")
    assert (1, {"elsewhere": "missing"}) == checked("elsewhere")


def test_a_record_is_previewed_as_it_is_now(sandbox: Sandbox) -> None:
    record = next(iter(sandbox.snapshot("brightpearl", "order")))
    code, said = invoke("mapping", "preview", "orders_to_salesforce", "--id", str(record["id"]), "--json")
    [order] = json.loads(said)["Order"]
    assert (0, str(record["id"])) == (code, order["Brightpearl_Order_Id__c"])
    with pytest.raises(Misconfigured, match="brightpearl.sales_orders has no record 1$"):
        invoke("mapping", "preview", "orders_to_salesforce", "--id", "1")
    with pytest.raises(Misconfigured, match="either --id with a source id, or --record"):
        invoke("mapping", "preview", "orders_to_salesforce")


@pytest.mark.slow
def test_a_flow_runs_without_a_dag_and_goes_on_where_it_was(sandbox: Sandbox) -> None:
    code, said = invoke("run", "products_to_salesforce", "--json")
    summary = json.loads(said)
    assert (0, summary["counts"]["extracted"]) == (code, summary["counts"]["created"])
    assert summary["counts"]["extracted"] > 0
    code, said = invoke("run", "products_to_salesforce")
    assert (0, True) == (code, "products_to_salesforce: 0 records: 0 created" in said)


@pytest.mark.slow
def test_a_changed_field_is_shown_and_accepted(sandbox: Sandbox) -> None:
    flow = "customers_to_salesforce"
    assert 0 == invoke("run", flow)[0]
    changes = {
        "Account.Phone": {"length": 30},
        "Account.Site": {"length": 100},
        "Account.New__c": {"type": "date"},
    }
    sandbox.control("POST", "/settings/salesforce", {"field_changes": changes})
    code, said = invoke("schema", flow)
    assert 1 == code
    assert "Account.Phone: length was 40 and is 30" in said
    assert "new in the target: New__c" in said
    code, said = invoke("schema", flow, "--accept", "--json")
    assert (0, True) == (code, json.loads(said)["accepted"])
    code, said = invoke("schema", flow)
    assert (0, True) == (code, "0 changes, 0 of them would stop a run" in said)
    sandbox.control("POST", "/settings/salesforce", {"field_changes": {"Account.Phone": {"removed": True}}})
    with pytest.raises(Misconfigured, match="Account has no field Phone in the org"):
        invoke("schema", flow, "--accept")
    sandbox.control("DELETE", "/settings/salesforce")


def test_a_lost_crosswalk_is_filled_again(sandbox: Sandbox) -> None:
    flow = "customers_to_salesforce"
    customers = json.loads(invoke("run", flow, "--json")[1])["counts"]["created"]
    with writing(state_engine()) as connection:
        connection.execute(binding.delete())
        connection.execute(watermark.delete())
    code, said = invoke("state", "rebuild", flow, "--dry-run", "--json")
    assert (0, customers) == (code, json.loads(said)["found"]["Account"])
    code, said = invoke("state", "rebuild", flow)
    assert (0, True) == (code, f"{customers} records" in said)
    assert "rows bound; the next run" in said
    with pytest.raises(Misconfigured, match="is not empty; pass --merge"):
        invoke("state", "rebuild", flow)


def test_matches_are_shown_and_written_to_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "matches.csv"
    code, said = invoke("match", "customers_to_salesforce", "--csv", str(file))
    assert 0 == code
    assert "not found, would be created" in said
    assert f"all rows are in {file}; calls: " in said
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert {"create"} == {row["found"] for row in rows}
    code, said = invoke("match", "customers_to_salesforce", "--json")
    assert {"create": len(rows)} == json.loads(said)["counts"]
    with pytest.raises(Misconfigured, match=r"matches.csv cannot be written"):
        invoke("match", "customers_to_salesforce", "--csv", str(file / "matches.csv"))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--new"], "--new and --by go with --record"),
        (["--record", "203"], "pass either --to and the id that the record has in the target, or --new"),
        (["--record", "203", "--to", "1", "--new"], "pass either --to"),
        (["--record", "203", "--new", "--from", "2026-01-01"], "leave out --from and --csv"),
        (["--from", "soon"], "'soon' is not a valid timestamp"),
    ],
)
def test_options_of_match_that_do_not_go_together(sandbox: Sandbox, options: list[str], problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem):
        invoke("match", "customers_to_salesforce", *options)


def test_an_answer_is_recorded(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.yaml").write_text("""
flow: people
source: salesforce.accounts
target: brightpearl
objects:
  Contact:
    key: {sf: Id}
    fields: {companyName: Name}
""")
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(tmp_path))
    account = sandbox.snapshot("salesforce", "Account")[0]["Id"]
    code, said = invoke("match", "people", "--record", account, "--to", "203", "--by", "Jo")
    assert (
        0,
        f"record {account} of people is Contact 203 of brightpearl, says Jo; the next run goes on with it\n",
    ) == (code, said)
    with writing(state_engine()) as connection:
        [row] = connection.execute(binding.select())
    assert ("Contact", account, "203", "person") == (row.object, row.source_id, row.target_id, row.origin)
    with pytest.raises(Misconfigured, match="nothing to answer"):
        invoke("match", "people", "--record", account, "--new")


def test_a_system_that_is_down_ends_a_run_with_a_sentence_and_a_code(
    sandbox: Sandbox, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Backoff.__init__, "__defaults__", (4, 0.01, 2.0, 0.1, 20, 300.0))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__OUTAGE_LOOK_SECONDS", "1")
    sandbox.control("POST", "/faults", {"system": "brightpearl", "status": 502, "times": 0})
    code, said = invoke("run", "customers_to_salesforce")
    assert 75 == code
    assert said.startswith("Brightpearl is down since ")
    assert "; next look at " in said
    code, said = invoke("connections", "check", "brightpearl")
    assert 1 == code
    assert "\n         Brightpearl is down since " in said
    clock = SimpleNamespace(sleep=lambda seconds: _answers_again(sandbox, seconds), monotonic=time.monotonic)
    monkeypatch.setattr(f"{command.__name__}.time", clock)
    code, said = invoke("run", "customers_to_salesforce", "--wait", "1")
    assert 0 == code, said
    assert "10 created" in said


def _answers_again(sandbox: Sandbox, seconds: float) -> None:
    sandbox.control("DELETE", "/faults")
    threading.Event().wait(seconds)


@pytest.mark.usefixtures("sandbox")
def test_the_state_is_checked_against_both_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 == invoke("run", "products_to_salesforce")[0]
    code, shown = invoke("state", "check", "products_to_salesforce")
    assert (0, True) == (code, "looked up, " in shown and shown.rstrip().endswith("0 findings")), shown
    with writing(state_engine()) as connection:
        connection.execute(
            binding.update().where(binding.c.object == "Product2").values(target_id="01t000000000999AAA")
        )
    code, shown = invoke("state", "check", "products_to_salesforce", "--all", "--json")
    found = json.loads(shown)
    assert (1, {"links", "unique"}) == (code, {each["check"] for each in found["findings"]})
    assert all(each["remedy"] for each in found["findings"])
    assert found["calls"]["salesforce"] > 0


@pytest.mark.usefixtures("sandbox")
def test_a_certificate_is_written_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 == invoke("run", "products_to_salesforce")[0]
    code, shown = invoke("reconcile", "products_to_salesforce", "--full-resync", "--certificate")
    assert (0, True) == (code, "certificate 1: closed, not signed: " in shown), shown
    code, shown = invoke("verify", str(tmp_path / "brightpearl" / "staging" / "certificates"))
    assert (0, True) == (code, "holds: products_to_salesforce 1, all up to " in shown), shown
