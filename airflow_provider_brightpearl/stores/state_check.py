"""Looks for what cannot be in the state database, without a call to any system."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.core.ports.stores import DETACHED, Binding
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.dead_letters import WAITING
from airflow_provider_brightpearl.stores.engine import reading

# rows of one kind of fault that are named
_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: where it was found, what it is, and what to do about it."""

    check: str
    flow: str
    what: str
    remedy: str


def check_database(engine: Engine, now: datetime) -> Iterator[Finding]:
    """What is wrong with the database itself, and with rows that say when or of what they are."""
    with reading(engine) as connection:
        yield from _damage(connection)
        yield from _missing_indexes(connection)
        yield from _future_watermarks(connection, now)
        yield from _unlinked_conflicts(connection)


def check_links(engine: Engine, pair: str, flow: str, root: str) -> Iterator[Finding]:
    """What is wrong with the links of a flow's first object, and with writes that have none."""
    with reading(engine) as connection:
        yield from _shared(connection, pair, flow, root)
        yield from _unlinked_writes(connection, pair, flow)


def sample_links(engine: Engine, pair: str, flow: str, names: list[str], size: int) -> list[Binding]:
    """Some links of a flow's objects, drawn anew each time; detached ones are left out."""
    table = tables.binding
    found: list[Binding] = []
    with reading(engine) as connection:
        for name in names:
            mine = (table.c.pair == pair, table.c.flow == flow, table.c.object == name)
            query = sa.select(*(table.c[each] for each in Binding.__struct_fields__)).where(
                *mine, table.c.fingerprint != DETACHED
            )
            rows = connection.execute(query.order_by(sa.func.random()).limit(size))
            found += [Binding(**row._mapping) for row in rows]
    return found


def sample_letters(engine: Engine, pair: str, flow: str, size: int | None) -> list[str]:
    """Records of letters that wait, drawn anew each time; all of them where ``size`` is None."""
    letter = tables.dead_letter.c
    query = sa.select(letter.source_id).where(
        letter.pair == pair, letter.flow == flow, letter.state.in_(WAITING)
    )
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(sa.func.random()).limit(size)).scalars())


def _damage(connection: Connection) -> Iterator[Finding]:
    remedy = "restore a backup, then `brightpearl state restored`"
    if connection.dialect.name == "sqlite":
        for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
            if said != "ok":
                yield Finding("integrity", "", str(said), remedy)
        return
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    for (name,) in connection.exec_driver_sql(invalid):
        yield Finding("integrity", "", f"index {name} is not valid", f"REINDEX INDEX {name}")


def _missing_indexes(connection: Connection) -> Iterator[Finding]:
    inspector = sa.inspect(connection)
    for table in tables.metadata.sorted_tables:
        there = {each["name"] for each in inspector.get_indexes(table.name)}
        for name in sorted({str(index.name) for index in table.indexes} - there):
            yield Finding(
                "integrity",
                "",
                f"index {name} of {table.name} is missing",
                "create it as a new database has it",
            )


def _future_watermarks(connection: Connection, now: datetime) -> Iterator[Finding]:
    mark = tables.watermark.c
    for row in connection.execute(sa.select(mark.flow, mark.instant).where(mark.instant > now)):
        yield Finding(
            "watermark", row.flow, f"the watermark {row.instant.isoformat()} is in the future",
            "correct the clock of the workers, set the watermark back, and run the flow from there",
        )  # fmt: skip


def _unlinked_conflicts(connection: Connection) -> Iterator[Finding]:
    conflict = tables.conflict.c
    query = sa.select(conflict.flow, conflict.object, conflict.key, conflict.field).where(
        conflict.closed_at.is_(None), ~_bound(tables.conflict, "object", "key")
    )
    for row in connection.execute(query.limit(_NAMED)):
        yield Finding(
            "conflicts", row.flow, f"the open conflict over {row.object} {row.key}, {row.field}, is of no linked row",
            "`brightpearl state clean` removes it once it is older than history_days",
        )  # fmt: skip


def _shared(connection: Connection, pair: str, flow: str, root: str) -> Iterator[Finding]:
    bound = tables.binding.c
    mine = (bound.pair == pair, bound.flow == flow, bound.object == root, bound.target_id != "")
    for one, many, text in (
        (bound.target_id, bound.source_id, "row {} of the target is linked to records {}"),
        (bound.source_id, bound.target_id, "record {} is linked to rows {} of the target"),
    ):
        query = sa.select(one, sa.func.min(many), sa.func.max(many)).where(*mine).group_by(one)
        for name, first, last in connection.execute(
            query.having(sa.func.min(many) != sa.func.max(many)).limit(_NAMED)
        ):
            yield Finding(
                "unique", flow, text.format(name, f"{first} and {last}"),
                "find out which one it is, delete the other link, and `brightpearl reconcile` the flow",
            )  # fmt: skip


def _unlinked_writes(connection: Connection, pair: str, flow: str) -> Iterator[Finding]:
    """Records that were written, of which nothing is linked, removed, or a letter."""
    event, letter = tables.record_event.c, tables.dead_letter.c
    written = [EventOutcome.CREATED.value, EventOutcome.UPDATED.value]
    gone = tables.record_event.alias()
    ended = [EventOutcome.REMOVED.value, EventOutcome.UNLINKED.value]
    same = (gone.c.pair == event.pair, gone.c.flow == event.flow, gone.c.source_id == event.source_id)
    query = (
        sa.select(event.source_id, sa.func.max(event.run).label("run"))
        .where(event.pair == pair, event.flow == flow, event.outcome.in_(written))
        .where(~_bound(tables.record_event, "source_id"))
        .where(~sa.exists().where(*same, gone.c.outcome.in_(ended)))
        .where(
            ~sa.exists().where(
                letter.pair == event.pair, letter.flow == event.flow, letter.source_id == event.source_id
            )
        )
        .group_by(event.source_id)
    )
    for row in connection.execute(query.limit(_NAMED)):
        yield Finding(
            "history", flow, f"record {row.source_id} was written by {row.run}, and no row of it is linked",
            f"`brightpearl state rebuild {flow} --merge`",
        )  # fmt: skip


def _bound(table: sa.Table, *columns: str) -> Any:
    """Whether the crosswalk has a row of this place."""
    bound = tables.binding.c
    return sa.exists().where(*(bound[name] == table.c[name] for name in ("pair", "flow", *columns)))
