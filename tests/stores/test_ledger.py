from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports import RunEntry
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.stores import schema
from airflow_provider_brightpearl.stores.engine import open_engine, reading
from airflow_provider_brightpearl.stores.ledger import Ledger

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
ENTRY = RunEntry(
    run="scheduled__2024-06-01T12:00:00+00:00",
    flow="orders",
    kind="scheduled",
    state="success",
    window=Window(None, NOON),
    mapping_version="abc",
    counts=Counts(extracted=3, created=1, updated=1, rejected=1),
    calls=Calls({"brightpearl": 4}, {"brightpearl": 3}),
    money={"extracted": {"EUR": Decimal("12345678901234.5600")}, "written": {}},
    started_at=NOON,
    ended_at=NOON + timedelta(seconds=90),
    reasons=(("no country", 1),),
    note="n",
)


def test_a_run_comes_back_as_it_was_recorded(engine: Engine) -> None:
    ledger = Ledger(engine)
    ledger.record(ENTRY)

    assert ledger.runs("orders") == [ENTRY]
    assert str(ledger.runs("orders")[0].money["extracted"]["EUR"]) == "12345678901234.5600"
    assert ledger.watermark("orders") is None


def test_a_run_recorded_again_is_one_row_and_the_newest_come_first(engine: Engine) -> None:
    ledger = Ledger(engine)
    later = replace(ENTRY, run="later", started_at=NOON + timedelta(hours=1), window=None, ended_at=None)
    ledger.record(replace(ENTRY, state="failed", counts=Counts()))
    ledger.record(ENTRY)
    ledger.record(later)
    ledger.record(replace(ENTRY, flow="other"))

    assert ledger.runs("orders") == [later, ENTRY]
    assert ledger.runs("orders", limit=1) == [later]


def test_the_watermark_and_the_run_are_written_together_or_not_at_all(engine: Engine) -> None:
    ledger = Ledger(engine)
    naive = datetime(2024, 6, 1)  # noqa: DTZ001
    with pytest.raises(sa.exc.StatementError):
        ledger.record(ENTRY, naive)

    assert ledger.runs("orders") == []
    assert ledger.watermark("orders") is None


def test_each_flow_has_its_own_watermark(engine: Engine) -> None:
    ledger = Ledger(engine)
    ledger.record(ENTRY, NOON)

    assert (ledger.watermark("orders"), ledger.watermark("other")) == (NOON, None)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1), timezones=ZONES)  # noqa: DTZ001


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(INSTANTS, min_size=1, max_size=8))
def test_the_watermark_only_moves_forward(engine: Engine, instants: list[datetime]) -> None:
    ledger = Ledger(engine)
    flow = f"flow {instants!r}"
    seen = []
    for instant in instants:
        ledger.record(replace(ENTRY, flow=flow), instant)
        seen.append(ledger.watermark(flow))

    assert seen == [max(instants[: number + 1]) for number in range(len(instants))]


def test_check_leaves_nothing_behind(engine: Engine) -> None:
    Ledger(engine).check()

    with reading(engine) as connection:
        assert connection.execute(sa.select(schema.run)).all() == []


def test_check_notices_a_sqlite_file_that_cannot_be_written(tmp_path: Path) -> None:
    open_engine(f"sqlite:///{tmp_path}/state.db").dispose()
    engine = open_engine(f"sqlite:///file:{tmp_path}/state.db?mode=ro&uri=true")

    with pytest.raises(Unavailable, match="readonly database"):
        Ledger(engine).check()
    engine.dispose()


def test_check_notices_a_postgres_that_only_reads(postgres_url: str) -> None:
    open_engine(postgres_url).dispose()
    engine = open_engine(postgres_url + "?options=-c%20default_transaction_read_only%3Don")

    with pytest.raises(Unavailable, match="read-only transaction"):
        Ledger(engine).check()
    engine.dispose()
