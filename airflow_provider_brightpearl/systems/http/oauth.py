"""OAuth tokens that several workers share, and the bearer header made of them; knows no vendor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeGuard

import requests
from requests.auth import AuthBase

# of a lifetime in seconds that an instant can hold
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Token:
    """An OAuth token pair; ``expires_at`` is aware, None where it is not known.

    ``logins`` are the aware instants of the last day's logins, where a system limits their number.
    ``previous_refresh_token`` is the one that ``refresh_token`` replaced. ``refreshing_since``: when a refresh began of
    which no answer is stored; where a system changes refresh tokens, it may have replaced this one.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    logins: tuple[datetime, ...] = field(default=(), repr=False)
    previous_refresh_token: str = field(default="", repr=False)
    refreshing_since: datetime | None = field(default=None, repr=False)

    def fresh(self, now: datetime) -> bool:
        # not refreshed early: Brightpearl would return the current token with its remaining seconds
        return bool(self.access_token) and (self.expires_at is None or now < self.expires_at)


def has_token(answer: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a login's answer holds an access token."""
    return (
        isinstance(answer, dict)
        and isinstance(answer.get("access_token"), str)
        and bool(answer["access_token"])
    )


def lifetime(answer: Mapping[str, Any], default: int = 0) -> timedelta:
    """How long the token of an answer is valid; ``default`` seconds where it does not say so in whole seconds."""
    text = str(answer.get("expires_in") or default)
    whole = text.isascii() and text.isdigit() and len(text) < _DIGITS
    return timedelta(seconds=int(text) if whole else default)


class TokenSlot(Protocol):
    """One stored token while nobody else can change it."""

    def read(self) -> Token | None: ...

    def write(self, token: Token) -> None:
        """Stores both tokens and the expiry, all or nothing."""
        ...


class TokenStore(Protocol):
    """A store of tokens that outlive a process; ``exclusive`` lets one worker at a time refresh."""

    def read(self, name: str) -> Token | None: ...

    def exclusive(self, name: str) -> AbstractContextManager[TokenSlot]: ...


class MemoryTokens:
    """Tokens of one process, for tests and for use without a state database."""

    def __init__(self, tokens: Mapping[str, Token] | None = None) -> None:
        self.tokens = dict(tokens or {})
        self._lock = threading.Lock()

    def read(self, name: str) -> Token | None:
        return self.tokens.get(name)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[TokenSlot]:
        with self._lock:
            yield _MemorySlot(self.tokens, name)


@dataclass(frozen=True, slots=True)
class _MemorySlot:
    tokens: dict[str, Token]
    name: str

    def read(self) -> Token | None:
        return self.tokens.get(self.name)

    def write(self, token: Token) -> None:
        self.tokens[self.name] = token


class RenewableToken(Protocol):
    """An access token that can be replaced when a system no longer accepts it."""

    def current(self) -> str:
        """An access token that has not expired by our clock."""
        ...

    def renew(self, stale: str) -> str:
        """Another access token than ``stale``: one that another worker has stored meanwhile, or a new one."""
        ...


def _unauthorized(response: requests.Response) -> bool:
    return response.status_code == 401


class BearerAuth(AuthBase):
    """Bearer header of a renewable token; a call whose token was refused is sent once more with a new one.

    The server rejected such a call, so sending it again cannot repeat a write.

    Args:
        token: gives and renews the access token.
        headers: further headers of every call.
        refused: whether an answer says that the token, not the call, was refused.
    """

    def __init__(
        self,
        token: RenewableToken,
        headers: Mapping[str, str] | None = None,
        refused: Callable[[requests.Response], bool] = _unauthorized,
    ) -> None:
        self._token = token
        self._headers = headers or {}
        self._refused = refused

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        used = self._token.current()
        self._sign(request, used)

        def repeat(response: requests.Response, **options: Any) -> requests.Response:
            if not self._refused(response):
                return response
            again = response.request.copy()
            self._sign(again, self._token.renew(used))
            # as requests' own digest auth repeats: past the hooks, so only once
            repeated: requests.Response = response.connection.send(again, **options)
            repeated.history.append(response)
            repeated.request = again
            return repeated

        request.register_hook("response", repeat)  # type: ignore[no-untyped-call]
        return request

    def _sign(self, request: requests.PreparedRequest, token: str) -> None:
        request.headers.update(self._headers)
        request.headers["Authorization"] = f"Bearer {token}"
