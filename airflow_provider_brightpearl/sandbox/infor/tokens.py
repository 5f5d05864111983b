"""The token service of the tenant (reference 1.2, 1.3)."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..http_auth import basic_credentials
from ..rolling_count import RollingCount
from ..settings import int_setting, list_setting
from .errors import GatewayError
from .rate_limits import DAY, MINUTE
from .settings import TENANT
from .tenant import Tenant


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `until` is in sandbox seconds."""

    text: str
    until: float
    refresh: str


class TokenService:
    """Issues, checks and revokes tokens, within the login limits of a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._live: dict[str, Token] = {}
        self._refresh: set[str] = set()
        self._logins = RollingCount(tenant.clock, DAY)
        self._issued = RollingCount(tenant.clock, DAY)

    def clear(self) -> None:
        """Delete all tokens and reset all counts."""
        self._live.clear()
        self._refresh.clear()
        self._logins.clear()
        self._issued.clear()

    def grant(self, body: bytes, headers: dict[str, str]) -> dict[str, object]:
        """The body of a token response. Raises: GatewayError."""
        form = _form(body, headers)
        self._authenticate(form, headers)
        kind = form.get("grant_type", "")
        if kind not in ("password", "refresh_token"):
            raise _denied(400, "unsupported_grant_type", f"unsupported grant_type {kind}")
        if kind not in list_setting(self._tenant.settings, "grants"):
            raise GatewayError(400, {"error": "unauthorized_client"})
        if kind == "password":
            self._password(form)
        elif form.get("refresh_token", "") not in self._refresh:
            raise _denied(400, "invalid_grant", "unknown, invalid, or expired refresh token")
        return self._issue()

    def revoke(self, body: bytes, headers: dict[str, str]) -> None:
        """Revoke a token; an unknown one is no error. Raises: GatewayError for a bad client."""
        form = _form(body, headers)
        self._authenticate(form, headers)
        gone = form.get("token", "")
        self._refresh.discard(gone)
        for token in [one for one in self._live.values() if gone in (one.text, one.refresh)]:
            del self._live[token.text]

    def authenticate(self, authorization: str) -> None:
        """Check a bearer token. Raises: GatewayError if it is missing, unknown or expired."""
        scheme, _, text = authorization.partition(" ")
        token = self._live.get(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise GatewayError(401, {"error": "Unauthorized"})
        if self._tenant.clock.seconds() >= token.until:
            status = int_setting(self._tenant.settings, "expired_token_status")
            raise GatewayError(
                status, {"error": "Unauthorized"} if status == 401 else "Internal Server Error"
            )

    def _authenticate(self, form: dict[str, str], headers: dict[str, str]) -> None:
        client = _client_of(form, headers.get("authorization", ""))
        settings = self._tenant.settings
        if client != (settings["client_id"], settings["client_secret"]):
            raise _denied(401, "invalid_client", "Invalid client or client credentials.")

    def _password(self, form: dict[str, str]) -> None:
        settings = self._tenant.settings
        self._count(self._logins, (("logins_per_minute", MINUTE), ("logins_per_day", DAY)))
        if (form.get("username"), form.get("password")) != (settings["access_key"], settings["secret_key"]):
            raise _denied(400, "invalid_grant", "The service account or its secret is not valid.")

    def _issue(self) -> dict[str, object]:
        settings = self._tenant.settings
        self._count(self._issued, (("tokens_per_day", DAY),))
        seconds = int_setting(settings, "token_seconds")
        until = self._tenant.clock.seconds() + seconds
        token = Token(_jwt(until), until, secrets.token_urlsafe(24) if settings["refresh_tokens"] else "")
        self._live[token.text] = token
        answer: dict[str, object] = {
            "access_token": token.text,
            "token_type": "Bearer",
            "expires_in": seconds,
        }
        if token.refresh:
            self._refresh.add(token.refresh)
            answer["refresh_token"] = token.refresh
        return answer

    def _count(self, events: RollingCount, limits: tuple[tuple[str, int], ...]) -> None:
        """Count an event against rolling windows, the documented limits (reference 1.3). Raises: GatewayError."""
        settings = self._tenant.settings
        if settings["limit_logins"]:
            for name, window in limits:
                if events.within(window) >= int_setting(settings, name):
                    status = int_setting(settings, "login_limit_status")
                    raise GatewayError(status, {"error": "too_many_requests", "error_description": name})
        events.add()


def _form(body: bytes, headers: dict[str, str]) -> dict[str, str]:
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _denied(400, "invalid_request", "a form body is required")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _client_of(form: dict[str, str], authorization: str) -> tuple[str, str]:
    """Client id and secret, from a Basic header or from the form."""
    try:
        basic = basic_credentials(authorization)
    except ValueError:
        return "", ""
    return basic or (form.get("client_id", ""), form.get("client_secret", ""))


def _denied(status: int, error: str, text: str) -> GatewayError:
    return GatewayError(status, {"error": error, "error_description": text})


def _jwt(until: float) -> str:
    """A token with the three parts of a real one; clients must not rely on its content."""
    parts = (
        {"alg": "none", "typ": "JWT"},
        {"Tenant": TENANT, "exp": int(until), "jti": secrets.token_hex(8)},
    )
    packed = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*packed, secrets.token_urlsafe(32)])
