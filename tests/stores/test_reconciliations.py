from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading
from airflow_provider_brightpearl.stores.reconciliations import SqlReconciliations

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
REPORT = ReconcileReport(
    flow="orders",
    run="scheduled__2026-06-01",
    state=ReconcileState.DRIFT,
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
    money={"source": {"KWD": Decimal("12345678901234.567")}, "target": {}},
    ids={"missing": ("7",)},
    calls={"brightpearl": 2},
    note="n",
    started_at=NOON,
)


def test_a_reconciliation_comes_back_as_it_was_recorded(engine: Engine) -> None:
    kept = SqlReconciliations(engine)
    kept.record(REPORT)
    [found] = kept.latest("orders")
    assert REPORT == found
    assert "12345678901234.567" == str(found.money["source"]["KWD"])
    assert [] == kept.latest("products")
    with reading(engine) as connection:
        [row] = connection.execute(sa.select(tables.reconciliation))
    assert (10, 9, 8, 1, 1, 2) == tuple(
        getattr(row, name)
        for name in ("in_source", "in_target", "matched", "missing", "differing", "deleted")
    )


def test_what_was_done_about_it_replaces_it_and_the_newest_comes_first(engine: Engine) -> None:
    kept = SqlReconciliations(engine)
    kept.record(REPORT)
    done = replace(
        REPORT, state=ReconcileState.REPAIRED, repaired=2, removed=1, ended_at=NOON + timedelta(minutes=1)
    )
    kept.record(done)
    later = replace(REPORT, run="later", started_at=NOON + timedelta(days=1), period=Window(None, NOON))
    kept.record(later)
    assert [later, done] == kept.latest("orders")
    assert [later] == kept.latest("orders", 1)


def test_what_was_to_be_repaired_is_not_kept(engine: Engine) -> None:
    kept = SqlReconciliations(engine)
    kept.record(replace(REPORT, drift=2, max_repair=9, repair=("7",), remove=("8",), stale_bindings=("9",)))
    assert [REPORT] == kept.latest("orders")
