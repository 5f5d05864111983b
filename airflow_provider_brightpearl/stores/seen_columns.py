"""How many records had a value in each column that a flow reads, on the state database."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.presence import Presence
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.tables import replace, seen_columns

_decode = msgspec.json.Decoder(dict[str, Presence]).decode


class SqlSeenColumns:
    """Presence by pair of instances; see ``core.ports.seen_fields.SeenColumns``."""

    def __init__(self, engine: Engine, pair: str = "") -> None:
        self._engine = engine
        self.pair = pair

    def of(self, flow: str) -> dict[str, Presence]:
        """What was last kept, by column."""
        row = seen_columns.c
        query = sa.select(row.columns).where(row.pair == self.pair, row.flow == flow)
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
        return _decode(found) if found else {}

    def keep(self, flow: str, columns: Mapping[str, Presence]) -> None:
        """Replaces what was kept of a flow."""
        text = msgspec.json.encode(columns, order="deterministic").decode()
        with writing(self._engine) as connection:
            replace(connection, seen_columns, {"pair": self.pair, "flow": flow, "columns": text})
