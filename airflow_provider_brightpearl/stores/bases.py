"""The values that both sides last agreed on, field by field, kept with the links of two-way flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.merge import Fields, Value
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, writing
from airflow_provider_brightpearl.stores.tables import binding

# numbers stay numbers: as text they would be compared digit by digit
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode: Any = msgspec.json.Decoder(float_hook=Decimal).decode


class SqlBases:
    """Bases on the state database; see ``core.ports.stores.Bases``.

    Args:
        engine: the state database.
        pair: the pair of instances that the flow with ``authority`` connects, in its direction.
    """

    def __init__(self, engine: Engine, pair: str) -> None:
        self._engine = engine
        self.pair = pair

    def of(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, Fields]:
        """The base of each of these keys that has one."""
        found: dict[str, Fields] = {}
        mine = (binding.c.pair == self.pair, binding.c.flow == flow, binding.c.object == object_name)
        with reading(self._engine) as connection:
            for some in chunked(sorted(set(keys)), CHUNK):
                wanted = (*mine, binding.c.key.in_(some), binding.c.base.is_not(None))
                query = sa.select(binding.c.key, binding.c.base).where(*wanted)
                found.update((key, _decode(base)) for key, base in connection.execute(query))
        return found

    def agree(self, flow: str, origin: str, bases: Mapping[tuple[str, str], Mapping[str, Value]]) -> None:
        """Keeps the bases of these objects and keys; one that is not bound any more is left out."""
        change = (
            binding.update()
            .where(
                binding.c.pair == self.pair,
                binding.c.flow == flow,
                binding.c.object == sa.bindparam("of_object"),
                binding.c.key == sa.bindparam("of_key"),
            )
            .values(base=sa.bindparam("agreed"), origin=origin)
        )
        # in one order everywhere: two workers that keep the same ones must not wait for each other
        rows = [
            {"of_object": name, "of_key": key, "agreed": _encode(base).decode()}
            for (name, key), base in sorted(bases.items())
        ]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(change, rows)
