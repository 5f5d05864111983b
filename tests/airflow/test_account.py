"""``brightpearl account check``: missing custom fields are named, webhooks are created once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import account as command
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.account import EVENTS, events_needed, fields_needed

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
ADDRESS = "https://hooks.example.test/bp/5f2c"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=2, products=2, orders=2) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    running.reset()
    extra = {"app_ref": "acmetest_sandbox", "token_kind": "staff"}
    fields = {
        "conn_type": "brightpearl",
        "host": running.url,
        "login": "acmetest",
        "password": "sandbox-staff-token",
    }
    monkeypatch.setenv("AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", json.dumps({**fields, "extra": extra}))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(MAPPINGS))
    monkeypatch.setenv("COLUMNS", "200")
    return running


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command.account, ["check", *arguments], catch_exceptions=False)
    return done.exit_code, done.output


def test_json_has_standard_output_to_itself(sandbox: Sandbox) -> None:
    done = CliRunner().invoke(command.account, ["check", "--webhook-url", ADDRESS, "--json"])
    found = json.loads(done.stdout)
    assert (1, []) == (done.exit_code, found["missing_fields"])
    assert "sales-order.created" in found["missing_webhooks"]
    assert "no webhook for sales-order.created" in done.stderr


def flow_with(tmp_path: Path, field: str) -> Path:
    text = (MAPPINGS / "orders_to_infor.yaml").read_text().replace("PCF_M3ORDER", field)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/orders_to_infor.yaml").write_text(text)
    return tmp_path / "flows"


def test_fields_that_flows_write_back_are_looked_for(sandbox: Sandbox) -> None:
    flows = [load_flow(file) for file in sorted(MAPPINGS.glob("*.yaml"))]
    assert {"PCF_M3ORDER", "PCF_M3STAT", "PCF_M3INV"} == {each.code for each in fields_needed(flows)}
    code, said = run()
    assert (0, True) == (code, "3 custom fields compared, 0 missing" in said)


def test_a_missing_field_is_named_click_by_click(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(flow_with(tmp_path, "PCF_NOWHERE")))
    code, said = run()
    assert (1, True) == (code, "orders_to_infor needs custom field PCF_NOWHERE" in said)
    assert "Settings > Custom fields > Sales > Add a field: code NOWHERE" in said


def test_a_field_that_takes_no_text_is_named(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(flow_with(tmp_path, "PCF_ZONE")))
    code, said = run()
    assert 1 == code
    assert "orders_to_infor: PCF_ZONE is of type SELECT, and text is written to it" in said


def test_web_hooks_are_made_once(sandbox: Sandbox) -> None:
    code, said = run("--webhook-url", ADDRESS)
    assert (1, True) == (code, "no webhook for sales-order.created" in said)
    code, said = _applied()
    assert (0, True) == (code, "created  sales-order.created" in said)
    code, said = run("--webhook-url", ADDRESS)
    assert (0, True) == (code, " 0 missing" in said.splitlines()[-1])


def _applied() -> tuple[int, str]:
    return run("--webhook-url", ADDRESS, "--apply")


def test_every_event_that_is_wanted_can_be_subscribed_to(sandbox: Sandbox) -> None:
    code, said = _applied()
    flows = [load_flow(file) for file in sorted(MAPPINGS.glob("*.yaml"))]
    assert (0, len(events_needed(flows))) == (code, said.count("created  "))
    assert {event for events in EVENTS.values() for event in events} == set(events_needed(flows))
    hooks = sandbox.snapshot("brightpearl", "webhook")
    assert {ADDRESS} == {hook["uriTemplate"] for hook in hooks}
    # applied again, nothing is added
    assert (0, 0) == (code, _applied()[1].count("created  "))
    assert len(hooks) == len(sandbox.snapshot("brightpearl", "webhook"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--apply",), "needs --webhook-url"),
        (("--webhook-url", "http://x.test/", "--apply"), "is not a valid webhook address"),
    ],
)
def test_what_cannot_be_done_is_said(sandbox: Sandbox, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        run(*arguments)
