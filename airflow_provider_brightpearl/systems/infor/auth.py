"""Authentication with Infor's gateway: a backend service's ``.ionapi`` file and one token that all workers share.

A tenant issues 100 tokens per day and client and allows 20 logins a minute (Infor OS usage limits), so a worker
logs in only if it cannot read a stored token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, RateLimited, Unavailable
from airflow_provider_brightpearl.systems.http.header_values import retry_after
from airflow_provider_brightpearl.systems.http.oauth import Token, TokenStore, has_token, lifetime
from airflow_provider_brightpearl.systems.http.secrets import redacted
from airflow_provider_brightpearl.systems.http.transport import excerpt, exchange

SYSTEM = "infor"
# a token is replaced this long before its end, as a call may take minutes
EARLY = timedelta(minutes=5)
# how many of a day's 100 tokens may replace ones that the gateway refused before their end
FORCED_LOGINS = 60
# of a day's 100 tokens; the rest is for people, and for what else uses the app
LOGINS_A_DAY = 95
_DAY = timedelta(days=1)
_LOGIN_WAIT = 60.0
_REQUIRED = ("ti", "ci", "cs", "iu", "pu", "ot", "saak", "sask")


@dataclass(frozen=True, slots=True)
class IonApp:
    """What a backend service's ``.ionapi`` file holds; ``gateway`` and ``token_url`` are addresses."""

    tenant: str
    client_id: str
    gateway: str
    token_url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    client_secret: str = field(repr=False)

    @classmethod
    def of(cls, content: str | Mapping[str, Any]) -> IonApp:
        """The app of an ``.ionapi`` file's content.

        Raises:
            Misconfigured: not JSON, or a field is missing; never repeats what it holds.
        """
        values = _decoded(content) if isinstance(content, str) else content
        missing = [name for name in _REQUIRED if not str(values.get(name) or "").strip()]
        if missing:
            raise Misconfigured(_missing(missing), system=SYSTEM)
        given = {name: str(values[name]).strip() for name in _REQUIRED}
        return cls(
            tenant=given["ti"],
            client_id=given["ci"],
            gateway=given["iu"].rstrip("/"),
            token_url=given["pu"].rstrip("/") + "/" + given["ot"].lstrip("/"),
            access_key=given["saak"],
            secret_key=given["sask"],
            client_secret=given["cs"],
        )


def _decoded(content: str) -> Mapping[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        # the text is a credential: not a character of it goes into the message
        raise Misconfigured("the .ionapi content is not a JSON object", system=SYSTEM)
    return values


def _missing(names: list[str]) -> str:
    reason = f"the .ionapi content lacks {', '.join(names)}"
    if names[0] == "saak":
        return f"{reason}: download the file of a backend service app, with 'create service account' ticked"
    return reason


class ServiceAccountTokens:
    """The access token of one app, obtained by one worker at a time through the store."""

    def __init__(
        self,
        app: IonApp,
        store: TokenStore,
        session: requests.Session,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.app = app
        self.name = f"infor:{app.tenant}:{app.client_id}"
        self._store = store
        self._session = session
        self._now = now

    def current(self) -> str:
        """An access token valid for some more minutes by our clock."""
        token = self._store.read(self.name)
        if token and token.fresh(self._now()):
            return token.access_token
        return self.renew(token.access_token if token else "")

    def renew(self, stale: str) -> str:
        """Another access token than ``stale``: one that another worker has stored meanwhile, or a new one.

        Raises:
            CredentialsRefused: the login was refused, or tokens are refused again and again before their end.
            RateLimited: nearly all tokens of a day are used; says when the oldest login is a day old.
        """
        with self._store.exclusive(self.name) as slot:
            stored = slot.read()
            logins = self._recent(stored)
            if stored and stored.fresh(self._now()):
                if stored.access_token != stale:
                    return stored.access_token
                _check_logins(logins)
            self._keep_reserve(logins)
            token = replace(self._log_in(), logins=(*logins, self._now()))
            slot.write(token)
            return token.access_token

    def _recent(self, stored: Token | None) -> tuple[datetime, ...]:
        start = self._now() - _DAY
        return tuple(moment for moment in stored.logins if moment > start) if stored else ()

    def _keep_reserve(self, logins: Sequence[datetime]) -> None:
        if len(logins) < LOGINS_A_DAY:
            return
        again = logins[-LOGINS_A_DAY] + _DAY
        raise RateLimited(
            f"{len(logins)} of a day's 100 tokens are used, and the rest is kept for others; the next login is "
            f"possible at {again.isoformat(timespec='minutes')}",
            wait_seconds=(again - self._now()).total_seconds(), system=SYSTEM, operation="log in",
        )  # fmt: skip

    def _log_in(self) -> Token:
        app = self.app
        form = {
            "grant_type": "password", "username": app.access_key, "password": app.secret_key,
            "client_id": app.client_id, "client_secret": app.client_secret, "scope": "",
        }  # fmt: skip
        response = exchange(
            self._session, "POST", app.token_url, data=form, system=SYSTEM, operation="log in",
            headers={"Accept": "application/json"},
        )  # fmt: skip
        return _token(_answer(response), self._now())


def _check_logins(logins: Sequence[datetime]) -> None:
    if len(logins) >= FORCED_LOGINS:
        again = (logins[0] + _DAY).isoformat(timespec="minutes")
        raise CredentialsRefused(
            f"the gateway keeps refusing the tokens it has given, {len(logins)} of a day's 100; there is no "
            f"new login before {again}: check that the app's user is linked to an M3 user",
            system=SYSTEM,
        )


def _answer(response: requests.Response) -> Mapping[str, Any]:
    status = response.status_code
    evidence: dict[str, Any] = {"system": SYSTEM, "operation": "log in", "status": status}
    if status == 429:
        announced = retry_after(response.headers)
        seconds = _LOGIN_WAIT if announced is None else announced
        raise RateLimited("too many logins", wait_seconds=seconds, **evidence)
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        raise Unavailable(f"the token address answered {excerpt(response)}", **evidence) from None
    if status == 200 and has_token(answer):
        return answer
    if status >= 500 or not isinstance(answer, dict):
        raise Unavailable("the token endpoint is not available", **evidence)
    reason = " ".join(str(answer[key]) for key in ("error", "error_description") if key in answer)
    raise CredentialsRefused(f"Infor refused the service account: {redacted(reason)}", **evidence)


def _token(answer: Mapping[str, Any], now: datetime) -> Token:
    # a refresh token is an option of the app and a login costs as much, so it is not used
    valid = lifetime(answer, default=7200)
    usable = max(valid - EARLY, valid / 2)
    return Token(str(answer["access_token"]), expires_at=now + usable)
