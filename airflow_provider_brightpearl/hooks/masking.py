"""Registers with Airflow's masker the credentials that it cannot know, so that no log of a task shows them.

Airflow masks passwords of connections and those fields of their extras whose names it takes for secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.systems.http.oauth import Token, TokenSlot, TokenStore
from airflow_provider_brightpearl.systems.http.secrets import remember


@cache
def mask(secret: str) -> None:
    """Has this secret masked in all logs and messages of this process; once, as a task's supervisor hears each time."""
    if secret:
        compat.mask_secret(secret)
        remember(secret)


@dataclass(frozen=True, slots=True)
class MaskedTokens:
    """A token store whose tokens are masked as soon as they are known."""

    store: TokenStore

    def read(self, name: str) -> Token | None:
        return _masked(self.store.read(name))

    @contextmanager
    def exclusive(self, name: str) -> Iterator[TokenSlot]:
        with self.store.exclusive(name) as slot:
            yield _MaskedSlot(slot)


@dataclass(frozen=True, slots=True)
class _MaskedSlot:
    slot: TokenSlot

    def read(self) -> Token | None:
        return _masked(self.slot.read())

    def write(self, token: Token) -> None:
        # stored first: a token that cannot be masked is not lost for that
        self.slot.write(token)
        _masked(token)


def _masked(token: Token | None) -> Token | None:
    if token is not None:
        mask(token.access_token)
        mask(token.refresh_token)
        mask(token.previous_refresh_token)
    return token
