"""Tasks of flows while a system is down: they wait, one looks, people hear of it, and all go on afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.core import breaker
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.environment import breakers, state_engine
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.operators import outages, pausing
from airflow_provider_brightpearl.operators.flow import FlowOperator
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.breakers import SqlBreakers
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from tests.airflow.place import connect_airflow
from tests.airflow.test_flow_operator import MAPPINGS, context_of

pytestmark = pytest.mark.slow

CUSTOMERS, ORDERS = "customers_to_salesforce", "orders_to_salesforce"
ON_AIRFLOW_3 = compat.airflow_version() >= (3, 0)


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox(customers=8, products=4, orders=10, days=10, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    world.reset()
    connect_airflow(world, tmp_path, monkeypatch)
    monkeypatch.setattr(Backoff.__init__, "__defaults__", (4, 0.01, 2.0, 0.1, 20, 300.0))
    return world


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., datetime]:
    """Lets time pass for the breakers; returns what it is there then."""
    ahead = timedelta()

    def later(**span: float) -> datetime:
        nonlocal ahead
        ahead += timedelta(**span)
        return datetime.now(UTC) + ahead

    monkeypatch.setattr(SqlBreakers.__init__, "__defaults__", (lambda _: datetime.now(UTC) + ahead,))
    return later


def down(sandbox: Sandbox, system: str) -> None:
    sandbox.control(
        "POST", "/faults", {"system": system, "status": 502, "times": 0, "body": "<html>down</html>"}
    )


def operator(flow: str, heard: list[str]) -> FlowOperator:
    def tell(context: Any) -> None:
        heard.append(context["alert"].text)

    return FlowOperator(task_id=flow, flow=flow, mappings=MAPPINGS, on_alert=[tell])


def context(task: Any) -> dict[str, Any]:
    found = context_of(task)
    found["ti"].task_id = task.task_id
    return found


def waits(task: Any, asked: dict[str, Any] | None = None) -> datetime:
    """When a task that waits for a system comes back: deferred on Airflow 3, put back to be scheduled on 2.11."""
    with pytest.raises(BaseException) as raised:
        task.execute(asked or context(task))
    if not ON_AIRFLOW_3:
        assert "AirflowRescheduleException" == type(raised.value).__name__
        at: datetime = raised.value.reschedule_date  # type: ignore[attr-defined]
        return at
    assert "TaskDeferred" == type(raised.value).__name__, raised.value
    deferral: Any = raised.value
    assert "resume" == deferral.method_name
    pause = deferral.trigger.until - breakers().now().timestamp()
    assert 19 < pause, "sooner, the scheduler would take it for killed"
    assert timedelta(minutes=55) < deferral.timeout - timedelta(seconds=pause) < timedelta(minutes=65)
    _, arguments = deferral.trigger.serialize()
    assert {} == json.loads(json.dumps(arguments))["state"]
    return datetime.fromtimestamp(deferral.trigger.until, UTC)


def calls(sandbox: Sandbox, system: str) -> int:
    return sandbox.counts().get(system, 0)


def test_an_outage_waits_and_flows_go_on_in_order(sandbox, clock, monkeypatch):
    heard: list[str] = []
    orders, customers = operator(ORDERS, heard), operator(CUSTOMERS, heard)
    down(sandbox, "brightpearl")
    started = datetime.now(UTC)
    back = waits(orders)
    assert timedelta(seconds=14) < back - started < timedelta(seconds=60)
    (alert,) = heard
    assert alert.startswith("Brightpearl (brightpearl_default) is down\nIt does not answer since ")
    assert "- orders_to_salesforce, run manual__1: waiting for 0 s" in alert
    before = calls(sandbox, "brightpearl")
    waits(customers)
    assert before == calls(sandbox, "brightpearl"), "nobody calls a system that is down"
    assert 1 == len(heard)
    assert [] == SqlLedger(state_engine()).runs(ORDERS), "a run that waits has not failed"
    # one of two looks
    clock(hours=1)
    waits(orders)
    waits(customers)
    assert before + 1 == calls(sandbox, "brightpearl")
    assert "Brightpearl (brightpearl_default) is still down, for 1 h" == heard[1].splitlines()[0]
    assert 2 == len(heard)
    # it answers: what waited starts after what it follows
    sandbox.control("DELETE", "/faults")
    clock(minutes=10)
    monkeypatch.setattr(pausing, "sit_out", lambda turn: False)
    waits(orders)
    assert 3 == len(heard)
    _, *lines = heard[2].splitlines()
    assert heard[2].startswith("Brightpearl (brightpearl_default) answers again, after 1 h 10 min\n")
    assert ["customers", "orders"] == [line[2:].split("_")[0] for line in lines if line.startswith("- ")]
    assert 0 < customers.execute(context(customers))["counts"]["created"]
    clock(seconds=2)
    assert 0 < orders.execute(context(orders))["counts"]["extracted"]
    assert [] == [each for each in heard[3:] if each.startswith("Brightpearl")]
    assert [] == breakers().open_ones()


def test_a_task_comes_back_by_the_clock_that_all_workers_share(sandbox, monkeypatch):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=1)

    for module in (outages, pausing):
        monkeypatch.setattr(module, "datetime", Ahead, raising=False)
    down(sandbox, "brightpearl")
    started = datetime.now(UTC)
    assert waits(operator(CUSTOMERS, [])) - started < timedelta(minutes=5)
    (outage,) = breakers().open_ones()
    [waiter] = breakers().waiters(outage.address)
    assert waiter.since - started < timedelta(minutes=5)


def test_other_systems_are_not_affected(sandbox, clock):
    down(sandbox, "salesforce")
    waits(operator(CUSTOMERS, []))
    (outage,) = breakers().open_ones()
    assert ("salesforce", "salesforce_default") == (outage.system, outage.connection)
    assert BrightpearlHook().get("integration-service/account-configuration")


def fails(sandbox: Sandbox, system: str, path: str) -> None:
    sandbox.control("POST", "/faults", {"system": system, "path": path, "status": 500, "times": 0})


@pytest.mark.parametrize(
    ("system", "path"), [("brightpearl", "contact-search"), ("salesforce", "/composite/")]
)
def test_a_part_that_fails_is_waited_for_and_no_outage(sandbox, clock, caplog, system, path):
    heard: list[str] = []
    task = operator(CUSTOMERS, heard)
    fails(sandbox, system, path)
    pauses = []
    for later in (0, 1, 2, 5, 60, 1):
        clock(minutes=later)
        began = clock()
        pauses.append((waits(task) - began).total_seconds() / 60)
    for pause, least in zip(pauses, (1, 1, 3, 8, 15, 15), strict=True):
        assert least <= pause <= least * 1.2 + 0.5, pauses
    assert [] == breakers().open_ones(), "the system answers"
    assert [] == SqlLedger(state_engine()).runs(CUSTOMERS), "a run that waits has not failed"
    (alert,) = heard
    name = system.capitalize()
    assert alert.startswith(
        f"customers_to_salesforce waits for {name}, for 1 h 8 min\nA part of {name} fails"
    )
    assert "waiting since " in caplog.text
    sandbox.control("DELETE", "/faults")
    assert 0 < task.execute(context(task))["counts"]["created"]
    assert [alert] == [each for each in heard if "waits for" in each]
    # nothing of it is left
    fails(sandbox, "brightpearl", "contact-search")
    clock(hours=2)
    began = clock()
    assert waits(task) - began < timedelta(seconds=90)


def test_a_part_that_fails_for_a_day_ends_in_a_failed_run(sandbox, clock):
    task = operator(CUSTOMERS, [])
    fails(sandbox, "brightpearl", "contact-search")
    waits(task)
    clock(hours=23)
    waits(task)
    clock(hours=1)
    with pytest.raises(compat.AirflowFailException, match="given up after 24 h: "):
        task.execute(context(task))
    (run,) = SqlLedger(state_engine()).runs(CUSTOMERS)
    assert "failed" == run.state
    # a person clears the task
    waits(task)


@pytest.mark.parametrize("written", [True, False])
def test_a_task_has_its_whole_time_again_if_its_flow_has_written(sandbox, clock, monkeypatch, written):
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__OUTAGE_HOURS", "1")
    monkeypatch.setattr(breaker, "part_pause", lambda *_: timedelta(0))
    task = operator(CUSTOMERS, [])
    fails(sandbox, "brightpearl", "contact-search")
    waits(task)
    sandbox.control("DELETE", "/faults")
    if written:
        other = FlowOperator(task_id="other", flow=CUSTOMERS, mappings=MAPPINGS)
        assert 0 < other.execute(context(other))["counts"]["created"]
    fails(sandbox, "brightpearl", "contact-search")
    clock(hours=2)
    if written:
        waits(task)
        return
    with pytest.raises(compat.AirflowFailException, match="given up after 2 h: "):
        task.execute(context(task))


def test_without_hours_a_part_that_fails_is_retried(sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__OUTAGE_HOURS", "0")
    fails(sandbox, "brightpearl", "contact-search")
    task = operator(CUSTOMERS, [])
    with pytest.raises(Unavailable):
        task.execute(context(task))
    assert [] == breakers().open_ones()
    (run,) = SqlLedger(state_engine()).runs(CUSTOMERS)
    assert "failed" == run.state


@pytest.mark.parametrize("path", ["services/oauth2/token", None])
def test_a_login_that_is_down_is_an_outage(sandbox, path):
    sandbox.control(
        "POST", "/faults", {"system": "salesforce", "path": path, "status": 503, "times": 0, "body": "down"}
    )
    waits(operator(CUSTOMERS, []))
    assert ["salesforce"] == [each.system for each in breakers().open_ones()]


def test_credentials_that_are_refused_are_for_a_person(sandbox, monkeypatch):
    connection = json.dumps(
        {"conn_type": "brightpearl", "host": sandbox.url, "login": "acmetest", "password": "wrong-token",
         "extra": {"app_ref": "acmetest_sandbox", "token_kind": "staff"}}
    )  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", connection)
    task = operator(CUSTOMERS, [])
    with pytest.raises(compat.AirflowFailException):
        task.execute(context(task))
    assert [] == breakers().open_ones()


@pytest.mark.skipif(ON_AIRFLOW_3, reason="tasks are deferred there")
def test_the_scheduler_of_airflow_2_waits_before_it_starts_the_task_again():
    from airflow.serialization.serialized_objects import SerializedBaseOperator

    encoded = SerializedBaseOperator.serialize_operator(operator(CUSTOMERS, []))
    scheduled = SerializedBaseOperator.deserialize_operator(encoded)
    assert scheduled.reschedule
    assert "ReadyToRescheduleDep" in {type(dep).__name__ for dep in scheduled.deps}
