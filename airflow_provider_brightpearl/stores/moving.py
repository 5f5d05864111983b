"""Moves state: a whole database to another one, or what a flow has to another name."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.errors import Misconfigured, OutOfBalance
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import open_existing, writing

# every database has its own: a run that began on one must not go on with the other; a quota is counted anew, and
# whether a system is down is noticed anew
_QUOTAS = {each.name for each in (tables.quota, tables.quota_call, tables.quota_waiter, tables.quota_hour)}
_OUTAGES = {tables.breaker.name, tables.breaker_queue.name}
_OWN = {tables.version.name, tables.identity.name, *_QUOTAS, *_OUTAGES}
# any use of a connection fills these, and what is there is newer
_OF_CONNECTIONS = {tables.instance.name, tables.token.name}
_ROWS = 5_000


def copy_state(source_url: str, target: Engine) -> dict[str, int]:
    """Copies all state into an empty state database, in one transaction; nothing else writes to the source meanwhile.

    Args:
        source_url: as for ``open_engine``; its tables are brought to this release's version first.
        target: a state database that no flow has used.

    Returns:
        How many rows of each table were copied.

    Raises:
        Misconfigured: there is no state at the source, or there is some in the target.
        OutOfBalance: the target has not as many rows as the source; nothing was copied.
        Unavailable: one of them does not answer.
    """
    source = open_existing(source_url)
    if source.url == target.url:
        raise Misconfigured("source and target are the same state database")
    copied = [table for table in tables.metadata.sorted_tables if table.name not in _OWN]
    try:
        with writing(target) as new, writing(source) as old:
            if full := [table.name for table in copied if _count(new, table) and not _stays(table)]:
                raise Misconfigured(
                    f"the state database in use is not empty: {', '.join(full)}; state is copied into an empty one"
                )
            _keep_writers_out(old, copied)
            for table in copied:
                _copy(old, new, table)
            counts = {table.name: _count(old, table) for table in copied}
            _check(new, copied, counts)
    finally:
        source.dispose()
    return counts


def rename_flow(engine: Engine, old: str, new: str) -> dict[str, int]:
    """Gives all state of a flow to another name, in one transaction.

    Returns:
        How many rows of each table there were, ``waiting`` letters of other flows included.

    Raises:
        Misconfigured: there is no state of the old name, or there is some of the new one.
        Unavailable: the database does not answer.
    """
    every = (table for table in tables.metadata.sorted_tables if table.name not in _OUTAGES)
    named = [table for table in every if "flow" in table.c]
    with writing(engine) as connection:
        # nobody writes under the new name, so a lease that was given back is no state
        connection.execute(tables.lease.delete().where(tables.lease.c.flow == new))
        if taken := [table.name for table in named if _count(connection, table, new)]:
            raise Misconfigured(f"there is state of {new} already: {', '.join(taken)}")
        counts = {
            table.name: int(
                connection.execute(table.update().where(table.c.flow == old).values(flow=new)).rowcount
            )
            for table in named
        }
        if not any(counts.values()):
            raise Misconfigured(f"there is no state of {old}; flows with state: {_flows(connection)}")
        letter = tables.dead_letter
        waiting = letter.update().where(letter.c.waits_flow == old).values(waits_flow=new)
        return {**counts, "waiting": int(connection.execute(waiting).rowcount)}


def _keep_writers_out(old: Connection, copied: list[sa.Table]) -> None:
    # SQLite has locked its file when the transaction began
    if old.dialect.name == "postgresql":
        old.exec_driver_sql(f"LOCK TABLE {', '.join(table.name for table in copied)} IN SHARE MODE")


def _stays(table: sa.Table) -> bool:
    return table.name in _OF_CONNECTIONS


def _copy(old: Connection, new: Connection, table: sa.Table) -> None:
    insert = tables.upsert(new, table)
    if _stays(table):
        insert = insert.on_conflict_do_nothing()
    rows = old.execution_options(yield_per=_ROWS).execute(sa.select(table)).mappings()
    for some in rows.partitions(_ROWS):
        new.execute(insert, [dict(row) for row in some])


def _check(new: Connection, copied: list[sa.Table], counts: dict[str, int]) -> None:
    for table in copied:
        found = _count(new, table)
        if found < counts[table.name] or (found > counts[table.name] and not _stays(table)):
            raise OutOfBalance(
                f"{table.name}: {counts[table.name]:,} rows at the source, {found:,} in the target; nothing was copied"
            )


def _count(connection: Connection, table: sa.Table, flow: str | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    query = query if flow is None else query.where(table.c.flow == flow)
    return int(connection.execute(query).scalar() or 0)


def _flows(connection: Connection) -> str:
    known = [sa.select(table.c.flow) for table in (tables.binding, tables.run, tables.watermark)]
    return ", ".join(sorted(connection.execute(sa.union(*known)).scalars())) or "none"
