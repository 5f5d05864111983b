"""Authentication with Brightpearl: headers of private apps, and OAuth 2 tokens that refresh themselves.

requests-oauthlib was considered and not used: it refreshes by its own clock only, knows neither
Brightpearl's 401 with a text body nor a lock around the refresh, and writes tokens through a callback
outside of such a lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeGuard

import requests
from requests.auth import AuthBase

from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    SyncError,
    TimedOut,
    Unavailable,
)
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
    refresh tokens are refused, so that a re-authorised connection heals itself.
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
        """Another access token than ``stale``: one that another worker has stored meanwhile, or a new one.

        Raises:
            CredentialsRefused: no refresh token is accepted any more; the message says what to do.
        """
        with self._store.exclusive(self._name) as slot:
            known = slot.read()
            if self._renewed(known, stale):
                return known.access_token
            begun = known or self._initial
            cut_off = begun.refreshing_since
            # stored before the call: whoever comes after a killed worker knows that a new token may have been lost
            slot.write(replace(begun, refreshing_since=cut_off or self._now()))
            try:
                token = self._refresh(begun, cut_off)
            except SyncError as error:
                if not _may_be_done(error):
                    slot.write(replace(begun, refreshing_since=cut_off))
                raise
            slot.write(token)
            return token.access_token

    def _renewed(self, known: Token | None, stale: str) -> TypeGuard[Token]:
        return known is not None and known.access_token != stale and known.fresh(self._now())

    def _refresh(self, token: Token, cut_off: datetime | None) -> Token:
        """A new token, by the first one that is accepted: the stored one, its predecessor, the connection's."""
        # a system that blocks all tokens where one is used again has nothing left to block after the first refusal
        candidates = dict.fromkeys(
            (token.refresh_token, token.previous_refresh_token, self._initial.refresh_token)
        )
        refused: CredentialsRefused | None = None
        for refresh_token in filter(None, candidates):
            try:
                found = self._request(refresh_token)
            except CredentialsRefused as error:
                refused = refused or error
                continue
            return replace(found, previous_refresh_token=refresh_token)
        if refused is None:
            raise CredentialsRefused(
                "the access token is not valid any more and the connection has no refresh_token",
                system=SYSTEM,
            )
        if cut_off is not None:
            raise CredentialsRefused(
                f"{refused.message}. The refresh of {cut_off.isoformat(timespec='seconds')} was cut off before its "
                "answer was stored, and Brightpearl may have replaced the refresh token then: put the new one into "
                "the connection, nothing else has to be repaired",
                system=SYSTEM, operation=refused.operation, status=refused.status,
            ) from refused  # fmt: skip
        raise refused

    def _request(self, refresh_token: str) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.app.app_ref}
        if self.app.client_secret:
            form["client_secret"] = self.app.client_secret
        # a mapping is form-encoded value by value: tokens hold + / =
        response = exchange(
            self._session, "POST", self.app.token_url, data=form, system=SYSTEM, operation="refresh token"
        )
        return _token(_token_answer(response), refresh_token, self._now())


def _may_be_done(error: SyncError) -> bool:
    """Whether the refresh token may have been replaced: no answer, or one that is not Brightpearl's."""
    return isinstance(error, TimedOut) or (isinstance(error, Unavailable) and error.status is not None)


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
    # other JSON is that of a gateway, which does not know what was done behind it
    if not (400 <= response.status_code < 500 and isinstance(answer, dict) and "error" in answer):
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
