"""What the state database knows of a record, over all flows and pairs of instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading

Row = dict[str, Any]
_LETTER = [column for column in tables.dead_letter.c if column.name != "payload"]


class SqlTraces:
    """Looks for a record where flows have left something of it; each method raises ``Unavailable`` as the stores do.

    Ids are few: those of one record.

    Args:
        engine: the state database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def flows(self) -> list[tuple[str, str]]:
        """Every pair of instances and flow of which there is state."""
        named = (tables.run, tables.beginning, tables.watermark)
        rows = self._rows(sa.union(*(_place(each) for each in named)))
        return [(row["pair"], row["flow"]) for row in rows if row["flow"]]

    def objects(self, pair: str, flow: str) -> list[str]:
        """The objects that a flow has bound, where its file does not say."""
        query = sa.select(tables.binding.c.object).where(*_of(tables.binding, pair, flow)).distinct()
        return [row["object"] for row in self._rows(query)]

    def bindings(
        self,
        pair: str,
        flow: str,
        objects: Iterable[str],
        *,
        source_ids: Iterable[str] = (),
        keys: Iterable[str] = (),
        target_ids: Iterable[str] = (),
        parts_of: Iterable[str] = (),
    ) -> list[Row]:
        """The crosswalk's rows of these objects with one of these ids; ``parts_of`` are first parts of target ids."""
        table = tables.binding
        mine = (*_of(table, pair, flow), table.c.object.in_(sorted(objects)))
        given = ((table.c.source_id, source_ids), (table.c.key, keys), (table.c.target_id, target_ids))
        found: list[Row] = []
        # one by one, as each has an index of its own
        for column, ids in given:
            if wanted := _storable(ids):
                found += self._rows(sa.select(table).where(*mine, column.in_(wanted)))
        for each in _storable(parts_of):
            part = table.c.target_id.startswith(f"{each}|", autoescape=True)
            found += self._rows(sa.select(table).where(*mine, part))
        return list({(row["object"], row["key"]): row for row in found}.values())

    def mentioned(self, pair: str, flow: str, ids: Iterable[str]) -> set[str]:
        """Those of the ids under which there is an event or a dead letter."""
        wanted = _storable(ids)
        found = [
            sa.select(table.c.source_id).where(*_of(table, pair, flow), table.c.source_id.in_(wanted))
            for table in (tables.record_event, tables.dead_letter)
        ]
        return {row["source_id"] for row in self._rows(sa.union(*found))}

    def events(self, pair: str, flow: str, source_id: str) -> list[Row]:
        """The events of a record."""
        table = tables.record_event
        return self._rows(
            sa.select(table).where(*_of(table, pair, flow), table.c.source_id == storable(source_id))
        )

    def letters(self, pair: str, flow: str, source_id: str) -> list[Row]:
        """The dead letter of a record, without its payload."""
        mine = (*_of(tables.dead_letter, pair, flow), tables.dead_letter.c.source_id == storable(source_id))
        return self._rows(sa.select(*_LETTER).where(*mine))

    def intents(
        self, pair: str, flow: str, objects: Iterable[str], keys: Iterable[str], suffix: str = ""
    ) -> list[Row]:
        """The recorded writes of these objects and keys, or with keys that end in a text."""
        table = tables.intent
        wanted: Any = table.c.key.in_(_storable(keys))
        if suffix:
            wanted = sa.or_(wanted, table.c.key.endswith(storable(suffix), autoescape=True))
        return self._rows(
            sa.select(table).where(*_of(table, pair, flow), table.c.object.in_(sorted(objects)), wanted)
        )

    def conflicts(self, pair: str, flow: str, keys: Iterable[str]) -> list[Row]:
        """The conflicts of rows with these keys."""
        table = tables.conflict
        return self._rows(sa.select(table).where(*_of(table, pair, flow), table.c.key.in_(_storable(keys))))

    def runs(self, flow: str, names: Iterable[str]) -> list[Row]:
        """The ledger's rows of these runs."""
        table = tables.run
        return self._rows(sa.select(table).where(table.c.flow == flow, table.c.run.in_(sorted(names))))

    def _rows(self, query: Any) -> list[Row]:
        with reading(self._engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _place(table: sa.Table) -> Any:
    return sa.select(table.c.pair, table.c.flow)


def _of(table: sa.Table, pair: str, flow: str) -> Sequence[Any]:
    return table.c.pair == pair, table.c.flow == flow


def _storable(ids: Iterable[str]) -> list[str]:
    return sorted({storable(each) for each in ids})
