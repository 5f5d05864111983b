"""Intents on a state database; what all intents promise is in ``tests/contracts``."""

from __future__ import annotations

import threading
from dataclasses import replace

from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Intent
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores.intents import SqlIntents


def intent(key: str, run: str = "run1") -> Intent:
    return Intent("orders", "Order", key, f"digest {key}", run)


def test_those_in_doubt_are_listed_of_one_flow_or_of_all_the_oldest_first(engine: Engine) -> None:
    store = SqlIntents(engine)
    [first] = store.begin([intent("2")])
    store.begin([intent("1"), replace(intent("9"), flow="journals")])
    done, refused, due = store.begin([intent("4"), intent("5"), intent("6")])
    store.confirm([done])
    store.fail([refused])
    store.plan([due])
    assert ["2", "1"] == [each.key for each in store.in_doubt("orders")]
    assert {"1", "2", "9"} == {each.key for each in store.in_doubt()}
    assert [first] == store.in_doubt(limit=1)
    assert [] == store.in_doubt("payments")


def test_of_two_workers_that_begin_at_once_one_does(engine: Engine) -> None:
    results: list[str] = []
    together = threading.Barrier(2)

    def work(run: str) -> None:
        together.wait()
        try:
            SqlIntents(engine).begin([intent(str(number), run) for number in range(20)])
            results.append("began")
        except Unavailable:
            results.append("stepped back")

    threads = [threading.Thread(target=work, args=(f"run{number}",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["began", "stepped back"] == sorted(results)
    assert 1 == len({each.run for each in SqlIntents(engine).in_doubt()})


def test_thousands_fit(engine: Engine) -> None:
    store = SqlIntents(engine)
    begun = store.begin([intent(str(number)) for number in range(1200)])
    store.confirm([replace(each, target_id=each.key) for each in begun])
    assert 1200 == len(store.of("orders", "Order", [str(number) for number in range(1200)]))
