"""The crosswalk maps each key of a flow's object to its row in the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from more_itertools import chunked
from msgspec.structs import astuple, replace
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.ports.stores import Binding, swapped
from airflow_provider_brightpearl.core.raw import storable
from airflow_provider_brightpearl.core.readings import both_wrote, is_as_read
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.stores.engine import CHUNK, fenced, reading
from airflow_provider_brightpearl.stores.many_rows import insert_new, replace_rows, update_unchanged
from airflow_provider_brightpearl.stores.tables import binding

_NAMES = Binding.__struct_fields__
_COLUMNS = [binding.c[name] for name in _NAMES]
_BOUND = ("pair", *_NAMES)
Place = tuple[str, str, str]
_PAGE = 10_000
# rows per binding statement
_ROWS = 5_000
# a row that was removed and made again counts its revisions anew
_AS_READ = ("revision", "created_run")


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
                found += [Binding(*row) for row in connection.execute(query).all()]
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
            for some in chunked(_storable(keys), CHUNK):
                query = sa.select(binding.c.key, column).where(*self._is(flow, object_name, some))
                found.update((key, value) for key, value in connection.execute(query))
        return found

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        """The keys that a flow of the other direction has bound to each of these rows of its target."""
        there = (
            binding.c.pair == swapped(self.pair),
            binding.c.object == object_name,
            binding.c.flow == flow,
        )
        found: dict[str, list[str]] = {}
        with reading(self._engine) as connection:
            for some in chunked(_storable(target_ids), CHUNK):
                query = sa.select(binding.c.target_id, binding.c.key).where(
                    *there, binding.c.target_id.in_(some)
                )
                for target_id, key in connection.execute(query):
                    found.setdefault(target_id, []).append(key)
        return {target_id: sorted(keys) for target_id, keys in found.items()}

    def of_targets(self, object_name: str, target_ids: Iterable[str]) -> list[Binding]:
        """All rows bound to these rows of the target, of every flow, by flow and key."""
        found: list[Binding] = []
        with reading(self._engine) as connection:
            for ids in chunked(sorted(set(target_ids)), CHUNK):
                where = (binding.c.pair == self.pair, binding.c.object == object_name)
                query = sa.select(*_COLUMNS).where(*where, binding.c.target_id.in_(ids))
                found += [Binding(*row) for row in connection.execute(query)]
        return sorted(found, key=lambda bound: (bound.flow, bound.key))

    def bind(self, bindings: Sequence[Binding]) -> list[Binding]:
        """Writes the rows that are still as they were read; see ``core.ports.stores.Crosswalk``."""
        # in one order everywhere: two workers that bind the same rows must not wait for each other
        rows = sorted({_place(bound): bound for bound in bindings}.values(), key=_place)
        if not rows:
            return []
        try:
            return self._bind(rows)
        except ValueError as error:
            raise _unstorable(rows) or error from None

    def _bind(self, rows: Sequence[Binding]) -> list[Binding]:
        with fenced(self._engine) as connection:
            as_read = True
            for some in chunked((each for each in rows if not each.revision), _ROWS):
                new = [(self.pair, *astuple(each)[:-1], 1) for each in some]
                as_read &= insert_new(connection, binding, _BOUND, new) == len(new)
            for some in chunked((each for each in rows if each.revision), _ROWS):
                known = [(self.pair, *astuple(each)) for each in some]
                as_read &= update_unchanged(connection, binding, _BOUND, known, _AS_READ)
            return [] if as_read else self._settle(connection, rows)

    def _settle(self, connection: Connection, rows: Sequence[Binding]) -> list[Binding]:
        """Settles the rows that another run has written; returns them."""
        there = self._there(connection, rows)
        found = ((each, there.get(_place(each))) for each in rows)
        merged = [
            both_wrote(each, now) for each, now in found if now != replace(each, revision=each.revision + 1)
        ]
        self._replace(connection, merged)
        return merged

    def _replace(self, connection: Connection, rows: Sequence[Binding]) -> None:
        if rows:
            replace_rows(connection, binding, _BOUND, [(self.pair, *astuple(each)) for each in rows])

    def unbind(self, bindings: Sequence[Binding]) -> list[Binding]:
        """Removes the rows that are still as they were read; see ``core.ports.stores.Crosswalk``."""
        rows = sorted(bindings, key=_place)
        with fenced(self._engine) as connection:
            there = self._there(connection, rows)
            found = [(each, there[_place(each)]) for each in rows if _place(each) in there]
            gone = [now for each, now in found if is_as_read(now, each)]
            for (flow, name), some in groupby(gone, key=_object):
                for keys in chunked((each.key for each in some), CHUNK):
                    connection.execute(binding.delete().where(*self._is(flow, name, keys)))
            kept = [both_wrote(now, now) for each, now in found if not is_as_read(now, each)]
            self._replace(connection, kept)
            return kept

    def _there(self, connection: Connection, rows: Sequence[Binding]) -> dict[Place, Binding]:
        """These rows as they stand now, locked; they are in the order of their keys."""
        found: dict[Place, Binding] = {}
        for (flow, name), some in groupby(rows, key=_object):
            for keys in chunked((each.key for each in some), CHUNK):
                query = sa.select(*_COLUMNS).where(*self._is(flow, name, keys)).order_by(binding.c.key)
                for row in connection.execute(query.with_for_update()):
                    found[flow, name, row.key] = Binding(*row)
        return found

    def _mine(self, flow: str) -> tuple[Any, ...]:
        return binding.c.pair == self.pair, binding.c.flow == flow

    def _is(self, flow: str, object_name: str, keys: Sequence[str]) -> tuple[Any, ...]:
        return *self._mine(flow), binding.c.object == object_name, binding.c.key.in_(keys)


def _storable(texts: Iterable[str]) -> list[str]:
    """Each of these texts once, sorted. Nothing with NUL is ever bound, and PostgreSQL takes none."""
    return sorted({text for text in texts if "\x00" not in text})


def _object(bound: Binding) -> tuple[str, str]:
    return bound.flow, bound.object


def _place(bound: Binding) -> Place:
    return bound.flow, bound.object, bound.key


def _unstorable(rows: Sequence[Binding]) -> SchemaMismatch | None:
    """The error for the first text that a driver does not take: with NUL, or half of a surrogate pair."""
    for each in rows:
        for name in ("key", "source_id", "target_id", "source_version"):
            text = getattr(each, name)
            if storable(text) != text:
                problem = f"{name} {text!r} has a character that the state database cannot keep: correct it"
                return SchemaMismatch(f"{each.flow}: {each.object} of record {each.source_id!r}: {problem}")
    return None
