from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.changes import Change
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.errors import TimedOut, Unavailable
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.intent_log import IntentLog, PendingRows, digest_of
from tests.postgres import sqlite_url


def intent_log(folder: Path, run: str, naps: list[float], later: float = 0.0) -> IntentLog:
    store = SqlIntents(open_engine(sqlite_url(folder)))
    return IntentLog(
        store, "orders", "Order", run, 60.0, naps.append, lambda: datetime.now(UTC) + timedelta(seconds=later)
    )


def test_what_is_in_doubt_is_waited_for_before_it_is_looked_for(tmp_path: Path) -> None:
    naps: list[float] = []
    first = intent_log(tmp_path, "run1", naps)
    first.load({"1": "a", "2": "b"})
    first.wait_until_quiet()
    first.begin({"1": "a", "2": "b"}, "head", {"1": "BP1"})
    first.confirm({"2": "0010000456"})
    assert [] == naps

    again = intent_log(tmp_path, "run2", naps, later=20)
    again.load({"1": "a", "2": "b"})
    assert {"1": IntentState.IN_DOUBT, "2": IntentState.DONE} == {k: i.state for k, i in again.known.items()}
    again.wait_until_quiet()
    assert 38 < naps[0] <= 40
    later = intent_log(tmp_path, "run3", naps, later=70)
    later.load({"1": "a"})
    later.wait_until_quiet()
    assert 1 == len(naps)


def test_two_runs_do_not_write_the_same_record_at_once(tmp_path: Path) -> None:
    one, two = intent_log(tmp_path, "run1", []), intent_log(tmp_path, "run2", [])
    for each in (one, two):
        each.load({"1": "a"})
    one.begin({"1": "a"})
    with pytest.raises(Unavailable, match="another worker"):
        two.begin({"1": "a"})


def test_digests_depend_on_rows_and_not_on_their_order() -> None:
    one, two = Change("Order", "1", "{}", "f1"), Change("OrderLine", "1-1", "{}", "f2")
    assert digest_of([one, two]) == digest_of([two, one])
    assert digest_of([one]) != digest_of([one, two])


def test_rows_without_an_answer_are_told_at_the_end() -> None:
    PendingRows().check("infor")
    with pytest.raises(TimedOut, match="1, 2, 3, 4, 5 and 1 more: no answer"):
        PendingRows(lost=list("123456"), unreached=["7"]).check("infor")
    with pytest.raises(Unavailable, match="ended the job before them"):
        PendingRows(unreached=["7"]).check("infor")
