from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports import Binding
from airflow_provider_brightpearl.stores.bindings import Bindings


def bound(
    key: str, *, source_id: str = "1", target_id: str = "", run: str = "r1", name: str = "Order"
) -> Binding:
    return Binding("orders", name, key, source_id, target_id or f"T{key}", f"print {run}", run, run)


def test_what_is_bound_is_found_by_record_and_by_key(engine: Engine) -> None:
    bindings = Bindings(engine)
    rows = [bound("1"), bound("1-2", name="OrderItem"), bound("9", source_id="9")]
    bindings.bind(rows)

    assert bindings.of_records("orders", ["1"]) == rows[:2]
    assert bindings.of_records("other", ["1"]) == []
    assert bindings.resolve("orders", "Order", iter(["1", "9", "none"])) == {"1": "T1", "9": "T9"}


def test_binding_again_replaces_but_keeps_the_run_that_created_the_row(engine: Engine) -> None:
    bindings = Bindings(engine)
    bindings.bind([bound("1", run="r1")])
    bindings.bind([bound("1", run="r2")])

    assert bindings.of_records("orders", ["1"]) == [replace(bound("1", run="r2"), created_run="r1")]

    bindings.bind([bound("1", target_id="another", run="r3")])

    assert bindings.of_records("orders", ["1"]) == [bound("1", target_id="another", run="r3")]


def test_the_last_of_several_with_one_key_counts(engine: Engine) -> None:
    bindings = Bindings(engine)
    bindings.bind([bound("1", target_id="first"), bound("1", target_id="last")])

    assert bindings.resolve("orders", "Order", ["1"]) == {"1": "last"}


def test_unbound_keys_are_gone(engine: Engine) -> None:
    bindings = Bindings(engine)
    bindings.bind([bound("1"), bound("2"), bound("1", name="Other")])
    bindings.unbind("orders", "Order", ["1", "unknown"])

    assert bindings.resolve("orders", "Order", ["1", "2"]) == {"2": "T2"}
    assert bindings.resolve("orders", "Other", ["1"]) == {"1": "T1"}


def test_nothing_is_fine(engine: Engine) -> None:
    bindings = Bindings(engine)
    bindings.bind([])
    bindings.unbind("orders", "Order", [])

    assert bindings.of_records("orders", []) == []
    assert bindings.resolve("orders", "Order", []) == {}


@pytest.mark.slow
def test_twenty_thousand_are_quick(engine: Engine) -> None:
    bindings = Bindings(engine)
    rows = [bound(str(number), source_id=str(number)) for number in range(20_000)]
    started = time.perf_counter()
    bindings.bind(rows)
    bindings.bind(rows)
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
                Bindings(engine).bind(mine)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(mine,)) for mine in (rows, rows[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    assert len(Bindings(engine).of_records("orders", ["1"])) == 1500
