"""The certificates of compared periods: files that stay, and a row of each in the state database."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError
from upath import UPath

from airflow_provider_brightpearl.core.certificate import Seal, Statement, Unsettled, canonical
from airflow_provider_brightpearl.core.certificate_check import Broken, Checked, check_certificate
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.dead_letters import WAITING
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, writing
from airflow_provider_brightpearl.stores.files import as_path, local_file, whole_file
from airflow_provider_brightpearl.stores.signing import SigningKey, verifies

_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as the state database knows it; instants are aware."""

    flow: str
    number: int
    state: str
    path: str
    digest: str
    signed_by: str
    run: str
    period_start: datetime | None
    period_end: datetime
    at: datetime


class Writes(Protocol):
    """Gives the statement of the certificate with this number, after the one with this digest."""

    def __call__(self, number: int, previous: str) -> Statement: ...


class Certificates:
    """The certificates of one pair of instances.

    Args:
        engine: the state database.
        folder: where the files lie, the same place for every worker.
        pair: the pair of instances.
    """

    def __init__(self, engine: Engine, folder: str | Path | UPath, pair: str) -> None:
        self._engine = engine
        self._folder = as_path(folder)
        self.pair = pair

    def unsettled(
        self, flow: str, listed: Callable[[Iterable[str]], set[str]], conflicts: int = 0
    ) -> Unsettled:
        """What of a flow waits; of letters, those whose records are among the listed ones of the period."""
        letter, intent = tables.dead_letter.c, tables.intent.c
        waiting = sa.select(letter.source_id).where(
            letter.pair == self.pair, letter.flow == flow, letter.state.in_(WAITING)
        )
        states = [IntentState.IN_DOUBT.value, IntentState.DUE.value]
        mine = (intent.pair == self.pair, intent.flow == flow, intent.state.in_(states))
        writes = sa.select(intent.state, sa.func.count()).where(*mine).group_by(intent.state)
        with reading(self._engine) as connection:
            ids = connection.execution_options(yield_per=CHUNK).execute(waiting).scalars()
            letters = sum(len(listed(some)) for some in chunked(ids, CHUNK))
            counts = {state: int(count) for state, count in connection.execute(writes)}
        doubtful, due = (counts.get(state, 0) for state in states)
        return Unsettled(letters, doubtful, due, conflicts)

    def issue(self, flow: str, writes: Writes, entries: Path, key: SigningKey | None) -> Issued:
        """Writes the next certificate of a flow, and its row.

        A file that exists under its number, as after a lost state database, is taken over and comes before it.

        Args:
            flow: the flow.
            writes: gives the statement.
            entries: the lines of both sides.
            key: signs it.

        Raises:
            Misconfigured: a file is in the way that is no certificate of this flow's chain.
            Unavailable: the state database does not answer.
        """
        while True:
            number, previous, there = self._next(flow, key)
            statement = writes(number, previous)
            first = canonical(statement) + b"\n"
            digest = sha256(first).hexdigest()
            seal = canonical(Seal(digest, key.sign(first) if key else "")) + b"\n"
            try:
                # an upload takes long, and others write meanwhile: the row comes with the file's last step
                recorded = self._recorded(statement, digest, there)
                with (
                    whole_file(there, recorded) as path,
                    path.open("wb") as file,
                    entries.open("rb") as lines,
                ):
                    file.write(first)
                    shutil.copyfileobj(lines, file, _BUFFER)
                    file.write(seal)
            except IntegrityError:
                if not self._is_taken(flow, number):
                    raise
            else:
                return self.latest(flow, 1)[0]

    def _next(self, flow: str, key: SigningKey | None) -> tuple[int, str, UPath]:
        """The next number, the digest before it and the file's path, after files that are there were taken over."""
        while True:
            with reading(self._engine) as connection:
                number, previous = self._last(connection, flow)
            there = self._path(flow, number + 1)
            if not there.exists():
                return number + 1, previous, there
            checked = self._existing(there, flow, number + 1, previous)
            if key and not checked.statement.signed_by:
                raise Misconfigured(
                    f"{there} is in the way of the next certificate: it is not signed, and the next one is; find out "
                    "where it comes from and move it away, or take it over by a certificate without certificate_key"
                )
            try:
                with self._recorded(checked.statement, checked.digest, there):
                    pass
            except IntegrityError:
                if not self._is_taken(flow, number + 1):
                    raise

    @contextmanager
    def _recorded(self, said: Statement, digest: str, path: UPath) -> Iterator[None]:
        """Has the row of a certificate written with what the block does; another worker with this number waits."""
        with writing(self._engine) as connection:
            self._insert(connection, said, digest, path)
            yield

    def _is_taken(self, flow: str, number: int) -> bool:
        """Whether another worker has issued this number meanwhile."""
        with reading(self._engine) as connection:
            return self._last(connection, flow)[0] >= number

    def latest(self, flow: str, limit: int = 20) -> list[Issued]:
        """The latest certificates of a flow, newest first."""
        table = tables.certificate
        columns = [table.c[name] for name in Issued.__dataclass_fields__]
        query = sa.select(*columns).where(table.c.pair == self.pair, table.c.flow == flow)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.number.desc()).limit(limit))
            return [Issued(**row._mapping) for row in rows]

    def _last(self, connection: Connection, flow: str) -> tuple[int, str]:
        table = tables.certificate
        query = sa.select(table.c.number, table.c.digest)
        mine = query.where(table.c.pair == self.pair, table.c.flow == flow).order_by(table.c.number.desc())
        row = connection.execute(mine.limit(1)).first()
        return (row.number, row.digest) if row else (0, "")

    def _path(self, flow: str, number: int) -> UPath:
        return self._folder / flow / re.sub(r"[^A-Za-z0-9]+", "-", self.pair) / f"{number:06}.jsonl"

    def _existing(self, path: UPath, flow: str, number: int, previous: str) -> Checked:
        try:
            with local_file(path) as file, file.open("rb") as lines:
                found = check_certificate(path.name, lines, verifies)
        except Broken as error:
            raise Misconfigured(
                f"{path} is in the way of the next certificate: {error}; move it away"
            ) from error
        said = found.statement
        if (said.flow, said.pair, said.number, said.previous) != (flow, self.pair, number, previous):
            raise Misconfigured(
                f"{path} is in the way of the next certificate: it does not follow the ones that the state database "
                "knows; move it away"
            )
        return found

    def _insert(self, connection: Connection, said: Statement, digest: str, path: UPath) -> None:
        row = {
            "pair": said.pair, "flow": said.flow, "number": said.number, "digest": digest, "previous": said.previous,
            "state": said.state, "run": said.run, "path": str(path), "signed_by": said.signed_by,
            "period_start": said.period_start, "period_end": said.period_end, "at": said.compared_at,
        }  # fmt: skip
        connection.execute(tables.certificate.insert().values(**row))
