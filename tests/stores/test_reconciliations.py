from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports import Binding
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import bindings as bindings_module
from airflow_provider_brightpearl.stores import schema
from airflow_provider_brightpearl.stores.bindings import Bindings
from airflow_provider_brightpearl.stores.dead_letters import DeadLetters
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.reconciliations import Reconciliation, Reconciliations

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ENTRY = Reconciliation(
    flow="orders",
    run="scheduled__2026-06-01",
    state="drift",
    period=Window(NOON - timedelta(days=30), NOON),
    counts={
        "source": 10,
        "target": 9,
        "matched": 8,
        "missing": 1,
        "differing": 1,
        "deleted": 2,
        "pending": 3,
    },
    money={"source": {"KWD": "12345678901234.567"}, "target": {}},
    ids={"missing": ["7"]},
    calls={"brightpearl": 2},
    note="n",
    started_at=NOON,
)


def test_a_reconciliation_comes_back_as_it_was_recorded(engine: Engine) -> None:
    kept = Reconciliations(engine)
    kept.record(ENTRY)
    assert [ENTRY] == kept.latest("orders")
    assert [] == kept.latest("products")
    with reading(engine) as connection:
        [row] = connection.execute(sa.select(schema.reconciliation))
    assert (10, 9, 8, 1, 1, 2) == tuple(
        getattr(row, name)
        for name in ("in_source", "in_target", "matched", "missing", "differing", "deleted")
    )


def test_what_was_done_about_it_replaces_it_and_the_newest_comes_first(engine: Engine) -> None:
    kept = Reconciliations(engine)
    kept.record(ENTRY)
    done = replace(ENTRY, state="repaired", repaired=2, removed=1, ended_at=NOON + timedelta(minutes=1))
    kept.record(done)
    later = replace(ENTRY, run="later", started_at=NOON + timedelta(days=1), period=Window(None, NOON))
    kept.record(later)
    assert [later, done] == kept.latest("orders")
    assert [later] == kept.latest("orders", 1)


def test_a_database_of_the_version_before_gets_the_table(engine: Engine) -> None:
    with writing(engine) as connection:
        schema.reconciliation.drop(connection)
        connection.execute(schema.schema.delete())
        connection.execute(schema.schema.insert().values(version=2))
        schema.create(connection)
        assert schema.VERSION == schema.version(connection)
        assert sa.inspect(connection).has_table("bp_reconciliation")


def test_all_bound_rows_of_an_object_come_page_by_page(engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(bindings_module, "_PAGE", 3)
    bindings = Bindings(engine)
    rows = [Binding("orders", "Order", str(key), str(key), f"t{key}", "f", "r", "r") for key in range(7)]
    others = [replace(rows[0], object="OrderItem"), replace(rows[0], flow="products")]
    bindings.bind([*rows, *others])
    assert rows == sorted(bindings.roots("orders", "Order"), key=lambda row: row.key)
    assert [] == list(bindings.roots("orders", "Account"))


def test_rejected_and_parked_records_wait_and_resolved_ones_do_not(engine: Engine) -> None:
    letters = DeadLetters(engine)
    waits = Rejection("2", Stage.TRANSFORM, "waits", waits_for=("customers", "Account", "9"))
    letters.keep("orders", "r", "v", [(Rejection("1", Stage.LOAD, "no"), b"{}"), (waits, b"{}")])
    letters.keep("orders", "r", "v", [(Rejection("3", Stage.LOAD, "no"), b"{}")])
    letters.resolve("orders", "r", ["3"])
    assert {"1", "2"} == letters.waiting("orders", ["1", "2", "3", "4"])
    assert set() == letters.waiting("products", ["1"])
