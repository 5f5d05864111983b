"""MI transactions as tasks, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.operators.infor import InforTransactionOperator
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import deferral_of, event_of, resumed, run
from tests.systems.live import fault, switch

BULK = "m3api-rest/v2/execute"


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox(customers=4, products=4, orders=4, days=10, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    world.reset()
    world.control("DELETE", "/settings/infor")
    connect_airflow(world, tmp_path, monkeypatch)
    return world


def mi(program: str = "CRS610MI", transaction: str = "Add", **arguments: Any) -> InforTransactionOperator:
    return InforTransactionOperator(task_id="m3", program=program, transaction=transaction, **arguments)


def comes_back(task: InforTransactionOperator) -> bool:
    """Whether the task is started again, in the same try."""
    with pytest.raises(BaseException) as raised:
        run(task)
    return type(raised.value).__name__ in ("TaskDeferred", "AirflowRescheduleException")


def customers(count: int) -> list[dict[str, str]]:
    return [
        {"CUTM": "WEB", "CUNO": f"OP{number}", "CUNM": f"Ünit {number}", "CUA1": "1 High Street"}
        for number in range(count)
    ]


def names(sandbox: Sandbox) -> list[str]:
    found = mi(transaction="LstByNumber", record={}, columns=["CUNO"])
    return sorted(row["CUNO"] for row in run(found) if row["CUNO"].startswith("OP"))


def test_one_record_gives_what_m3_answers(sandbox):
    [user] = run(mi("GENERAL", "GetUserInfo", record={}, columns=["ZZUSID", "ZDCONO"]))
    assert {"ZZUSID", "ZDCONO"} == set(user)


def test_a_refused_record_fails_the_task_for_good(sandbox):
    with pytest.raises(
        compat.AirflowFailException, match="refused, WCU0203 Customer number NOBODY does not exist"
    ):
        run(mi(transaction="GetBasicData", record={"CUNO": "NOBODY"}))


def test_many_records_and_those_that_are_refused(sandbox):
    records = [*customers(3), {**customers(1)[0], "CUNO": "LONGER-THAN-A-CUSTOMER-NUMBER"}]
    result = run(mi(records=records, max_refused=1))
    assert (3, ["OP0", "OP1", "OP2"]) == (result["done"], names(sandbox))
    [refused] = result["refused"]
    assert (3, "CUNO", []) == (refused["place"], refused["field"], result["records"][3])
    pushed: dict[str, Any] = {}
    with pytest.raises(
        compat.AirflowFailException, match="4 of 4 records were not done, more than max_refused=0"
    ):
        run(mi(records=records), pushed)
    assert 4 == len(pushed["return_value"]["refused"])


def test_locked_records_are_sent_again_and_no_other(sandbox):
    records = customers(2)
    locked = {"program": "CRS610MI", "code": "XO_1130", "message": "locked", "times": 1}
    switch(sandbox, "infor", transaction_faults=[locked])
    result = run(mi(records=records))
    assert (2, ["OP0", "OP1"]) == (result["done"], names(sandbox))


def test_a_write_whose_answer_is_lost_is_not_tried_again(sandbox):
    fault(sandbox, system="infor", path=BULK, drop="after")
    with pytest.raises(
        compat.AirflowFailException, match="0 of 2 records were processed; the next call may have"
    ):
        run(mi(records=customers(2)))
    assert ["OP0", "OP1"] == names(sandbox)


def test_a_write_of_which_nothing_was_sent_is_tried_again(sandbox):
    fault(sandbox, system="infor", path=BULK, status=429, headers={"Retry-After": "400"})
    assert comes_back(mi(records=customers(2)))


def test_after_a_pause_only_the_rest_is_sent(sandbox):
    fault(sandbox, system="infor", path=BULK, skip=1, status=429, headers={"Retry-After": "400"})
    task = mi(records=customers(60), deferrable=True)
    pause = deferral_of(task)
    assert 50 == len(names(sandbox))
    result = resumed(mi(records=customers(60), deferrable=True), pause, event_of(pause, outcome="over"))
    assert (60, 60, []) == (result["done"], len(names(sandbox)), result["refused"])


def test_without_deferral_part_of_the_writes_done_is_for_a_person(sandbox):
    fault(sandbox, system="infor", path=BULK, skip=1, status=429, headers={"Retry-After": "400"})
    with pytest.raises(
        compat.AirflowFailException, match="50 of 60 records were processed, so there is no other try"
    ):
        run(mi(records=customers(60)))
    fault(sandbox, system="infor", path=BULK, skip=1, status=429, headers={"Retry-After": "400"})
    assert comes_back(mi(records=customers(60), repeatable=True))


def test_record_and_records_exclude_each_other(sandbox):
    with pytest.raises(compat.AirflowFailException, match="give record or records, not both"):
        run(mi(record={}, records=[]))


def test_a_template_that_gave_text_is_named(sandbox):
    with pytest.raises(compat.AirflowFailException, match="records must be values by field, not text"):
        run(mi(records="[{'CUNO': '1'}]"))
