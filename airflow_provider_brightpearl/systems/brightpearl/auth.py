"""Authentication with Brightpearl: headers of private apps, and OAuth 2 tokens that refresh themselves.

requests-oauthlib was considered and not used: it refreshes by its own clock only, knows neither
Brightpearl's 401 with a text body nor a lock around the refresh, and writes tokens through a callback
outside of such a lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from requests.auth import AuthBase

from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, Unavailable
from airflow_provider_brightpearl.systems.brightpearl.answers import SYSTEM
from airflow_provider_brightpearl.systems.http.oauth import BearerAuth, Token, TokenStore, has_token, lifetime
from airflow_provider_brightpearl.systems.http.secrets import redacted
from airflow_provider_brightpearl.systems.http.transport import excerpt, exchange


class PrivateAppAuth(AuthBase):
    """Headers of a private app: its reference with a staff token, or with an account token (being sunset)."""

    def __init__(self, app_ref: str, token: str, *, kind: str = "staff", dev_ref: str = "") -> None:
        if kind not in ("staff", "account"):
            raise Misconfigured(f"token kind {kind!r} must be staff or account", system=SYSTEM)
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

    ``initial`` is the connection's token, used until the store has a token, and again when the stored
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
    except (ValueError, RecursionError):
        raise Unavailable(f"the token address answered {excerpt(response)}", **evidence) from None
    if response.status_code == 200 and isinstance(answer, dict) and has_token(answer):
        return answer
    if response.status_code >= 500 or not isinstance(answer, dict):
        raise Unavailable("the token endpoint is not available", **evidence)
    reason = " ".join(str(answer[key]) for key in ("error", "error_description") if key in answer)
    raise CredentialsRefused(
        f"Brightpearl refused to refresh the token: {redacted(reason)}; authorise the app again", **evidence
    )


def _token(answer: Mapping[str, Any], refresh_token: str, now: datetime) -> Token:
    # an early refresh returns the current token with its remaining life: trust expires_in only
    valid = lifetime(answer)
    return Token(
        access_token=str(answer["access_token"]),
        refresh_token=str(answer.get("refresh_token") or refresh_token),
        expires_at=now + valid if valid else None,
    )


def oauth_auth(tokens: OAuthTokens) -> BearerAuth:
    """Signs the calls of an OAuth app."""
    app = tokens.app
    headers = {"brightpearl-app-ref": app.app_ref, "brightpearl-dev-ref": app.dev_ref}
    return BearerAuth(tokens, {name: value for name, value in headers.items() if value}, _token_refused)


def _token_refused(response: requests.Response) -> bool:
    # "Invalid instance token" answers a token that another worker's refresh has replaced
    return response.status_code == 401 and bool(
        re.search("token expired|Invalid instance token", response.text)
    )
