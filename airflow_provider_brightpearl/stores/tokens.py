"""OAuth tokens that outlive a process, encrypted, refreshed by one worker at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from cryptography.fernet import InvalidToken
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.errors import Misconfigured, SyncError, Unavailable
from airflow_provider_brightpearl.stores.engine import reading, shared_time, writing
from airflow_provider_brightpearl.stores.tables import token, upsert

log = logging.getLogger(__name__)

# more than all logins of one refresh can take: three, each ``LOGIN_SECONDS`` and the seconds to connect
CLAIM = timedelta(minutes=3)
# seconds between two looks of a worker that waits for another one's refresh
_LOOK = 0.1
# seconds before a write is tried again, over a new connection
_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0)


class Stored(Protocol):
    """What a token is, whatever else it holds."""

    @property
    def access_token(self) -> str: ...


T = TypeVar("T", bound=Stored)


class Cipher(Protocol):
    """Encrypts tokens at rest; ``cryptography.fernet.Fernet`` and ``MultiFernet`` fit."""

    def encrypt(self, msg: bytes, /) -> bytes: ...

    def decrypt(self, msg: bytes, /) -> bytes: ...


class Tokens(Generic[T]):
    """A token store on the state database.

    Args:
        cipher: encrypts what is stored.
        kind: the dataclass of a token; its fields are text, numbers or aware instants.
        claim: how long a worker that refreshes keeps the others waiting, if it dies.
    """

    def __init__(self, engine: Engine, cipher: Cipher, kind: type[T], claim: timedelta = CLAIM) -> None:
        self._engine = engine
        self._sealed = _Sealed(cipher, kind)
        self._claim = claim

    def read(self, name: str) -> T | None:
        """The stored token, None where there is none.

        Raises:
            Misconfigured: the stored token was encrypted with another key.
        """
        with reading(self._engine) as connection:
            return self._sealed.read(connection, name)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[TokenSlot[T]]:
        """The token while no other worker refreshes it; each write is kept at once, even if the block fails.

        It is claimed by a row, so that no transaction is open while the block makes calls.

        Raises:
            Unavailable: another worker has refreshed it for longer than a claim lasts.
        """
        holder = uuid4().hex
        self._take(name, holder)
        try:
            yield TokenSlot(self._engine, name, holder, self._sealed)
        finally:
            self._release(name, holder)

    def _take(self, name: str, holder: str) -> None:
        # one who dies is waited for once, one after the other who refresh soon end
        until = time.monotonic() + 2 * max(self._claim, CLAIM).total_seconds()
        while not (self._is_free(name) and self._claimed(name, holder)):
            if time.monotonic() > until:
                raise Unavailable(
                    f"other workers are refreshing the token {name}, and have been for minutes",
                    system="state database",
                )
            time.sleep(_LOOK)

    def _is_free(self, name: str) -> bool:
        # without a lock: who waits must not hold up others
        with reading(self._engine) as connection:
            taken = sa.select(token.c.name).where(token.c.name == name, sa.not_(_free(connection)))
            return connection.execute(taken).first() is None

    def _claimed(self, name: str, holder: str) -> bool:
        with writing(self._engine) as connection:
            now = shared_time(connection)
            empty = upsert(connection, token).values(name=name, value="", changed_at=now)
            connection.execute(empty.on_conflict_do_nothing())
            claim = token.update().where(token.c.name == name, _free(connection))
            claimed = claim.values(claimed_by=holder, claimed_until=now + self._claim)
            return bool(connection.execute(claimed).rowcount)

    def _release(self, name: str, holder: str) -> None:
        mine = token.update().where(token.c.name == name, token.c.claimed_by == holder)
        try:
            with writing(self._engine) as connection:
                connection.execute(mine.values(claimed_by="", claimed_until=None))
        except SyncError as error:
            log.warning("the claim of the token %s was not given back, and expires: %s", name, error)


@dataclass(frozen=True, slots=True)
class _Sealed(Generic[T]):
    cipher: Cipher
    kind: type[T]

    def read(self, connection: Connection, name: str) -> T | None:
        sealed = connection.execute(sa.select(token.c.value).where(token.c.name == name)).scalar()
        if not sealed:
            return None
        try:
            return msgspec.json.decode(self.cipher.decrypt(sealed.encode()), type=self.kind)
        except InvalidToken:
            raise Misconfigured(
                f"the stored token {name} cannot be decrypted: the Fernet key has changed; restore the "
                "old key beside the new one, or delete the row from bp_token and authorise again"
            ) from None

    def write(self, connection: Connection, name: str, value: T) -> None:
        sealed = self.cipher.encrypt(msgspec.json.encode(value)).decode()
        change = token.update().where(token.c.name == name)
        connection.execute(change.values(value=sealed, changed_at=datetime.now(UTC)))


class TokenSlot(Generic[T]):
    """One stored token while nobody else refreshes it."""

    def __init__(self, engine: Engine, name: str, holder: str, sealed: _Sealed[T]) -> None:
        self._engine = engine
        self._name = name
        self._holder = holder
        self._sealed = sealed
        self._known = ""

    def read(self) -> T | None:
        with reading(self._engine) as connection:
            found = self._sealed.read(connection, self._name)
        self._known = found.access_token if found else ""
        return found

    def write(self, value: T) -> None:
        """Stores the token, all or nothing; tried again, as a refresh token is given once.

        Raises:
            Unavailable: the state database does not answer for longer than some seconds.
        """
        for pause in _PAUSES:
            try:
                return self._write(value)
            except (Unavailable, exc.SQLAlchemyError) as error:
                log.warning("the token %s was not stored, and is tried again: %s", self._name, error)
            time.sleep(pause)
        self._write(value)

    def _write(self, value: T) -> None:
        with writing(self._engine) as connection:
            row = sa.select(token.c.claimed_by).where(token.c.name == self._name).with_for_update()
            if connection.execute(row).scalar() != self._holder and self._replaced(connection):
                log.warning("the token %s came late: another worker has stored a newer one", self._name)
                return
            self._sealed.write(connection, self._name, value)
        self._known = value.access_token

    def _replaced(self, connection: Connection) -> bool:
        """Whether another worker, after the claim expired, has stored another token."""
        found = self._sealed.read(connection, self._name)
        return found is not None and found.access_token != self._known


def _free(connection: Connection) -> sa.ColumnElement[bool]:
    return sa.or_(token.c.claimed_by == "", token.c.claimed_until <= shared_time(connection))
