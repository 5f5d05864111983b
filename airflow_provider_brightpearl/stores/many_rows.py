"""Thousands of rows in one statement: as an array per column on PostgreSQL, as plain rows on SQLite.

SQLAlchemy would take longer to process each row than the database to write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from airflow_provider_brightpearl.stores.tables import upsert

Rows = Sequence[Sequence[Any]]
# a parameter of an update may not be named as the column that it is for
_NEW = "new_"
_ONE: Any = sa.literal_column("1")


def insert_new(connection: Connection, table: sa.Table, names: Sequence[str], rows: Rows) -> int:
    """Inserts those rows whose key the table does not have; returns how many.

    Args:
        connection: a transaction that writes.
        table: where the rows go.
        names: of their columns.
        rows: in one order everywhere, as two workers that write the same ones must not wait for each other.
    """
    return upsert_rows(connection, table, names, rows, lambda insert: insert.on_conflict_do_nothing())


def replace_rows(connection: Connection, table: sa.Table, names: Sequence[str], rows: Rows) -> None:
    """Inserts rows, or replaces those with their key; see ``insert_new``."""
    key = [column.name for column in table.primary_key]

    def replacing(statement: Any) -> Any:
        changed = {name: statement.excluded[name] for name in names if name not in key}
        return statement.on_conflict_do_update(index_elements=key, set_=changed)

    upsert_rows(connection, table, names, rows, replacing)


def update_unchanged(
    connection: Connection, table: sa.Table, names: Sequence[str], rows: Rows, as_read: Sequence[str]
) -> bool:
    """Updates those of these rows that still hold what was read of some columns, and raises their ``revision`` by one.

    Args:
        connection: a transaction that writes.
        table: where the rows are.
        names: of their columns.
        rows: as for ``insert_new``.
        as_read: names of the columns, one of them ``revision``, of which the rows hold what was read.

    Returns:
        Whether all were as they were read; where not, those that are not there any more may be there again.
    """
    key = [column.name for column in table.primary_key]
    raised = {"revision": table.c["revision"] + _ONE}
    changed = [name for name in names if name not in (*key, *as_read)]
    if connection.dialect.name != "postgresql":
        new = {name: sa.bindparam(_NEW + name, type_=table.c[name].type) for name in names}
        statement = table.update().where(*(table.c[name] == new[name] for name in (*key, *as_read)))
        statement = statement.values({name: new[name] for name in changed} | raised)
        return int(_run(connection, table, statement, names, rows).rowcount) == len(rows)
    # an insert locks the rows in their order and finds them by their key, which an update with a join need not
    statement = upsert(connection, table).from_select(list(names), _arrays(table, names))
    statement = statement.on_conflict_do_update(
        index_elements=key,
        set_={name: statement.excluded[name] for name in changed} | raised,
        where=sa.and_(*(table.c[name] == statement.excluded[name] for name in as_read)),
    )
    revisions = _run(connection, table, statement.returning(table.c["revision"]), names, rows).scalars().all()
    place = list(names).index("revision")
    return len(revisions) == len(rows) and sum(revisions) == sum(row[place] + 1 for row in rows)


def upsert_rows(
    connection: Connection,
    table: sa.Table,
    names: Sequence[str],
    rows: Rows,
    on_conflict: Callable[[Any], Any],
) -> int:
    """Inserts rows; ``on_conflict`` adds to the INSERT what happens to those whose key the table has.

    See ``insert_new``; of each key there is one row. Returns how many were inserted or changed.
    """
    if not rows:
        return 0
    statement = upsert(connection, table)
    if connection.dialect.name == "postgresql":
        statement = statement.from_select(list(names), _arrays(table, names))
    else:
        values = {name: sa.bindparam(_NEW + name, type_=table.c[name].type) for name in names}
        statement = statement.values(values).inline()
    return int(_run(connection, table, on_conflict(statement), names, rows).rowcount)


def _arrays(table: sa.Table, names: Sequence[str]) -> Any:
    arrays = {name: sa.bindparam(_NEW + name, type_=ARRAY(table.c[name].type)) for name in names}
    return sa.select(*(sa.func.unnest(array).label(name) for name, array in arrays.items()))


def _run(connection: Connection, table: sa.Table, statement: Any, names: Sequence[str], rows: Rows) -> Any:
    if connection.dialect.name == "postgresql":
        columns = zip(names, zip(*rows, strict=True), strict=True)
        values = {_NEW + name: list(column) for name, column in columns}
        return connection.execute(statement, values)
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect)
    order = [names.index(name.removeprefix(_NEW)) for name in compiled.positiontup]
    given: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for place, name in enumerate(names):
        process = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        if process:
            # few instants, many rows
            given[place] = map(cache(process), given[place])
    return connection.exec_driver_sql(str(compiled), list(zip(*(given[n] for n in order), strict=True)))
