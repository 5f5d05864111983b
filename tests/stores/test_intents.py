from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports import Intent, IntentState
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores import schema
from airflow_provider_brightpearl.stores.engine import open_engine, writing
from airflow_provider_brightpearl.stores.intents import Intents


def intent(key: str, run: str = "run1", **more: str) -> Intent:
    return Intent("orders", "Order", key, f"digest {key}", run, **more)


def test_an_intent_is_in_doubt_until_it_is_confirmed(engine: Engine) -> None:
    store = Intents(engine)
    begun = store.begin([intent("1"), intent("2"), intent("3")])
    store.confirm([replace(begun[0], target_id="0010000456")])
    store.fail([replace(begun[1], reason="no such item")])

    found = store.of("orders", "Order", ["1", "2", "3", "4"])
    assert {
        "1": (IntentState.DONE, "0010000456", ""),
        "2": (IntentState.REFUSED, "", "no such item"),
        "3": (IntentState.IN_DOUBT, "", ""),
    } == {key: (each.state, each.target_id, each.reason) for key, each in found.items()}
    assert ["3"] == [each.key for each in store.in_doubt("orders")]
    assert [] == store.in_doubt("journals")


def test_each_step_is_written_down_with_what_was_begun(engine: Engine) -> None:
    store = Intents(engine)
    [head] = store.begin([intent("1", step="head")])
    store.begin([replace(head, step="confirm", reference="0000012345")])
    [found] = store.of("orders", "Order", ["1"]).values()
    assert ("confirm", "0000012345", 2) == (found.step, found.reference, found.attempt)
    assert found.changed_at is not None
    assert found.changed_at.tzinfo is not None


def test_a_worker_that_read_an_older_state_steps_back(engine: Engine) -> None:
    store = Intents(engine)
    store.begin([intent("1")])
    with pytest.raises(Unavailable, match="another worker"):
        store.begin([intent("0", "run2"), intent("1", "run2")])
    assert [("1", "run1")] == [(each.key, each.run) for each in store.in_doubt()]


def test_of_two_workers_that_begin_at_once_one_does(engine: Engine) -> None:
    results: list[str] = []
    together = threading.Barrier(2)

    def work(run: str) -> None:
        together.wait()
        try:
            Intents(engine).begin([intent(str(number), run) for number in range(20)])
            results.append("began")
        except Unavailable:
            results.append("stepped back")

    threads = [threading.Thread(target=work, args=(f"run{number}",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["began", "stepped back"] == sorted(results)
    assert 1 == len({each.run for each in Intents(engine).in_doubt()})


def test_a_late_answer_does_not_overwrite_what_came_after(engine: Engine) -> None:
    store = Intents(engine)
    [first] = store.begin([intent("1")])
    [again] = store.begin([first])
    store.confirm([replace(first, target_id="late")])
    assert IntentState.IN_DOUBT == store.of("orders", "Order", ["1"])["1"].state
    store.confirm([replace(again, target_id="right")])
    assert "right" == store.of("orders", "Order", ["1"])["1"].target_id


def test_thousands_fit(engine: Engine) -> None:
    store = Intents(engine)
    begun = store.begin([intent(str(number)) for number in range(1200)])
    store.confirm([replace(each, target_id=each.key) for each in begun])
    assert 1200 == len(store.of("orders", "Order", [str(number) for number in range(1200)]))


def test_a_database_of_the_release_before_gets_the_table(database_url: str) -> None:
    old = open_engine(database_url)
    with writing(old) as connection:
        schema.intent.drop(connection)
        connection.execute(sa.delete(schema.schema))
        connection.execute(schema.schema.insert().values(version=1))
    old.dispose()

    engine = open_engine(database_url)
    Intents(engine).begin([intent("1")])
    with writing(engine) as connection:
        schema.metadata.drop_all(connection)
    engine.dispose()
