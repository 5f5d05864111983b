"""Waiting for records, against the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.sensors.brightpearl import BrightpearlRecordSensor
from airflow_provider_brightpearl.triggers.brightpearl import BrightpearlRecordTrigger
from airflow_provider_brightpearl.triggers.pause import PauseTrigger
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import context_of, deferral_of, resumed, run
from tests.systems.live import fault

SEARCH = "order-service/order-search"
SALES = {"orderTypeId": "1"}


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    quiet: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False}}
    with Sandbox(customers=4, products=4, orders=10, days=10, seed=3, settings=quiet) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    world.reset()
    connect_airflow(world, tmp_path, monkeypatch)
    return world


def sensor(**arguments: Any) -> BrightpearlRecordSensor:
    given = {"search": SEARCH, "filters": SALES, "poke_interval": 0.1, "timeout": 30, **arguments}
    return BrightpearlRecordSensor(task_id="orders", **given)


def test_records_that_exist(sandbox):
    assert run(sensor()) == run(sensor(deferrable=True)) > 1


def test_records_changed_since_count_once(sandbox):
    everything = run(sensor())
    assert everything == run(sensor(changed_since="2001-01-01", filters=SALES))
    task = sensor(changed_since="2100-01-01")
    assert not task.poke(context_of(task))


def test_it_waits_without_a_worker_until_there_are_enough(sandbox):
    count = run(sensor())
    waiting = deferral_of(sensor(at_least=count + 1, deferrable=True))
    kind, arguments = waiting.trigger.serialize()
    assert "airflow_provider_brightpearl.triggers.brightpearl.BrightpearlRecordTrigger" == kind
    arguments = json.loads(json.dumps(arguments))
    event = fired(BrightpearlRecordTrigger(**{**arguments, "at_least": count}))
    assert count == resumed(sensor(deferrable=True), waiting, event=event)
    assert 30 == waiting.timeout.total_seconds()


def test_an_account_that_does_not_answer_is_looked_at_again(sandbox):
    fault(sandbox, system="brightpearl", path=SEARCH, status=500, times=4)
    task = sensor(deferrable=True)
    task.poke_interval = 0.1
    fault(sandbox, system="brightpearl", path=SEARCH, status=401, body="{}", times=1)
    trigger = BrightpearlRecordTrigger("brightpearl_default", SEARCH, [SALES], 1, 0.1)
    event = fired(trigger)
    assert ("failed", False) == (event["outcome"], event["retry"])
    with pytest.raises(compat.AirflowFailException):
        task.resume(context_of(task), event)


@pytest.mark.parametrize(("value", "reason"), [("soon", "changed_since 'soon' is not a valid timestamp")])
def test_a_timestamp_that_is_none_fails_at_once(sandbox, value, reason):
    with pytest.raises(compat.AirflowFailException, match=reason):
        run(sensor(changed_since=value))


def test_a_pause_hands_on_what_the_task_goes_on_from():
    _, arguments = PauseTrigger(0.0, {"sent": 3}).serialize()
    assert {"outcome": "over", "state": {"sent": 3}} == fired(PauseTrigger(**arguments))


def fired(trigger: Any) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first())
