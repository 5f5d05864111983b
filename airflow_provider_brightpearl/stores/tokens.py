"""OAuth tokens that outlive a process, encrypted, refreshed by one worker at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from cryptography.fernet import InvalidToken
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores.engine import reading, writing
from airflow_provider_brightpearl.stores.tables import token, upsert

T = TypeVar("T")


class Cipher(Protocol):
    """Encrypts tokens at rest; ``cryptography.fernet.Fernet`` and ``MultiFernet`` fit."""

    def encrypt(self, msg: bytes, /) -> bytes: ...

    def decrypt(self, msg: bytes, /) -> bytes: ...


class Tokens(Generic[T]):
    """A token store on the state database.

    Args:
        cipher: encrypts what is stored.
        kind: the dataclass of a token; its fields are text, numbers or aware instants.
    """

    def __init__(self, engine: Engine, cipher: Cipher, kind: type[T]) -> None:
        self._engine = engine
        self._sealed = _Sealed(cipher, kind)

    def read(self, name: str) -> T | None:
        """The stored token, None where there is none.

        Raises:
            Misconfigured: the stored token was encrypted with another key.
        """
        with reading(self._engine) as connection:
            return self._sealed.read(connection, name)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[TokenSlot[T]]:
        """The token while no other worker can change it; writes are kept even if the block fails.

        PostgreSQL locks this token's row, SQLite the whole database against other writers: write nothing else
        to it within the block.
        """
        failure: BaseException | None = None
        with writing(self._engine) as connection:
            _lock(connection, name)
            try:
                yield TokenSlot(connection, name, self._sealed)
            except BaseException as error:
                # a refresh token is good for one use: rolling back would throw away the only valid pair
                failure = error
        if failure is not None:
            raise failure


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


@dataclass(frozen=True, slots=True)
class TokenSlot(Generic[T]):
    """One stored token while nobody else can change it."""

    connection: Connection
    name: str
    sealed: _Sealed[T]

    def read(self) -> T | None:
        return self.sealed.read(self.connection, self.name)

    def write(self, value: T) -> None:
        """Stores the token, all or nothing."""
        self.sealed.write(self.connection, self.name, value)


def _lock(connection: Connection, name: str) -> None:
    # only an existing row can be locked; a second worker's insert waits for the first one's transaction
    empty = upsert(connection, token).values(name=name, value="", changed_at=datetime.now(UTC))
    connection.execute(empty.on_conflict_do_nothing())
    connection.execute(sa.select(token.c.name).where(token.c.name == name).with_for_update())
