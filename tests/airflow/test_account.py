"""``brightpearl account check``: missing custom fields are named; webhooks are created, repaired and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import account as command
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.account import fields_needed
from airflow_provider_brightpearl.systems.brightpearl.webhooks import events_wanted

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
ADDRESS = "https://hooks.example.test/team"
OURS = f"{ADDRESS}/brightpearl/events/brightpearl_default/"
SECRET, NEXT = "first-secret-of-the-shop-0001", "second_secret_of_the_shop_002"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=2, products=2, orders=2) as sandbox:
        yield sandbox


def connect(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *secrets: str) -> None:
    extra = {"app_ref": "acmetest_sandbox", "token_kind": "staff", "webhook_secrets": secrets}
    fields = {
        "conn_type": "brightpearl",
        "host": sandbox.url,
        "login": "acmetest",
        "password": "sandbox-staff-token",
    }
    monkeypatch.setenv("AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", json.dumps({**fields, "extra": extra}))


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    running.reset()
    connect(running, monkeypatch, SECRET)
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
    step = {"action": "create", "event": "sales-order.created", "why": "there is none"}
    assert step in found["webhooks"]
    assert "create sales-order.created: there is none" in done.stderr


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


def _applied() -> tuple[int, str]:
    return run("--webhook-url", f"{ADDRESS}/", "--apply")


def hooks(sandbox: Sandbox) -> dict[int, tuple[str, str]]:
    found = sandbox.snapshot("brightpearl", "webhook")
    return {hook["id"]: (hook["subscribeTo"], hook["uriTemplate"]) for hook in found}


def test_webhooks_are_made_once_and_no_secret_is_shown(sandbox: Sandbox) -> None:
    wanted = events_wanted([load_flow(file) for file in sorted(MAPPINGS.glob("*.yaml"))])
    assert {"order.modified", "product.modified", "drop-ship-note.created"} <= set(wanted)
    # a wider one covers it
    assert "product.modified.on-hand-modified" not in wanted
    before = run("--webhook-url", ADDRESS)
    assert (1, {}) == (before[0], hooks(sandbox))
    assert f"{len(wanted)} webhooks compared, {len(wanted)} to change" in before[1]
    done = _applied()
    assert (0, len(wanted)) == (done[0], done[1].count("done: create "))
    assert sorted((event, f"{OURS}{SECRET}") for event in wanted) == sorted(hooks(sandbox).values())
    again = _applied()
    assert (0, True) == (again[0], " 0 changed" in again[1].splitlines()[-1])
    assert SECRET not in before[1] + done[1] + again[1]


def test_webhooks_of_a_former_secret_are_replaced_and_those_of_others_stay(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = BrightpearlHook().client
    body = "${account-code} ${resource-type} ${lifecycle-event}"
    other = {
        "subscribeTo": "order.modified", "httpMethod": "POST", "uriTemplate": f"{ADDRESS}/another",
        "bodyTemplate": body,
    }  # fmt: skip
    theirs = client.post("integration-service/webhook", other)
    unwanted = client.post("integration-service/webhook", {**other, "uriTemplate": f"{OURS}x"})
    _applied()
    old = hooks(sandbox)
    assert theirs in old
    assert unwanted not in old
    connect(sandbox, monkeypatch, NEXT, SECRET)
    code, said = _applied()
    new = hooks(sandbox)
    assert (0, {theirs}) == (code, old.keys() & new.keys())
    assert len(old) == len(new)
    assert {f"{OURS}{NEXT}"} == {address for number, (_, address) in new.items() if number != theirs}
    # new ones first, so that nothing is missed
    assert said.rindex("done: create") < said.index("done: remove")
    assert "its uriTemplate is not as it should be" in said


def test_what_is_doubled_or_wanted_by_no_flow_is_removed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _applied()
    client = BrightpearlHook().client
    (whole,) = [
        hook
        for hook in client.get_list("integration-service/webhook")
        if hook["subscribeTo"] == "order.modified"
    ]
    doubled = client.post(
        "integration-service/webhook", {name: whole[name] for name in whole if name != "id"}
    )
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(flow_with(tmp_path, "PCF_M3ORDER")))
    code, said = _applied()
    assert (0, True) == (
        code,
        f"remove order.modified (webhook {doubled}): webhook {whole['id']} sends the same" in said,
    )
    assert ["order.modified", "sales-order.created"] == sorted(event for event, _ in hooks(sandbox).values())


def test_a_connection_without_secrets_is_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(sandbox, monkeypatch)
    with pytest.raises(Misconfigured, match="brightpearl_default: extra webhook_secrets is missing"):
        run("--webhook-url", ADDRESS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--apply",), "needs --webhook-url"),
        (("--webhook-url", "http://x.test/", "--apply"), "is not a valid address for webhooks"),
    ],
)
def test_what_cannot_be_done_is_said(sandbox: Sandbox, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        run(*arguments)
