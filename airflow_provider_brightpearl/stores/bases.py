"""The values that both sides last agreed on, field by field, kept with the links of two-way flows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec
import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.merge import Fields, Value
from airflow_provider_brightpearl.stores.engine import CHUNK, fenced, reading
from airflow_provider_brightpearl.stores.tables import binding

# numbers stay numbers: as text they would be compared digit by digit
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode: Any = msgspec.json.Decoder(float_hook=Decimal).decode
# of a field that has no base
_NEVER = object()


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
        mine = (*self._mine(flow), binding.c.object == object_name)
        with reading(self._engine) as connection:
            for some in chunked(sorted(set(keys)), CHUNK):
                wanted = (*mine, binding.c.key.in_(some), binding.c.base.is_not(None))
                query = sa.select(binding.c.key, binding.c.base).where(*wanted)
                found.update((key, _decode(base)) for key, base in connection.execute(query))
        return found

    def agree(
        self,
        flow: str,
        origin: str,
        bases: Mapping[tuple[str, str], Fields],
        seen: Mapping[tuple[str, str], Fields] | None = None,
    ) -> None:
        """Keeps these fields of the bases of these objects and keys; see ``core.ports.stores.Bases``."""
        change = (
            binding.update()
            .where(
                *self._mine(flow),
                binding.c.object == sa.bindparam("of_object"),
                binding.c.key == sa.bindparam("of_key"),
            )
            .values(base=sa.bindparam("agreed"), origin=origin)
        )
        rows: list[dict[str, str]] = []
        if not bases:
            return
        with fenced(self._engine) as connection:
            # in one order everywhere: two workers that keep the same ones must not wait for each other
            for (name, key), base in self._locked(connection, flow, sorted(bases)):
                now: dict[str, Value] = _decode(base) if base else {}
                before = (seen or {}).get((name, key))
                mine = {
                    each: value
                    for each, value in bases[name, key].items()
                    if before is None or now.get(each, _NEVER) == before.get(each, _NEVER)
                }
                if mine or base is None:
                    agreed = _encode({**now, **mine}).decode()
                    rows.append({"of_object": name, "of_key": key, "agreed": agreed})
            if rows:
                connection.execute(change, rows)

    def _locked(
        self, connection: Connection, flow: str, places: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[tuple[str, str], str | None]]:
        """The bases as they are, of those of these places that are bound; nobody else changes them meanwhile."""
        for name, mine in groupby(places, lambda place: place[0]):
            for some in chunked((key for _, key in mine), CHUNK):
                wanted = (*self._mine(flow), binding.c.object == name, binding.c.key.in_(some))
                query = sa.select(binding.c.key, binding.c.base).where(*wanted).order_by(binding.c.key)
                for key, base in connection.execute(query.with_for_update()).all():
                    yield (name, key), base

    def _mine(self, flow: str) -> tuple[sa.ColumnElement[bool], ...]:
        return binding.c.pair == self.pair, binding.c.flow == flow
