"""The fields of a target as each flow last met them, on the state database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.drift import FieldSchema, ObjectSchema
from airflow_provider_brightpearl.core.ports.seen_fields import SeenObject
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.tables import replace, seen_fields

_decode = msgspec.json.Decoder(dict[str, FieldSchema]).decode


class SqlSeenFields:
    """Seen fields by pair of instances; see ``core.ports.seen_fields.SeenFields``."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC), pair: str = ""
    ) -> None:
        self._engine = engine
        self._now = now
        self.pair = pair

    def of(self, flow: str) -> dict[str, SeenObject]:
        """What was last kept, by object of the flow file."""
        row = seen_fields.c
        query = sa.select(row.object, row.fields, row.at).where(row.pair == self.pair, row.flow == flow)
        with reading(self._engine) as connection:
            return {
                each.object: SeenObject(_decode(each.fields), each.at) for each in connection.execute(query)
            }

    def keep(self, flow: str, objects: Mapping[str, ObjectSchema]) -> None:
        """Replaces what was kept of a flow."""
        row, now = seen_fields.c, self._now()
        with writing(self._engine) as connection:
            connection.execute(
                seen_fields.delete().where(
                    row.pair == self.pair, row.flow == flow, row.object.not_in(sorted(objects))
                )
            )
            for name, fields in objects.items():
                text = msgspec.json.encode(fields, order="deterministic").decode()
                place = {"pair": self.pair, "flow": flow, "object": name}
                replace(connection, seen_fields, {**place, "fields": text, "at": now})

    def confirm(self, flow: str) -> None:
        """Records that the objects are still as they were kept."""
        row = seen_fields.c
        with writing(self._engine) as connection:
            update = seen_fields.update().where(row.pair == self.pair, row.flow == flow)
            connection.execute(update.values(at=self._now()))
