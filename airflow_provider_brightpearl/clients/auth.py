"""Who we are to Brightpearl: headers of private apps, and OAuth 2 tokens that refresh themselves.

requests-oauthlib was looked at and not used: it refreshes by its own clock only, knows neither
Brightpearl's 401 with a text body nor a lock around the refresh, and writes tokens through a callback
outside of such a lock.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import requests
from requests.auth import AuthBase

from airflow_provider_brightpearl.clients.transport import excerpt, exchange, redacted
from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, Unavailable

SYSTEM = "brightpearl"


@dataclass(frozen=True, slots=True)
class Token:
    """An OAuth token pair; ``expires_at`` is aware, None where it is not known.

    ``logins`` are the aware instants of the last day's logins, where a system limits their number.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    logins: tuple[datetime, ...] = field(default=(), repr=False)

    def fresh(self, now: datetime) -> bool:
        # not refreshed ahead of time: Brightpearl would hand the living token back with its remaining seconds
        return bool(self.access_token) and (self.expires_at is None or now < self.expires_at)


class TokenSlot(Protocol):
    """One stored token while nobody else can change it."""

    def read(self) -> Token | None: ...

    def write(self, token: Token) -> None:
        """Stores both tokens and the expiry, all or nothing."""
        ...


class TokenStore(Protocol):
    """Where tokens outlive a process; ``exclusive`` lets one worker at a time refresh."""

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


class PrivateAppAuth(AuthBase):
    """Headers of a private app: its reference with a staff token, or with an account token (being sunset)."""

    def __init__(self, app_ref: str, token: str, *, kind: str = "staff", dev_ref: str = "") -> None:
        if kind not in ("staff", "account"):
            raise Misconfigured(f"token kind {kind!r} is neither staff nor account", system=SYSTEM)
        self.headers = {"brightpearl-app-ref": app_ref, f"brightpearl-{kind}-token": token}
        if dev_ref:
            self.headers["brightpearl-dev-ref"] = dev_ref

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.headers)
        return request


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """What identifies an OAuth app; ``token_url`` as in ``https://oauth.brightpearl.com/token/{account}``."""

    app_ref: str
    dev_ref: str
    token_url: str
    client_secret: str = field(default="", repr=False)


class OAuthTokens:
    """The access token of one account and app, refreshed by one worker at a time through the store.

    ``initial`` is what the connection holds: used until the store has a token, and again when the stored
    refresh token is refused, so that a re-authorised connection heals itself.
    """

    def __init__(
        self,
        app: OAuthApp,
        name: str,
        store: TokenStore,
        initial: Token,
        session: requests.Session,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.app = app
        self._name = name
        self._store = store
        self._initial = initial
        self._session = session
        self._now = now

    def current(self) -> str:
        """An access token that has not expired by our clock."""
        token = self._store.read(self._name) or self._initial
        return token.access_token if token.fresh(self._now()) else self.renew(token.access_token)

    def renew(self, stale: str) -> str:
        """Another access token than ``stale``: one that another worker has stored meanwhile, or a new one."""
        with self._store.exclusive(self._name) as slot:
            stored = slot.read()
            if stored and stored.access_token != stale and stored.fresh(self._now()):
                return stored.access_token
            token = self._refresh(stored or self._initial)
            slot.write(token)
            return token.access_token

    def _refresh(self, token: Token) -> Token:
        try:
            return self._request(token.refresh_token)
        except CredentialsRefused:
            if self._initial.refresh_token in ("", token.refresh_token):
                raise
            return self._request(self._initial.refresh_token)

    def _request(self, refresh_token: str) -> Token:
        if not refresh_token:
            raise CredentialsRefused(
                "the access token is not valid any more and the connection has no refresh_token",
                system=SYSTEM,
            )
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.app.app_ref}
        if self.app.client_secret:
            form["client_secret"] = self.app.client_secret
        # a mapping is form-encoded value by value: tokens hold + / =
        response = exchange(
            self._session, "POST", self.app.token_url, data=form, system=SYSTEM, operation="refresh token"
        )
        return _token(_token_answer(response), refresh_token, self._now())


def _token_answer(response: requests.Response) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "system": SYSTEM, "operation": "refresh token", "status": response.status_code,
    }  # fmt: skip
    try:
        answer = response.json()
    except ValueError:
        raise Unavailable(f"the token address answered {excerpt(response)}", **evidence) from None
    if response.status_code == 200 and isinstance(answer, dict) and "access_token" in answer:
        return answer
    if response.status_code >= 500:
        raise Unavailable("the token address cannot answer now", **evidence)
    reason = " ".join(str(answer[key]) for key in ("error", "error_description") if key in answer)
    raise CredentialsRefused(
        f"Brightpearl refused to refresh the token: {redacted(reason)}; authorise the app again", **evidence
    )


def _token(answer: Mapping[str, Any], refresh_token: str, now: datetime) -> Token:
    # refreshing early returns the token that still lives, with its remaining life: trust expires_in only
    lifetime = timedelta(seconds=int(answer.get("expires_in", 0)))
    return Token(
        access_token=str(answer["access_token"]),
        refresh_token=str(answer.get("refresh_token") or refresh_token),
        expires_at=now + lifetime if lifetime else None,
    )


class OAuthAuth(AuthBase):
    """Bearer header of an OAuth app; a call whose token was refused is sent once more with a new one."""

    def __init__(self, tokens: OAuthTokens) -> None:
        self._tokens = tokens

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._tokens.current()
        self._sign(request, token)
        request.register_hook("response", self._again(token))  # type: ignore[no-untyped-call]
        return request

    def _sign(self, request: requests.PreparedRequest, token: str) -> None:
        app = self._tokens.app
        request.headers["Authorization"] = f"Bearer {token}"
        request.headers["brightpearl-app-ref"] = app.app_ref
        if app.dev_ref:
            request.headers["brightpearl-dev-ref"] = app.dev_ref

    def _again(self, used: str) -> Callable[..., requests.Response]:
        def repeat(response: requests.Response, **options: Any) -> requests.Response:
            token = self._token_after(response, used)
            if token is None:
                return response
            request = response.request.copy()
            self._sign(request, token)
            # the way requests' own digest auth repeats: past the hooks, so only once
            repeated: requests.Response = response.connection.send(request, **options)
            repeated.history.append(response)
            repeated.request = request
            return repeated

        return repeat

    def _token_after(self, response: requests.Response, used: str) -> str | None:
        # "Invalid instance token" is what a token gets that another worker's refresh has replaced
        if response.status_code != 401 or not re.search(
            "token expired|Invalid instance token", response.text
        ):
            return None
        return self._tokens.renew(used)
