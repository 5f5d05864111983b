"""Records to files and rows of files to Salesforce, against the sandbox, with connections as an Airflow has them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.operators.transfer import (
    BrightpearlToObjectStorageOperator,
    SalesforceUpsertOperator,
)
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.triggers.salesforce import SalesforceBulkJobsTrigger
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import context_of, deferral_of, event_of, resumed, run
from tests.systems.live import fault, switch

try:
    from airflow.sdk.io import attach
except ImportError:
    from airflow.io.store import attach

KEY = "Brightpearl_Id__c"
SEARCH = "order-service/order-search"


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    quiet: dict[str, dict[str, object]] = {
        "brightpearl": {"throttle": False},
        "salesforce": {"bulk_polls": 0},
    }
    with Sandbox(customers=8, products=4, orders=30, days=10, seed=3, settings=quiet) as sandbox:
        yield sandbox


@pytest.fixture(scope="module", autouse=True)
def memory() -> None:
    """Airflow's object storage knows the schemes of installed providers; this one is fsspec's own."""
    attach("memory", fs=MemoryFileSystem())


@pytest.fixture
def sandbox(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    world.reset()
    for system in ("brightpearl", "salesforce"):
        world.control("DELETE", f"/settings/{system}")
    connect_airflow(world, tmp_path, monkeypatch)
    return world


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Brightpearl to a file


def to_file(**arguments: Any) -> BrightpearlToObjectStorageOperator:
    return BrightpearlToObjectStorageOperator(task_id="orders", **arguments)


def test_a_stream_as_json_lines_and_as_parquet(sandbox, tmp_path):
    written = run(to_file(path=str(tmp_path / "new" / "orders.jsonl"), stream="sales_orders"))
    records = lines(tmp_path / "new" / "orders.jsonl")
    assert (written["path"], written["records"]) == (str(tmp_path / "new" / "orders.jsonl"), len(records))
    assert written["records"] > 10
    run(to_file(path=f"file://{tmp_path}/orders.parquet", stream="sales_orders"))
    rows = duckdb.sql(
        f"SELECT id, totalValue.total, typeof(totalValue.total) FROM '{tmp_path}/orders.parquet' ORDER BY id"
    ).fetchall()
    totals = sorted((record["id"], Decimal(record["totalValue"]["total"])) for record in records)
    assert totals == [row[:2] for row in rows]
    assert {"DECIMAL"} == {row[2][:7] for row in rows}
    assert ["new", "orders.parquet"] == sorted(
        each.name for each in tmp_path.iterdir() if each.name != "brightpearl"
    )


def test_ids_windows_and_what_is_missing(sandbox, tmp_path):
    path = tmp_path / "orders.jsonl"
    run(to_file(path=str(path), stream="sales_orders"))
    known = lines(path)
    some = run(to_file(path=str(path), stream="sales_orders", ids=f"{known[0]['id']}, 999999999"))
    assert (1, ["999999999"]) == (some["records"], some["missing"])
    since = sorted(record["createdOn"] for record in known)[-1]
    assert 1 <= run(to_file(path=str(path), stream="sales_orders", start=since))["records"] < len(known)
    assert 0 == run(to_file(path=str(path), stream="sales_orders", end="2001-01-01"))["records"]


def test_rows_of_a_search_and_the_records_that_it_finds(sandbox, tmp_path):
    search = {"search": SEARCH, "columns": ["orderId", "createdOn"], "filters": {"orderTypeId": "1"}}
    rows = run(to_file(path=str(tmp_path / "rows.parquet"), **search))
    kinds = duckdb.sql(f"DESCRIBE SELECT * FROM '{tmp_path}/rows.parquet'").fetchall()
    assert [("orderId", "BIGINT"), ("createdOn", "VARCHAR")] == [each[:2] for each in kinds]
    found = run(
        to_file(path=str(tmp_path / "found"), file_format="jsonl", resource="order-service/order", **search)
    )
    assert rows["records"] == found["records"] == len({each["id"] for each in lines(tmp_path / "found")})


def test_records_that_a_search_finds_and_the_account_does_not_give_are_missing(sandbox, tmp_path):
    search = {"search": SEARCH, "columns": ["orderId"], "filters": {"orderTypeId": "1"}}
    one = json.dumps({"response": [{"id": 100001}]})
    fault(sandbox, system="brightpearl", path="/order-service/order/", status=200, body=one)
    found = run(to_file(path=str(tmp_path / "found.jsonl"), resource="order-service/order", **search))
    rows = run(to_file(path=str(tmp_path / "rows.jsonl"), **search))["records"]
    assert (1, rows - 1) == (found["records"], len(found["missing"]))
    assert "100002" in found["missing"] and "100001" not in found["missing"]


def test_a_file_in_object_storage(sandbox):
    path = compat.ObjectStoragePath("memory://bucket/orders.jsonl")
    written = run(to_file(path=path, stream="sales_orders"))
    assert written["records"] == len(path.read_bytes().splitlines())
    assert ["orders.jsonl"] == [each.name for each in path.parent.iterdir()]


@pytest.mark.parametrize("place", ["file", "memory"])
def test_nothing_half_written_is_left(sandbox, tmp_path, place):
    folder = compat.ObjectStoragePath(f"file://{tmp_path}/out" if place == "file" else "memory://half")
    path = folder / "orders.jsonl"
    run(to_file(path=path, stream="sales_orders", end="2001-01-01"))
    fault(sandbox, system="brightpearl", path="/order-service/order/", status=401, body="{}")
    with pytest.raises(compat.AirflowFailException):
        run(to_file(path=path, stream="sales_orders"))
    assert (["orders.jsonl"], b"") == ([each.name for each in folder.iterdir()], path.read_bytes())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "give either stream or search"),
        ({"stream": "orders"}, "stream 'orders' must be one of contacts, "),
        ({"stream": "contacts", "columns": ["a"]}, "are for a search, not for a stream"),
        ({"stream": "contacts", "start": "soon"}, "'soon' is not a valid timestamp"),
        ({"search": SEARCH}, "columns is missing"),
        ({"stream": "contacts", "file_format": "csv"}, "file_format 'csv' is not one of jsonl, parquet"),
    ],
)
def test_parameters_that_do_not_go_together_are_named(sandbox, tmp_path, arguments, reason):
    with pytest.raises(compat.AirflowFailException, match=reason):
        run(to_file(path=str(tmp_path / "x.jsonl"), **arguments))


def test_a_quota_that_opens_late_is_waited_for_without_a_worker(sandbox, tmp_path):
    path = tmp_path / "orders.jsonl"
    headers = {"brightpearl-requests-remaining": "0", "brightpearl-next-throttle-period": "90000"}
    fault(
        sandbox,
        system="brightpearl",
        path="/order-service/order/",
        status=503,
        headers=headers,
        body="{}",
        times=1,
    )
    task = to_file(path=str(path), stream="sales_orders", deferrable=True)
    pause = deferral_of(task)
    assert ("resume", False) == (pause.method_name, path.exists())
    assert resumed(task, pause, event_of(pause, outcome="over"))["records"] == len(lines(path))


# a file to Salesforce


def upsert(path: Any, **arguments: Any) -> SalesforceUpsertOperator:
    given = {"object_name": "Account", "external_id_field": KEY, **arguments}
    return SalesforceUpsertOperator(task_id="accounts", path=str(path), **given)


def accounts(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return {row[KEY]: row for row in sandbox.snapshot("salesforce", "Account") if row.get(KEY)}


def write_accounts(path: Path, count: int, *more: dict[str, Any]) -> None:
    rows = [*({KEY: f"a{number}", "Name": f"Ünit {number}"} for number in range(count)), *more]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_few_rows_go_by_collections_and_refused_ones_into_a_file_beside(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 3, {KEY: "bad"})
    task = upsert(path)
    pushed: dict[str, Any] = {}
    with pytest.raises(compat.AirflowFailException, match="1 rows were refused, more than max_refused=0"):
        run(task, pushed)
    summary = pushed["return_value"]
    assert (4, 3, 1, []) == tuple(summary[name] for name in ("rows", "written", "refused", "jobs"))
    [refused] = lines(tmp_path / "accounts.jsonl.refused.jsonl")
    assert ("bad", "REQUIRED_FIELD_MISSING", {KEY: "bad"}) == (
        refused["key"],
        refused["code"],
        refused["row"],
    )
    assert {"a0", "a1", "a2"} <= set(accounts(sandbox))
    assert 1 == run(upsert(path, max_refused="1"))["refused"]
    write_accounts(path, 3)
    assert (3, None) == tuple(run(upsert(path))[name] for name in ("written", "refused_path"))
    assert not (tmp_path / "accounts.jsonl.refused.jsonl").exists()


@pytest.mark.parametrize("bulk", [False, True])
def test_a_csv_file_is_typed_by_the_org(sandbox, tmp_path, bulk):
    path = tmp_path / "accounts.csv"
    path.write_text(f"{KEY},Name,NumberOfEmployees,Description\nc1,Üñ,12,first\n", encoding="utf-8")
    assert 1 == run(upsert(path, bulk=bulk))["written"]
    path.write_text(f"{KEY},Name,NumberOfEmployees,Description\nc1,,#N/A,\n", encoding="utf-8")
    assert 1 == run(upsert(path, bulk=bulk))["written"]
    row = accounts(sandbox)["c1"]
    assert ("Üñ", None, "first") == (row["Name"], row.get("NumberOfEmployees"), row["Description"])


def test_a_text_that_bulk_jobs_take_for_null_is_written(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    rows = [{KEY: f"n{number}", "Name": "#N/A" if number in (1, 3) else f"N{number}"} for number in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert 5 == run(upsert(path, bulk=True))["written"]
    assert {row[KEY]: row["Name"] for row in rows} == {
        key: row["Name"] for key, row in accounts(sandbox).items() if key in {row[KEY] for row in rows}
    }


def test_a_parquet_file_in_object_storage(sandbox, tmp_path):
    local = tmp_path / "accounts.parquet"
    duckdb.sql(
        f"COPY (SELECT 'p' || i AS {KEY}, 'P' || i AS Name FROM range(3) t(i)) TO '{local}' (FORMAT parquet)"
    )
    path = compat.ObjectStoragePath("memory://in/accounts.parquet")
    path.write_bytes(local.read_bytes())
    assert 3 == run(upsert(path))["written"]
    assert {"p0", "p1", "p2"} <= set(accounts(sandbox))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"Name": "a"}\n', f"accounts.jsonl, row 1: {KEY} is missing"),
        ((json.dumps({KEY: "a"}) + "\n") * 2, f"accounts.jsonl, row 2: duplicate {KEY} a"),
        ("nonsense\n", "accounts.jsonl, line 1: not a JSON object"),
    ],
)
def test_a_file_with_a_fault_sends_nothing(sandbox, tmp_path, text, reason):
    path = tmp_path / "accounts.jsonl"
    path.write_text(text)
    before = accounts(sandbox)
    with pytest.raises(compat.AirflowFailException, match=reason):
        run(upsert(path))
    assert before == accounts(sandbox)


def test_a_file_that_does_not_exist_is_named(sandbox, tmp_path):
    with pytest.raises(compat.AirflowFailException, match=f"there is no file {tmp_path}/none.csv"):
        run(upsert(tmp_path / "none.csv"))


def test_many_rows_go_by_bulk_jobs_and_the_worker_waits(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 1200, {KEY: "bad"})
    summary = run(upsert(path, max_refused=1))
    assert (1201, 1200, 1, 1) == (
        summary["rows"],
        summary["written"],
        summary["refused"],
        len(summary["jobs"]),
    )
    [refused] = lines(tmp_path / "accounts.jsonl.refused.jsonl")
    assert ("bad", "REQUIRED_FIELD_MISSING") == (refused["key"], refused["code"])


def test_a_deferred_task_goes_on_with_the_job_and_sends_nothing_twice(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    task = upsert(path, bulk=True, deferrable=True)
    waiting = deferral_of(task)
    jobs = [job["id"] for job in sandbox_jobs()]
    kind, arguments = waiting.trigger.serialize()
    assert "airflow_provider_brightpearl.triggers.salesforce.SalesforceBulkJobsTrigger" == kind
    event = fired(SalesforceBulkJobsTrigger(**json.loads(json.dumps(arguments))))
    assert "ended" == event["outcome"]
    fresh = upsert(path, bulk=True, deferrable=True)
    assert 5 == resumed(fresh, waiting, event)["written"]
    assert (1, jobs) == (len(jobs), [job["id"] for job in sandbox_jobs()])


def test_a_file_that_was_replaced_while_the_task_waited_is_not_sent_by_half(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 250)
    task = upsert(path, bulk=False, deferrable=True)
    state = {"rows": 250, "sent": 200, "digest": "that of another file"}
    with pytest.raises(
        compat.AirflowFailException, match="has changed while the task waited, after 200 of 250"
    ):
        task.resume(context_of(task), {"state": state})


def test_rows_that_were_locked_are_sent_again_by_a_second_job(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    task = upsert(path, bulk=True, deferrable=True)
    locks = {"object": "Account", "code": "UNABLE_TO_LOCK_ROW", "times": 2}
    switch(sandbox, "salesforce", row_faults=[locks])
    waiting = deferral_of(task)
    with pytest.raises(BaseException) as raised:
        resumed(task, waiting, event_of(waiting, outcome="ended"))
    again = raised.value
    assert "TaskDeferred" == type(again).__name__
    assert 5 == resumed(task, again, event_of(again, outcome="ended"))["written"]


@pytest.mark.parametrize("retry", [False, True])
def test_a_job_that_failed_fails_the_task(sandbox, tmp_path, retry):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    task = upsert(path, bulk=True, deferrable=True)
    waiting = deferral_of(task)
    with pytest.raises(Exception, match="the job is lost") as raised:
        resumed(task, waiting, event_of(waiting, outcome="failed", message="the job is lost", retry=retry))
    assert retry != isinstance(raised.value, compat.AirflowFailException)


def test_a_field_that_the_org_does_not_have_is_for_a_person(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    path.write_text(json.dumps({KEY: "a", "Nme": "x"}) + "\n")
    task = upsert(path, bulk=True, deferrable=True)
    event = fired(deferral_of(task).trigger)
    assert ("failed", False, True) == (event["outcome"], event["retry"], "Nme" in event["message"])


def test_a_user_who_ends_the_task_ends_the_job(sandbox, tmp_path):
    switch(sandbox, "salesforce", bulk_polls=1000)
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    trigger = deferral_of(upsert(path, bulk=True, deferrable=True)).trigger
    asyncio.run(trigger.on_kill())
    assert ["Aborted"] == [job["state"] for job in sandbox_jobs()]
    assert "Aborted" in fired(trigger)["message"]


@pytest.mark.skipif(compat.airflow_version() >= (3, 0), reason="Airflow 3.3 calls on_kill itself")
@pytest.mark.parametrize("ended", [True, False])
def test_airflow_2_cancels_the_trigger_of_a_task_that_was_ended_or_moved(sandbox, tmp_path, ended):
    switch(sandbox, "salesforce", bulk_polls=100_000)
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    trigger = deferral_of(upsert(path, bulk=True, deferrable=True)).trigger
    trigger._no_longer_deferred = lambda: ended

    async def cancelled() -> None:
        waiting = asyncio.ensure_future(anext(trigger.run()))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancelled())
    [job] = sandbox_jobs()
    assert ended == (job["state"] == "Aborted")


def test_a_worker_that_is_told_to_stop_ends_the_job(sandbox, tmp_path):
    switch(sandbox, "salesforce", bulk_polls=100_000)
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    task = upsert(path, bulk=True)
    with ThreadPoolExecutor(1) as worker:
        # past execute, whose guard against calls by hand knows only the main thread
        working = worker.submit(task.resume, context_of(task))
        while not (task._at and task._at.running) and not working.done():
            time.sleep(0.05)
        task.on_kill()
        with pytest.raises(Unavailable, match="Aborted"):
            working.result()
    assert ["Aborted"] == [job["state"] for job in sandbox_jobs()]


def test_a_look_that_fails_does_not_end_the_waiting(sandbox, tmp_path):
    path = tmp_path / "accounts.jsonl"
    write_accounts(path, 5)
    trigger = deferral_of(upsert(path, bulk=True, deferrable=True)).trigger
    body = [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}]
    fault(sandbox, system="salesforce", method="GET", path="/jobs/ingest/", status=503, body=body, times=4)
    assert "ended" == fired(trigger)["outcome"]


def fired(trigger: Any) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        raise AssertionError("the trigger ended without an event")

    trigger.since = time.time()
    return asyncio.run(first())


def sandbox_jobs() -> Iterator[dict[str, Any]]:
    from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook

    yield from SalesforceHook().client.request("GET", "jobs/ingest")["records"]
