"""Two processes run one flow: one of them writes at a time, and one that comes back too late writes no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.reports import run_of
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading
from tests.flows.conftest import QUIET

ROOT = Path(__file__).parents[2]
FLOW = "customers_to_salesforce"
M3 = "customers_to_infor"
LEASE = 2.0


@dataclass
class Worker:
    process: subprocess.Popen[str]

    def ask(self, flow: str, run: str) -> None:
        assert self.process.stdin
        print(json.dumps({"flow": flow, "run": run}), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())


@dataclass
class Two:
    """Two workers over one sandbox and one state database."""

    sandbox: Sandbox
    state: Engine
    first: Worker
    second: Worker

    def rows(self, table: sa.Table) -> list[Any]:
        with reading(self.state) as connection:
            return list(connection.execute(sa.select(table)))


@pytest.fixture
def two(database_url: str, engine: Engine, tmp_path: Path) -> Iterator[Two]:
    with Sandbox(customers=40, products=1, orders=1, days=20, seed=11, settings=QUIET) as sandbox:
        given = {
            "url": sandbox.url,
            "folder": str(tmp_path),
            "state": database_url,
            "lease": LEASE,
            "wait": 60,
        }
        workers = [_start(given), _start(given)]
        try:
            for worker in workers:
                assert worker.process.stdout
                assert "ready\n" == worker.process.stdout.readline()
            yield Two(sandbox, engine, *workers)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.communicate()


def _start(given: dict[str, Any]) -> Worker:
    command = [sys.executable, "-m", "tests.flows.run_worker"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdin
    print(json.dumps(given), file=process.stdin, flush=True)
    return Worker(process)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_one_run_of_a_flow_writes_at_a_time_and_one_that_slept_writes_no_more(two: Two) -> None:
    _sleep_in_a_write(two)
    _begin_together(two)
    assert [] == two.rows(tables.dead_letter)
    assert [] == [row for row in two.rows(tables.intent) if row.state != "done"]
    assert all(row.expires_at < datetime.now(UTC) for row in two.rows(tables.lease))


def _sleep_in_a_write(two: Two) -> None:
    slow = {"system": "salesforce", "path": "composite", "delay_seconds": 2.0, "times": 1}
    two.sandbox.control("POST", "/faults", slow)
    two.first.ask(FLOW, "one")
    while not two.sandbox.control("GET", "/faults")[0]["hits"]:
        time.sleep(0.02)
    two.first.process.send_signal(signal.SIGSTOP)
    two.second.ask(FLOW, "two")
    ended = two.second.answer()
    two.first.process.send_signal(signal.SIGCONT)
    zombie = two.first.answer()
    assert "LeaseLost" == zombie.get("error"), zombie
    assert (
        f"{FLOW}: run one was silent for longer than its lease, and run two has taken over"
        in zombie["message"]
    )
    assert "done" == ended.get("state"), ended
    counts, accounts = ended["counts"], two.sandbox.snapshot("salesforce", "Account")
    accounts = [row for row in accounts if row.get("Brightpearl_Id__c")]
    assert counts["extracted"] == counts["created"] + counts["updated"] == len(accounts) == _roots(two, FLOW)
    # what the sleeping one had sent is there, and nobody claims to have created it
    assert [("two", "done")] == [(row.run, row.state) for row in two.rows(tables.run) if row.flow == FLOW]
    events = [row for row in two.rows(tables.record_event) if row.flow == FLOW]
    assert {"two"} == {run_of(row.run) for row in events}


def _begin_together(two: Two) -> None:
    two.first.ask(M3, "three")
    two.second.ask(M3, "four")
    ended = [two.first.answer(), two.second.answer()]
    assert ["done", "done"] == [each.get("state", each) for each in ended]
    created = sorted(each["counts"]["created"] for each in ended)
    assert [0, _roots(two, M3)] == created
    events = [row for row in two.rows(tables.record_event) if (row.flow, row.outcome) == (M3, "created")]
    assert created[1] == len({row.source_id for row in events}) == len(events)


def _roots(two: Two, flow: str) -> int:
    return len({row.source_id for row in two.rows(tables.binding) if row.flow == flow})
