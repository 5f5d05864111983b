"""Who may call: headers of private apps, OAuth tokens and their endpoint (reference, sections 1.2-1.4)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..clock import Clock
from .call import Record, Refusal
from .reference_data import INSTANCE

LIFETIME = 604_800
NOBODY = "Not authenticated. You must provide a valid authentication token."


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens the sandbox, the same every time; the tokens need URL encoding, as real ones do."""

    app_ref: str = "acmetest_sandbox"
    staff_token: str = "sandbox-staff-token"  # noqa: S105
    account_token: str = "sandbox-account-token"  # noqa: S105
    client_id: str = "sandbox-oauth-app"
    client_secret: str = "sandbox-oauth-secret"  # noqa: S105
    dev_ref: str = "sandboxdev"
    refresh_token: str = "sandbox+refresh/token=="  # noqa: S105
    code: str = "sandbox+code/1="


CREDENTIALS = Credentials()


class Access:
    """The tokens that were given out."""

    def __init__(self, settings: dict[str, object], clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.clear()

    def clear(self) -> None:
        """As on the first day: one refresh token, no access token."""
        self._count = 0
        self._refresh = CREDENTIALS.refresh_token
        self._tokens: dict[str, float] = {}
        self._current: str | None = None
        self._codes = {CREDENTIALS.code}

    def check(self, headers: Mapping[str, str]) -> str:
        """The throttle pool of an authenticated call; Refusal with 401 otherwise."""
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            return self._bearer(bearer[7:], headers)
        for name, known in (
            ("brightpearl-staff-token", CREDENTIALS.staff_token),
            ("brightpearl-account-token", CREDENTIALS.account_token),
        ):
            if name in headers and "brightpearl-app-ref" in headers:
                if headers[name] != known or headers["brightpearl-app-ref"] != CREDENTIALS.app_ref:
                    raise Refusal(401, f"Invalid instance token: {headers[name]}")
                return "private"
        raise Refusal(401, NOBODY)

    def _bearer(self, token: str, headers: Mapping[str, str]) -> str:
        expires = self._tokens.get(token)
        if expires is None:
            raise Refusal(401, f"Invalid instance token: {token}")
        if expires <= self._clock.now().timestamp():
            raise Refusal(401, "Authorization token expired")
        needed = [
            "brightpearl-app-ref",
            *(["brightpearl-dev-ref"] if self._settings["require_dev_ref"] else []),
        ]
        if any(name not in headers for name in needed):
            raise Refusal(401, NOBODY)
        return "public:" + headers.get("brightpearl-dev-ref", "")

    def grant(self, content: bytes, content_type: str, host: str) -> tuple[int, Record]:
        """The answer of the token endpoint: tokens, or a 400 with an OAuth error."""
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return 400, {"error": "invalid_request"}
        form = dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("client_id") != CREDENTIALS.client_id:
            return 400, {"error": "invalid_client"}
        if form.get("client_secret", CREDENTIALS.client_secret) != CREDENTIALS.client_secret:
            return 400, {"error": "invalid_client"}
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") == self._refresh:
            return 200, self._refreshed(host)
        if form.get("grant_type") == "authorization_code" and form.get("code") in self._codes:
            return 200, self._first(form, host)
        if form.get("grant_type") not in ("refresh_token", "authorization_code"):
            return 400, {"error": "unsupported_grant_type"}
        sentence = "The auth token has either expired or does not exist"
        return 400, {"error": "invalid_grant", "error_description": sentence}

    def _first(self, form: dict[str, str], host: str) -> Record:
        self._codes.discard(form["code"])
        return self._issued(host) | {"installation_instance_id": str(INSTANCE)}

    def _refreshed(self, host: str) -> Record:
        # Not rotating, and giving the still valid token again, is what a recording suggests (INFERRED).
        rotate = self._settings["oauth_rotate"] == "always"
        if rotate:
            self._refresh = self._token("refresh")
        fresh = rotate or not self._settings["oauth_same_until_expiry"]
        return self._issued(host, fresh)

    def _issued(self, host: str, fresh: bool = False) -> Record:
        now = self._clock.now().timestamp()
        if fresh or self._current is None or self._tokens[self._current] <= now:
            self._current = self._token("access")
            self._tokens[self._current] = now + float(str(self._settings["oauth_lifetime_seconds"]))
        return {
            "access_token": self._current,
            "refresh_token": self._refresh,
            "api_domain": host,
            "token_type": "Bearer",
            "expires_in": int(self._tokens[self._current] - now),
        }

    def _token(self, kind: str) -> str:
        self._count += 1
        digest = hashlib.sha256(f"{kind} {self._count}".encode()).digest()
        return "+/" + base64.b64encode(digest).decode()
