"""The ledger on a state database; what every ledger promises is in ``tests/contracts``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.records import Calls, Counts, Rejection, Stage
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.pipeline.settle import ENDED_WELL
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import open_engine, reading, writing
from airflow_provider_brightpearl.stores.ledger import SqlLedger

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
RUN = RunSummary("run 1", "orders", "manual", "done", None, "abc", Counts(), Calls(), {}, NOON)


def test_the_watermark_and_the_run_are_written_together_or_not_at_all(engine: Engine) -> None:
    ledger = SqlLedger(engine)
    naive = datetime(2024, 6, 1)  # noqa: DTZ001
    with pytest.raises(sa.exc.StatementError):
        ledger.record(RUN, naive)

    assert ledger.runs("orders") == []
    assert ledger.watermark("orders") is None


def test_what_stores_write_in_one_transaction_is_kept_whole_or_not_at_all(engine: Engine) -> None:
    ledger, letters = SqlLedger(engine), SqlDeadLetters(engine)
    refused = [(Rejection("1", Stage.LOAD, "no"), b"{}")]

    def write() -> None:
        letters.keep("orders", "run 1", "v", refused)
        # what is written is read, and others see it at the end only
        assert {"1"} == letters.waiting("orders", ["1"])
        ledger.record(RUN, NOON)

    with pytest.raises(KeyboardInterrupt), ledger.transaction():
        write()
        raise KeyboardInterrupt
    assert (set(), [], None) == (
        letters.waiting("orders", ["1"]), ledger.runs("orders"), ledger.watermark("orders"),
    )  # fmt: skip
    with ledger.transaction():
        write()
        with ThreadPoolExecutor() as another:
            assert set() == another.submit(letters.waiting, "orders", ["1"]).result()
    assert ({"1"}, 1, NOON) == (
        letters.waiting("orders", ["1"]), len(ledger.runs("orders")), ledger.watermark("orders"),
    )  # fmt: skip


def test_runs_are_those_of_a_pair_and_of_a_state_where_asked(engine: Engine) -> None:
    ledger = SqlLedger(engine)
    for hour, (name, pair, state) in enumerate(
        [("uk", "uk>1", "done"), ("uk failed", "uk>1", "failed"), ("us", "us>2", "done")]
    ):
        ledger.record(replace(RUN, run=name, pair=pair, state=state, started_at=NOON + timedelta(hours=hour)))
    assert ["us"] == [each.run for each in ledger.runs("orders", 1)]
    assert ["uk failed"] == [each.run for each in ledger.runs("orders", 1, "uk>1")]
    assert ["uk"] == [each.run for each in ledger.runs("orders", 1, "uk>1", ENDED_WELL)]


def test_check_leaves_nothing_behind(engine: Engine) -> None:
    SqlLedger(engine).check()

    with reading(engine) as connection:
        assert connection.execute(sa.select(tables.run)).all() == []


def test_a_database_keeps_its_name_until_it_is_emptied(engine: Engine) -> None:
    name = SqlLedger(engine).mark().identity
    assert name and name == SqlLedger(engine).mark().identity
    with writing(engine) as connection:
        connection.execute(tables.identity.delete())
    assert name != SqlLedger(engine).mark().identity


def test_writes_are_counted_and_those_that_are_rolled_back_are_not(engine: Engine) -> None:
    ledger = SqlLedger(engine)
    assert 0 == ledger.mark().writes
    ledger.advance()
    ledger.check()
    with pytest.raises(KeyboardInterrupt), ledger.transaction():
        ledger.advance()
        raise KeyboardInterrupt
    assert 1 == ledger.mark().writes


def test_check_notices_a_sqlite_file_that_cannot_be_written(tmp_path: Path) -> None:
    open_engine(f"sqlite:///{tmp_path}/state.db").dispose()
    engine = open_engine(f"sqlite:///file:{tmp_path}/state.db?mode=ro&uri=true")

    with pytest.raises(Unavailable, match="readonly database"):
        SqlLedger(engine).check()
    engine.dispose()


def test_check_notices_a_postgres_that_only_reads(postgres_url: str) -> None:
    open_engine(postgres_url).dispose()
    engine = open_engine(postgres_url + "?options=-c%20default_transaction_read_only%3Don")

    with pytest.raises(
        Unavailable, match=r"can only be read: .* read-only transaction.*Connect to the primary"
    ):
        SqlLedger(engine).check()
    engine.dispose()
