"""State moves whole to another database, and with a flow to its new name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.errors import Misconfigured, OutOfBalance
from airflow_provider_brightpearl.stores import moving, tables
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import open_engine, reading, writing
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.moving import copy_state, rename_flow
from tests.postgres import clear, state_url

STATE = [each for each in tables.metadata.sorted_tables if each.name not in moving._OWN]
BY_FLOW = [each.name for each in STATE if "flow" in each.c]
START = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)


def value(column: sa.Column[Any], number: int) -> Any:
    if isinstance(column.type, sa.Integer):
        return number
    if isinstance(column.type, tables.Instant):
        return None if column.nullable and number % 2 else START + timedelta(seconds=number)
    return f"{column.name} {number} é 店 '\" \\"


def fill(engine: Engine, rows: int, **fixed: str) -> None:
    """Rows of every table, with a value in every column."""
    with writing(engine) as connection:
        for table in STATE:
            connection.execute(
                table.insert(),
                [
                    {**{each.name: fixed.get(each.name, value(each, number)) for each in table.c}}
                    for number in range(rows)
                ],
            )


def content(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    with reading(engine) as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in STATE
        }


def _other(database_url: str, request: pytest.FixtureRequest, folder: Path) -> str:
    kind = "postgresql" if database_url.startswith("sqlite") else "sqlite"
    return state_url(kind, request, folder)


@pytest.fixture
def source(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A full state database of the other kind than ``engine``."""
    other = open_engine(_other(database_url, request, tmp_path))
    fill(other, 23)
    yield other
    clear(other)


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_every_row_arrives_as_it_was(source: Engine, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_ROWS", 10)
    before = content(source)
    assert {table.name: 23 for table in STATE} == copy_state(url_of(source), engine)
    assert before == content(engine) == content(source)


def test_the_copy_is_another_database_to_runs_that_began_before(source: Engine, engine: Engine) -> None:
    named = SqlLedger(source).mark().identity
    copy_state(url_of(source), engine)
    assert named == SqlLedger(source).mark().identity != SqlLedger(engine).mark().identity


def test_state_is_copied_into_an_empty_database_only(source: Engine, engine: Engine) -> None:
    SqlCrosswalk(engine).bind([Binding("orders", "Order", "1", "1", "T1", "print", "r1", "r1")])
    before = content(engine)
    with pytest.raises(Misconfigured, match="not empty: bp_binding; state is copied into an empty one"):
        copy_state(url_of(source), engine)
    assert before == content(engine)


def test_tokens_of_the_database_in_use_are_newer(source: Engine, engine: Engine) -> None:
    [name] = [row[0] for row in content(source)["bp_token"] if " 7 " in row[0]]
    fresh = {"name": name, "value": "fresh", "changed_at": START}
    with writing(engine) as connection:
        connection.execute(tables.token.insert().values(**fresh))
    copy_state(url_of(source), engine)
    found = {row[0]: row[1] for row in content(engine)["bp_token"]}
    assert ("fresh", 23) == (found[name], len(found))


def test_rows_that_do_not_arrive_undo_the_copy(
    source: Engine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = moving._copy
    monkeypatch.setattr(
        moving, "_copy", lambda old, new, table: None if table is tables.intent else whole(old, new, table)
    )
    with pytest.raises(OutOfBalance, match="bp_intent: 23 rows at the source, 0 in the target"):
        copy_state(url_of(source), engine)
    assert {0} == {len(rows) for rows in content(engine).values()}


def test_what_holds_no_state_is_named(engine: Engine, tmp_path: Path) -> None:
    for name in ("missing.db", "empty.db"):
        (tmp_path / "empty.db").touch()
        with pytest.raises(Misconfigured, match=f"there is no state of this package in .*{name}"):
            copy_state(f"sqlite:///{tmp_path / name}", engine)
    assert not (tmp_path / "missing.db").exists()


def test_a_database_is_not_copied_into_itself(engine: Engine) -> None:
    with pytest.raises(Misconfigured, match="same state database"):
        copy_state(url_of(engine), engine)


def test_the_state_of_release_0_1_0_is_upgraded_and_copied(engine: Engine, tmp_path: Path) -> None:
    old = sa.create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    raw = old.raw_connection()
    raw.executescript((Path(__file__).parent / "state-0.1.0.sql").read_text())
    raw.close()
    old.dispose()
    copied = copy_state(f"sqlite:///{tmp_path / 'old.db'}", engine)
    assert copied["bp_binding"] > 0
    assert {name: len(rows) for name, rows in content(engine).items()} == copied


# a flow gets another name


def test_all_that_a_flow_has_goes_to_its_new_name(engine: Engine) -> None:
    fill(engine, 3, flow="orders")
    with writing(engine) as connection:
        connection.execute(tables.watermark.insert().values(flow="stock", pair="", instant=START, run="r"))
    waits = Rejection("9", Stage.TRANSFORM, "waits", waits_for=("orders", "Order", "5"))
    SqlDeadLetters(engine).keep("shipments", "r1", "v1", [(waits, b"{}")])
    before = content(engine)

    assert {**dict.fromkeys(BY_FLOW, 3), "waiting": 1} == rename_flow(engine, "orders", "web_orders")
    renamed = {
        name: sorted((tuple("web_orders" if each == "orders" else each for each in row) for row in rows), key=repr)
        for name, rows in before.items()
    }  # fmt: skip
    assert renamed == content(engine)
    SqlCrosswalk(engine).bind([Binding("web_orders", "Order", "5", "5", "T", "print", "r", "r")])
    assert ["9"] == SqlDeadLetters(engine).due("shipments", "v1", 10)


def test_a_name_that_has_state_is_not_taken(engine: Engine) -> None:
    fill(engine, 2, flow="orders")
    with writing(engine) as connection:
        connection.execute(
            tables.watermark.insert().values(flow="web_orders", pair="", instant=START, run="r")
        )
    before = content(engine)
    with pytest.raises(Misconfigured, match="there is state of web_orders already: bp_watermark"):
        rename_flow(engine, "orders", "web_orders")
    assert before == content(engine)


def test_a_name_without_state_is_refused_with_those_that_have_some(engine: Engine) -> None:
    fill(engine, 2, flow="orders")
    with pytest.raises(Misconfigured, match="there is no state of oders; flows with state: orders$"):
        rename_flow(engine, "oders", "web_orders")
