"""The conflicts of two-way flows on the state database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from msgspec.structs import asdict
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.conflicts import MANUAL, FieldConflict
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.stores.engine import CHUNK, fenced, reading
from airflow_provider_brightpearl.stores.many_rows import insert_new
from airflow_provider_brightpearl.stores.tables import conflict

_NAMES = FieldConflict.__struct_fields__
_COLUMNS = [conflict.c[name] for name in _NAMES]
_PLACE = ("object", "key", "field")
# what a person may change while a conflict is open
_HELD = ("source_value", "target_value", "source_at", "target_at", "source_by", "target_by")


class SqlConflicts:
    """Conflicts on the state database; see ``core.ports.stores.Conflicts``.

    Args:
        engine: the state database.
        pair: the pair of instances that the linking flows connect, in their direction.
    """

    def __init__(self, engine: Engine, pair: str = "") -> None:
        self._engine = engine
        self.pair = pair

    def record(self, conflicts: Sequence[FieldConflict]) -> None:
        """Adds conflicts, each once; one that is open already gets the values that both sides hold now."""
        if not conflicts:
            return
        found = [
            {"pair": self.pair} | {name: _kept(value) for name, value in asdict(each).items()}
            for each in conflicts
        ]
        # in one order everywhere: two workers that record the same ones must not wait for each other
        found.sort(key=lambda row: tuple(row[name] for name in ("flow", *_PLACE)))
        still_open = [row for row in found if row["winner"] == MANUAL]
        names = ("pair", *_NAMES)
        mine = (conflict.c.pair == self.pair, conflict.c.closed_at.is_(None))
        place = (conflict.c[name] == sa.bindparam(f"of_{name}") for name in ("flow", *_PLACE))
        change = (
            conflict.update()
            .where(*mine, *place)
            .values({name: sa.bindparam(f"now_{name}") for name in _HELD})
        )
        with fenced(self._engine) as connection:
            insert_new(connection, conflict, names, [tuple(row[name] for name in names) for row in found])
            if still_open:
                given = [
                    {f"of_{name}": row[name] for name in ("flow", *_PLACE)}
                    | {f"now_{name}": row[name] for name in _HELD}
                    for row in still_open
                ]
                connection.execute(change, given)

    def close(self, flow: str, agreed: Collection[tuple[str, str, str]], at: datetime) -> int:
        """Closes the open conflicts of these objects, keys and fields; see ``core.ports.stores.Conflicts``."""
        if not agreed:
            return 0
        mine = (conflict.c.pair == self.pair, conflict.c.flow == flow, conflict.c.closed_at.is_(None))
        places = [conflict.c[name] for name in _PLACE]
        with reading(self._engine) as connection:
            waiting = [tuple(row) for row in connection.execute(sa.select(*places).where(*mine))]
        ended = [each for each in waiting if each in agreed]
        closed = 0
        if ended:
            with fenced(self._engine) as connection:
                for some in chunked(sorted(ended), CHUNK):
                    these = sa.tuple_(*places).in_(some)
                    change = conflict.update().where(*mine, these).values(closed_at=at)
                    closed += int(connection.execute(change).rowcount)
        return closed

    def listed(self, flow: str = "", *, open_only: bool = False) -> list[FieldConflict]:
        """The conflicts of a linking flow or of all, open ones first, then the newest first."""
        return [each for _, each in _listed(self._engine, [conflict.c.pair == self.pair], flow, open_only)]


def all_conflicts(
    engine: Engine, flow: str = "", *, open_only: bool = False
) -> list[tuple[str, FieldConflict]]:
    """The conflicts between all instances, each after its pair of them; order and arguments as in ``listed``."""
    return list(_listed(engine, [], flow, open_only))


def _listed(
    engine: Engine, where: Sequence[Any], flow: str, open_only: bool
) -> Iterator[tuple[str, FieldConflict]]:
    wanted = [*where, *([conflict.c.flow == flow] if flow else [])]
    if open_only:
        wanted.append(conflict.c.closed_at.is_(None))
    query = sa.select(conflict.c.pair, *_COLUMNS).where(*wanted)
    newest = (conflict.c.at.desc(), *(conflict.c[name] for name in ("flow", *_PLACE)))
    with reading(engine) as connection:
        for pair, *values in connection.execute(query.order_by(conflict.c.closed_at.is_not(None), *newest)):
            yield pair, FieldConflict(*values)


def _kept(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value
