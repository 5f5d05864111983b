"""Sessions: tokens that expire after some time or number of calls, and the daily API limit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..settings import int_setting
from .errors import ApiError
from .org import Org

DAY = 86_400


@dataclass(slots=True)
class Session:
    """The session of an access token."""

    user: str
    since: float
    calls: int = 0


class Sessions:
    """All sessions of the org, and its daily API limit."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._open: dict[str, Session] = {}
        self._refresh: dict[str, str] = {}
        self._count = 0
        self._day = org.clock.seconds()

    def clear(self) -> None:
        """End every session."""
        self._open.clear()
        self._refresh.clear()
        self._day = self._org.clock.seconds()

    def open(self, user: str) -> str:
        """Open a session and return its access token."""
        token = f"{self._org.organization[:15]}!{self._secret(user)}"
        self._open[token] = Session(user, self._org.clock.seconds())
        return token

    def refresh_token(self, user: str) -> str:
        """A new refresh token of a user."""
        token = f"5Aep{self._secret(user)}"
        self._refresh[token] = user
        return token

    def user_of_refresh_token(self, token: str) -> str | None:
        """The user of a refresh token; None if it is unknown."""
        return self._refresh.get(token)

    def revoke(self, token: str) -> bool:
        """Revoke an access or refresh token; False if it is unknown."""
        known = token in self._open or token in self._refresh
        self._open.pop(token, None)
        self._refresh.pop(token, None)
        return known

    def user_of(self, authorization: str) -> str:
        """The user of an Authorization header. Raises: ApiError INVALID_SESSION_ID."""
        scheme, _, token = authorization.partition(" ")
        session = self._open.get(token.strip()) if scheme.lower() in ("bearer", "oauth") else None
        if session is None or self._has_expired(session):
            raise ApiError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        session.calls += 1
        return session.user

    def _has_expired(self, session: Session) -> bool:
        age = self._org.clock.seconds() - session.since
        calls = int_setting(self._org.settings, "session_calls")
        return age >= int_setting(self._org.settings, "session_seconds") or 0 < calls <= session.calls

    def count_call(self, calls: int = 1) -> None:
        """Count calls against the daily limit. Raises: ApiError REQUEST_LIMIT_EXCEEDED."""
        settings, now = self._org.settings, self._org.clock.seconds()
        if now - self._day >= DAY:
            settings["daily_api_used"], self._day = 0, now
        used = int_setting(settings, "daily_api_used")
        if used >= int_setting(settings, "daily_api_limit"):
            raise ApiError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        settings["daily_api_used"] = used + calls

    def usage(self) -> str:
        """The text of the Sforce-Limit-Info header."""
        settings = self._org.settings
        return f"api-usage={settings['daily_api_used']}/{settings['daily_api_limit']}"

    def _secret(self, user: str) -> str:
        self._count += 1
        moment = f"{user}{self._count}{self._org.clock.seconds()}"
        return "AQ" + hashlib.sha256(moment.encode()).hexdigest()
