"""Hooks share their calls through the state database, and ``brightpearl quota`` shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.quota import Share, drawing_on
from airflow_provider_brightpearl.environment import call_budget
from airflow_provider_brightpearl.errors import Misconfigured, RateLimited
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from tests.airflow.test_live_commands import connections


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    running.reset()
    for name, fields in connections(running.url).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__BRIGHTPEARL_CALLS_PER_MINUTE", "200")
    return running


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["quota", *arguments], catch_exceptions=False)
    assert 0 == done.exit_code
    return done.stdout


def test_what_hooks_call_is_counted_and_shown(sandbox: Sandbox) -> None:
    assert "no calls were counted yet\n" == shown()
    BrightpearlHook().get("order-service/order-type")
    with drawing_on(Share.BACKFILL):
        BrightpearlHook().get("order-service/order-type")
    list(SalesforceHook().query("SELECT Id FROM Account"))
    brightpearl, salesforce = json.loads(shown("--json"))
    # each took a grant of two calls
    assert {"event": 0, "schedule": 2, "backfill": 2, "": 0} == brightpearl["calls"]
    assert ("brightpearl:acmetest", None) == (brightpearl["pool"], brightpearl["day"])
    assert 1 <= salesforce["day"]["used"] < salesforce["day"]["most"]
    assert "brightpearl:acmetest" in shown()


def test_the_reserve_of_the_day_stops_before_the_org_does(sandbox: Sandbox) -> None:
    sandbox.control("POST", "/settings/salesforce", {"daily_api_limit": 20})
    hook = SalesforceHook()
    with pytest.raises(RateLimited, match="19 of 20 calls of 24 hours are used"):
        for _ in range(20):
            list(hook.query("SELECT Id FROM Account"))
    # another process is told, and makes no call to learn it
    before = sandbox.control("GET", "/counts")["salesforce"]
    with pytest.raises(RateLimited):
        list(SalesforceHook().query("SELECT Id FROM Account"))
    logins = 1
    assert before + logins == sandbox.control("GET", "/counts")["salesforce"]
    sandbox.control("DELETE", "/settings/salesforce")


def test_a_pool_is_an_account_and_for_oauth_a_developer_in_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    oauth = {"app_ref": "a", "dev_ref": "dev", "refresh_token": "r"}
    fields = connections(sandbox.url)["brightpearl_default"] | {"extra": oauth}
    monkeypatch.setenv("AIRFLOW_CONN_BP_OAUTH", json.dumps(fields))
    hooks = [BrightpearlHook(), BrightpearlHook("bp_oauth", tokens=MemoryTokens())]
    pools = [getattr(hook.client._budget, "pool", "") for hook in hooks]
    assert ["brightpearl:acmetest", "brightpearl:acmetest:dev"] == pools


def test_no_limit_of_ones_own(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__BRIGHTPEARL_CALLS_PER_MINUTE", "0")
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__DAILY_RESERVE_PERCENT", "10")
    assert call_budget("brightpearl", "acmetest") is None
    infor = call_budget("infor", "ACME")
    assert infor is not None
    assert (3_000, 225_000) == (infor.limit.calls, infor.limit.per_day)
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__DAILY_RESERVE_PERCENT", "100")
    with pytest.raises(Misconfigured, match="daily_reserve_percent is 100, which leaves no call"):
        call_budget("infor", "ACME")
