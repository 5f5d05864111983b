"""The crosswalk maps each key of a flow's object to its row in the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from msgspec.structs import astuple
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, writing
from airflow_provider_brightpearl.stores.tables import binding, upsert

_NAMES = Binding.__struct_fields__
_COLUMNS = [binding.c[name] for name in _NAMES]
_BOUND = ("pair", *_NAMES)
_PAGE = 10_000
# rows per binding statement
_ROWS = 5_000


class SqlCrosswalk:
    """The crosswalk on the state database; see ``core.ports.stores.Crosswalk``.

    Args:
        engine: the state database.
        pair: the pair of instances whose records it links.
    """

    def __init__(self, engine: Engine, pair: str = "") -> None:
        self._engine = engine
        self.pair = pair

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]:
        """All rows bound for these source records, of every object, by object and key."""
        found: list[Binding] = []
        with reading(self._engine) as connection:
            for ids in chunked(sorted(set(source_ids)), CHUNK):
                query = sa.select(*_COLUMNS).where(*self._mine(flow), binding.c.source_id.in_(ids))
                found += [Binding(*row) for row in connection.execute(query)]
        return sorted(found, key=lambda bound: (bound.object, bound.key))

    def roots(self, flow: str, object_name: str) -> Iterator[Binding]:
        """All bound rows of an object, read page by page in the order of their keys."""
        last: str | None = None
        while True:
            where = [*self._mine(flow), binding.c.object == object_name]
            after = [] if last is None else [binding.c.key > last]
            query = sa.select(*_COLUMNS).where(*where, *after).order_by(binding.c.key).limit(_PAGE)
            with reading(self._engine) as connection:
                rows = [Binding(*row) for row in connection.execute(query)]
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1].key

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """Target id by key, for the keys that are bound."""
        return self._by_key(binding.c.target_id, flow, object_name, keys)

    def source_ids(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """Source record by key, for the keys that are bound."""
        return self._by_key(binding.c.source_id, flow, object_name, keys)

    def _by_key(
        self, column: sa.Column[Any], flow: str, object_name: str, keys: Iterable[str]
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        with reading(self._engine) as connection:
            # no key with NUL is ever bound, and PostgreSQL takes none
            for some in chunked(sorted({key for key in keys if "\x00" not in key}), CHUNK):
                query = sa.select(binding.c.key, column).where(*self._is(flow, object_name, some))
                found.update((key, value) for key, value in connection.execute(query))
        return found

    def bind(self, bindings: Sequence[Binding]) -> None:
        """Writes these rows, all or none; the last of several with one key counts.

        ``created_run`` stays that of the first binding for as long as the target row is the same one.
        """
        latest: dict[tuple[str, str], dict[str, Binding]] = {}
        for bound in bindings:
            latest.setdefault((bound.flow, bound.object), {})[bound.key] = bound
        # in one order everywhere: two workers that bind the same rows must not wait for each other
        rows = [
            (self.pair, *astuple(latest[place][key]))
            for place in sorted(latest)
            for key in sorted(latest[place])
        ]
        if rows:
            with writing(self._engine) as connection:
                write = _bind_arrays if connection.dialect.name == "postgresql" else _bind_rows
                for some in chunked(rows, _ROWS):
                    write(connection, some)

    def unbind(self, flow: str, object_name: str, keys: Sequence[str]) -> None:
        """Removes these keys; unknown ones are ignored."""
        with writing(self._engine) as connection:
            for some in chunked(sorted(set(keys)), CHUNK):
                connection.execute(binding.delete().where(*self._is(flow, object_name, some)))

    def _mine(self, flow: str) -> tuple[Any, ...]:
        return binding.c.pair == self.pair, binding.c.flow == flow

    def _is(self, flow: str, object_name: str, keys: Sequence[str]) -> tuple[Any, ...]:
        return *self._mine(flow), binding.c.object == object_name, binding.c.key.in_(keys)


def _bind_arrays(connection: Connection, rows: Sequence[tuple[str, ...]]) -> None:
    """One statement with one array per column; row values would be rendered into its text one by one."""
    columns = [sa.func.unnest(sa.bindparam(name, type_=ARRAY(sa.Text))) for name in _BOUND]
    statement = upsert(connection, binding).from_select(_BOUND, sa.select(*columns))
    values = (list(column) for column in zip(*rows, strict=True))
    connection.execute(_replacing(statement), dict(zip(_BOUND, values, strict=True)))


def _bind_rows(connection: Connection, rows: Sequence[tuple[str, ...]]) -> None:
    """Plain rows for the driver: SQLAlchemy would take longer to process a row than SQLite to write it."""
    statement = _replacing(upsert(connection, binding))
    compiled = statement.compile(dialect=connection.dialect, column_keys=_BOUND)
    connection.exec_driver_sql(str(compiled), list(rows))


def _replacing(statement: Any) -> Any:
    new = statement.excluded
    same_row = binding.c.target_id == new.target_id
    return statement.on_conflict_do_update(
        index_elements=["pair", "flow", "object", "key"],
        set_={
            "source_id": new.source_id,
            "target_id": new.target_id,
            "fingerprint": new.fingerprint,
            "created_run": sa.case((same_row, binding.c.created_run), else_=new.created_run),
            "written_run": new.written_run,
        },
    )
