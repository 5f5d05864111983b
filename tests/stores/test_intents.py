"""Intents on a state database; what all intents promise is in ``tests/contracts``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Intent, IntentState
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.tables import intent as table


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


def asked_and_planned(engine: Engine, ask: Callable[[], Any]) -> list[str]:
    """The plans of the queries that a call makes."""
    asked: list[tuple[str, Any]] = []

    def note(_one: Any, _two: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    queries = [each for each in asked if each[0].lstrip().startswith("SELECT") and "bp_intent" in each[0]]
    with engine.connect() as connection:
        return [
            "\n".join(
                str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
            )
            for statement, parameters in queries
        ]


@pytest.mark.parametrize(
    ("index", "ask"),
    [
        ("bp_intent_claim", lambda store: store.begin([intent("new")])),
        ("bp_intent_target", lambda store: store.made("orders", "Order", ["7"])),
        ("bp_intent_unsettled", lambda store: store.unsettled("orders", ["Order", "OrderItem"])),
        ("bp_intent_unsettled", lambda store: store.unsettled("orders", ["Order"], 10)),
        ("bp_intent_unsettled", lambda store: store.waiting("orders", ["Order"])),
    ],
)
def test_no_query_walks_all_writes_of_a_flow(
    engine: Engine, index: str, ask: Callable[[SqlIntents], Any]
) -> None:
    store = SqlIntents(engine)
    same = {"pair": "", "flow": "orders", "object": "Order", "state": IntentState.DONE.value, "claim": ""}
    texts = dict.fromkeys(("step", "reference", "digest", "run", "reason"), "")
    many = [
        {**same, **texts, "key": str(number), "target_id": str(number), "changed_at": datetime.now(UTC)}
        for number in range(5_000)
    ]
    with writing(engine) as connection:
        connection.execute(table.insert(), many)
        connection.execute(sa.text("ANALYZE" if engine.dialect.name == "postgresql" else "SELECT 1"))
    plans = asked_and_planned(engine, lambda: ask(store))
    assert plans
    assert all(index in plan for plan in plans), plans
