"""The crosswalk on a state database; what every crosswalk promises is in ``tests/contracts``."""

from __future__ import annotations

import threading
import time

import pytest
from msgspec.structs import replace
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.stores import crosswalk
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk


def bound(key: str, source_id: str = "1") -> Binding:
    return Binding("orders", "Order", key, source_id, f"T{key}", "print r1", "r1", "r1")


def test_roots_are_read_page_by_page(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosswalk, "_PAGE", 3)
    rows = [bound(str(key)) for key in range(7)]
    bindings = SqlCrosswalk(engine)
    bindings.bind(rows)
    assert [replace(row, revision=1) for row in rows] == list(bindings.roots("orders", "Order"))


@pytest.mark.parametrize("rows", [2, 3, 6])
def test_a_last_page_that_is_full_is_no_trouble(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(crosswalk, "_PAGE", 3)
    bindings = SqlCrosswalk(engine)
    bindings.bind([bound(str(key)) for key in range(rows)])
    assert rows == len(list(bindings.roots("orders", "Order")))


@pytest.mark.parametrize("field", ["key", "source_id", "target_id", "source_version"])
def test_a_text_that_a_database_does_not_take_is_named(engine: Engine, field: str) -> None:
    rows = [bound("1"), replace(bound("2"), **{field: "a\ud800b"})]
    with pytest.raises(SchemaMismatch, match=f"Order of record .*: {field} 'a.ud800b' has a character that"):
        SqlCrosswalk(engine).bind(rows)
    assert [] == list(SqlCrosswalk(engine).roots("orders", "Order"))


@pytest.mark.slow
def test_twenty_thousand_are_quick(engine: Engine) -> None:
    bindings = SqlCrosswalk(engine)
    rows = [bound(str(number), str(number)) for number in range(20_000)]
    started = time.perf_counter()
    bindings.bind(rows)
    bindings.bind([replace(row, revision=1) for row in rows])
    found = bindings.resolve("orders", "Order", (row.key for row in rows))
    seconds = time.perf_counter() - started

    assert len(found) == 20_000
    assert seconds < 60, f"took {seconds:.1f} s"


def test_two_workers_bind_the_same_rows_in_opposite_order(engine: Engine) -> None:
    rows = [bound(str(number)) for number in range(1500)]
    failures: list[BaseException] = []

    def work(mine: list[Binding]) -> None:
        try:
            for _ in range(3):
                SqlCrosswalk(engine).bind(mine)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(mine,)) for mine in (rows, rows[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    assert len(SqlCrosswalk(engine).of_records("orders", ["1"])) == 1500


def test_a_key_with_nul_is_bound_nowhere(engine: Engine) -> None:
    assert {} == SqlCrosswalk(engine).resolve("flow", "Thing", ["a\x00b"])
