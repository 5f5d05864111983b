"""The instance (account, org, company) that each connection leads to, and the owner of the stored state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading, writing

_BY_PAIR = (
    tables.binding,
    tables.dead_letter,
    tables.override,
    tables.watermark,
    tables.intent,
    tables.run,
    tables.reconciliation,
)


class SqlInstances:
    """Instances by address on the state database; an address is what a connection holds of its destination."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, address: str) -> str:
        """The instance last found at an address, empty if there was none."""
        query = sa.select(tables.instance.c.instance).where(tables.instance.c.address == address)
        with reading(self._engine) as connection:
            return str(connection.execute(query).scalar() or "")

    def keep(self, address: str, instance: str, now: datetime) -> None:
        """Remembers the instance at an address."""
        with writing(self._engine) as connection:
            row = {"address": address, "instance": instance, "seen_at": now}
            tables.replace(connection, tables.instance, row)

    def unclaimed(self) -> bool:
        """Whether there is state without a pair, written before pairs existed."""
        query = sa.select(tables.binding.c.flow).where(tables.binding.c.pair == "").limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def adopt(self, pair: str, flows: Callable[[], Sequence[str]]) -> int:
        """Assigns to a pair the state of flows without a pair, written before pairs existed.

        Args:
            pair: the pair of instances that the flows connect.
            flows: their names; asked only where there is such state.

        Returns:
            How many rows were assigned.
        """
        if not self.unclaimed():
            return 0
        names = flows()
        with writing(self._engine) as connection:
            return sum(_given(connection, table, pair, names) for table in _BY_PAIR)


def _given(connection: Connection, table: sa.Table, pair: str, flows: Sequence[str]) -> int:
    """Gives a pair the unclaimed rows of a table; those that it has by now are newer, and stay."""
    unclaimed = (table.c.pair == "", table.c.flow.in_(flows))
    own = table.alias()
    key = [column.name for column in table.primary_key if column.name != "pair"]
    taken = sa.exists().where(own.c.pair == pair, *(own.c[name] == table.c[name] for name in key))
    if "pair" in table.primary_key.columns:
        connection.execute(table.delete().where(*unclaimed, taken))
    return int(connection.execute(table.update().where(*unclaimed).values(pair=pair)).rowcount)
