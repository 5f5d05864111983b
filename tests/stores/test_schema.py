"""Tables that are made, upgraded from 0.1.0 with what they hold, and refused where they are newer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores import schema, tables
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import open_engine, reading, writing
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.retention import KEPT, unruled_tables

DUMP = Path(__file__).with_name("state-0.1.0.sql")


@pytest.fixture
def of_0_1_0(bare_url: str) -> str:
    """URL of a state database as 0.1.0 left it."""
    engine = sa.create_engine(bare_url)
    with engine.begin() as connection:
        for statement in DUMP.read_text().split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(_in_dialect(engine, statement))
    engine.dispose()
    return bare_url


def _in_dialect(engine: Engine, statement: str) -> str:
    """SQLite keeps instants as text of one width."""
    on_sqlite = engine.dialect.name == "sqlite"
    return statement.replace("TIMESTAMP WITH TIME ZONE", "VARCHAR(32)") if on_sqlite else statement


def differences(engine: Engine) -> list[object]:
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": tables.version.name})
        return [each for each in compare_metadata(context, tables.metadata) if "bp_schema" not in repr(each)]


def test_fresh_tables_are_those_of_the_model(bare_url: str) -> None:
    engine = open_engine(bare_url)
    assert [] == differences(engine)
    engine.dispose()


def test_a_database_of_0_1_0_is_upgraded_with_what_it_holds(of_0_1_0: str) -> None:
    engine = open_engine(of_0_1_0)
    assert [] == differences(engine)
    letters = SqlDeadLetters(engine)
    assert {"100007"} == letters.waiting("orders_to_salesforce", ["100007", "100001"])
    (run,) = SqlLedger(engine).runs("orders_to_salesforce")
    assert (3, "done") == (run.counts.extracted, run.state)
    assert SqlLedger(engine).watermark("orders_to_salesforce") is not None
    rows = list(SqlCrosswalk(engine).roots("orders_to_salesforce", "Order"))
    assert {("", None)} == {(row.source_version, row.read_at) for row in rows}
    assert [] == SqlCrosswalk(engine).bind(rows)
    assert rows[0].target_id in {
        row.target_id for row in SqlCrosswalk(engine).of_targets("Order", [rows[0].target_id])
    }
    assert [] == SqlRecordEvents(engine).of_record("orders_to_salesforce", "100001")
    with reading(engine) as connection:
        assert schema.HEAD == schema.revision(connection)
        # a worker of 0.1.0 that is still running reads this, and stops
        assert 4 == connection.exec_driver_sql("SELECT max(version) FROM bp_schema").scalar()
    engine.dispose()


def without_breakers(connection: Connection) -> None:
    for table in (tables.breaker, tables.breaker_queue):
        table.drop(connection)


def without_overrides(connection: Connection) -> None:
    connection.exec_driver_sql("DROP TABLE bp_override")
    for name in ("author", "note"):
        connection.exec_driver_sql(f"ALTER TABLE bp_dead_letter DROP COLUMN {name}")


def without_quotas(connection: Connection) -> None:
    for table in (tables.quota, tables.quota_call, tables.quota_waiter, tables.quota_hour):
        table.drop(connection)


def without_fingerprints(connection: Connection) -> None:
    for name in ("before", "after"):
        connection.exec_driver_sql(f"ALTER TABLE bp_record_event DROP COLUMN {name}")


def without_sweeps(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE bp_watermark DROP COLUMN swept_to")


def without_judged(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE bp_dead_letter DROP COLUMN judged")


def without_claims(connection: Connection) -> None:
    for name in ("claimed_by", "claimed_until"):
        connection.exec_driver_sql(f"ALTER TABLE bp_token DROP COLUMN {name}")


def without_inbox(connection: Connection) -> None:
    for table in (tables.inbox, tables.inbox_event):
        table.drop(connection)


# what takes back a migration, the newest first
_UNDO: dict[str, Callable[[Connection], None]] = {
    "0025": tables.event_day.drop,
    "0026": tables.event_cursor.drop,
    "0024": without_inbox,
    "0023": without_sweeps,
    "0022": without_judged,
    "0021": without_claims,
    "0020": tables.lease.drop,
    "0019": tables.seen_columns.drop,
    "0018": without_fingerprints,
    "0017": tables.seen_fields.drop,
    "0016": without_quotas,
    "0015": tables.notice.drop,
    "0014": without_breakers,
    "0013": without_overrides,
    "0012": tables.certificate.drop,
}


def go_back(connection: Connection, revision: str) -> None:
    """Leaves the tables as they were at a revision, from 0011 on."""
    for number, undo in _UNDO.items():
        if number > revision:
            undo(connection)
    connection.execute(tables.version.update().values(version_num=revision))


def test_an_upgrade_adds_the_indexes_of_intents(database_url: str, engine: Engine) -> None:
    names = ("bp_intent_unsettled", "bp_intent_target", "bp_intent_claim")
    with writing(engine) as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        go_back(connection, "0009")
    upgraded = open_engine(database_url)
    with reading(upgraded) as connection:
        assert schema.HEAD == schema.revision(connection)
        assert set(names) <= {each["name"] for each in sa.inspect(connection).get_indexes("bp_intent")}
    assert [] == differences(upgraded)
    upgraded.dispose()


@pytest.mark.parametrize("revision", [f"{int(number) - 1:04d}" for number in _UNDO])
def test_an_upgrade_adds_what_later_migrations_add(database_url: str, engine: Engine, revision: str) -> None:
    with writing(engine) as connection:
        go_back(connection, revision)
    upgraded = open_engine(database_url)
    assert [] == differences(upgraded)
    upgraded.dispose()


def test_every_table_has_a_rule_of_retention_or_a_reason_to_stay() -> None:
    assert set() == unruled_tables(), "add a rule to stores/retention.py, or a reason to KEPT there"
    assert KEPT.keys() <= set(tables.metadata.tables)


def test_older_code_meets_newer_tables(bare_url: str) -> None:
    engine = open_engine(bare_url)
    with writing(engine) as connection:
        connection.execute(tables.version.update().values(version_num="9999"))
    engine.dispose()
    with pytest.raises(Misconfigured, match=f"revision 9999, this release knows {schema.HEAD}: upgrade"):
        open_engine(bare_url)


def test_tables_from_before_0_1_0_are_refused(of_0_1_0: str) -> None:
    engine = sa.create_engine(of_0_1_0)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bp_schema SET version = 2")
    engine.dispose()
    with pytest.raises(Misconfigured, match="version 2, older than 0.1.0"):
        open_engine(of_0_1_0)
