"""Authentication: private-app headers, OAuth tokens and the token endpoint (reference, sections 1.2-1.4)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..clock import Clock
from ..settings import float_setting
from .call import ProxyError, Record
from .reference_data import INSTANCE

NOT_AUTHENTICATED = "Not authenticated. You must provide a valid authentication token."


@dataclass(frozen=True, slots=True)
class Credentials:
    """Fixed credentials of the sandbox; the tokens need URL encoding, as real ones do."""

    app_ref: str = "acmetest_sandbox"
    staff_token: str = "sandbox-staff-token"  # noqa: S105
    account_token: str = "sandbox-account-token"  # noqa: S105
    client_id: str = "sandbox-oauth-app"
    client_secret: str = "sandbox-oauth-secret"  # noqa: S105
    dev_ref: str = "sandboxdev"
    refresh_token: str = "sandbox+refresh/token=="  # noqa: S105
    code: str = "sandbox+code/1="


CREDENTIALS = Credentials()


class Authenticator:
    """Checks credentials and issues tokens."""

    def __init__(self, settings: dict[str, object], clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.clear()

    def clear(self) -> None:
        """Back to the initial state: one refresh token, no access token."""
        self._count = 0
        self._refresh = CREDENTIALS.refresh_token
        self._tokens: dict[str, float] = {}
        self._current: str | None = None
        self._codes = {CREDENTIALS.code}

    def authenticate(self, headers: Mapping[str, str]) -> str:
        """The throttle pool of the caller.

        Raises:
            ProxyError: 401, the credentials are missing, wrong or expired.
        """
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            return self._bearer(bearer[7:], headers)
        for name, known in (
            ("brightpearl-staff-token", CREDENTIALS.staff_token),
            ("brightpearl-account-token", CREDENTIALS.account_token),
        ):
            if name in headers and "brightpearl-app-ref" in headers:
                if headers[name] != known or headers["brightpearl-app-ref"] != CREDENTIALS.app_ref:
                    raise ProxyError(401, f"Invalid instance token: {headers[name]}")
                return "private"
        raise ProxyError(401, NOT_AUTHENTICATED)

    def _bearer(self, token: str, headers: Mapping[str, str]) -> str:
        expires = self._tokens.get(token)
        if expires is None:
            raise ProxyError(401, f"Invalid instance token: {token}")
        if expires <= self._clock.now().timestamp():
            raise ProxyError(401, "Authorization token expired")
        needed = [
            "brightpearl-app-ref",
            *(["brightpearl-dev-ref"] if self._settings["require_dev_ref"] else []),
        ]
        if any(name not in headers for name in needed):
            raise ProxyError(401, NOT_AUTHENTICATED)
        return "public:" + headers.get("brightpearl-dev-ref", "")

    def token_response(self, content: bytes, content_type: str, host: str) -> tuple[int, Record]:
        """Status and body of the token endpoint: tokens, or a 400 with an OAuth error."""
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return 400, {"error": "invalid_request"}
        form = dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("client_id") != CREDENTIALS.client_id:
            return 400, {"error": "invalid_client"}
        if form.get("client_secret", CREDENTIALS.client_secret) != CREDENTIALS.client_secret:
            return 400, {"error": "invalid_client"}
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") == self._refresh:
            return 200, self._refresh_tokens(host)
        if form.get("grant_type") == "authorization_code" and form.get("code") in self._codes:
            return 200, self._exchange_code(form, host)
        if form.get("grant_type") not in ("refresh_token", "authorization_code"):
            return 400, {"error": "unsupported_grant_type"}
        sentence = "The auth token has either expired or does not exist"
        return 400, {"error": "invalid_grant", "error_description": sentence}

    def _exchange_code(self, form: dict[str, str], host: str) -> Record:
        self._codes.discard(form["code"])
        return self._token_body(host) | {"installation_instance_id": str(INSTANCE)}

    def _refresh_tokens(self, host: str) -> Record:
        # INFERRED from one recording: no rotation, and a token that is still valid is returned again.
        rotate = self._settings["oauth_rotate"] == "always"
        if rotate:
            self._refresh = self._new_token("refresh")
        fresh = rotate or not self._settings["oauth_same_until_expiry"]
        return self._token_body(host, fresh)

    def _token_body(self, host: str, fresh: bool = False) -> Record:
        now = self._clock.now().timestamp()
        if fresh or self._current is None or self._tokens[self._current] <= now:
            self._current = self._new_token("access")
            self._tokens[self._current] = now + float_setting(self._settings, "oauth_lifetime_seconds")
        return {
            "access_token": self._current,
            "refresh_token": self._refresh,
            "api_domain": host,
            "token_type": "Bearer",
            "expires_in": int(self._tokens[self._current] - now),
        }

    def _new_token(self, kind: str) -> str:
        self._count += 1
        digest = hashlib.sha256(f"{kind} {self._count}".encode()).digest()
        return "+/" + base64.b64encode(digest).decode()
