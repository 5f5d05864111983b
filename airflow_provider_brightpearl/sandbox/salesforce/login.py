"""The token endpoint, userinfo, identity and revoke (reference, sections 1.1 and 3.1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..http_auth import basic_credentials
from ..settings import list_setting
from .call import Answer
from .errors import ApiError
from .org import Org
from .sessions import Sessions

Form = Mapping[str, str]


class LoginDenied(Exception):
    """A login is rejected, with an OAuth error code and its description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


@dataclass(frozen=True, slots=True)
class Login:
    """Everything below /services/oauth2, and who may log in."""

    org: Org
    sessions: Sessions

    def token(self, body: bytes, headers: Mapping[str, str], origin: str) -> Answer:
        """POST /services/oauth2/token."""
        form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
        try:
            flow = _flow(form.get("grant_type", ""))
            if flow not in list_setting(self.org.settings, "login_flows"):
                raise LoginDenied("unsupported_grant_type", "grant type not supported")
            user = getattr(self, "_" + flow.replace("-", "_"))(form, _client(form, headers))
        except LoginDenied as error:
            return Answer({"error": error.error, "error_description": error.description}, 400)
        return Answer(self._granted(user, flow, origin))

    def _granted(self, user: str, flow: str, origin: str) -> dict[str, object]:
        organization = self.org.organization
        answer: dict[str, object] = {
            "access_token": self.sessions.open(user),
            "instance_url": origin,
            "id": f"{origin}/id/{organization}/{user}",
            "token_type": "Bearer",
            "issued_at": str(int(self.org.clock.now().timestamp() * 1000)),
            "signature": base64.b64encode(user.encode()).decode(),
            "scope": "api refresh_token",
        }
        if flow == "password":
            answer["refresh_token"] = self.sessions.refresh_token(user)
        return answer

    def _client_credentials(self, form: Form, client: tuple[str, str]) -> str:
        self._check_client(client, secret=True)
        return self.org.user

    def _password(self, form: Form, client: tuple[str, str]) -> str:
        self._check_client(client, secret=True)
        return self._check_user(form.get("username", ""), form.get("password", ""), "invalid_grant")

    def _jwt_bearer(self, form: Form, client: tuple[str, str]) -> str:
        # the signature is not verified, because the sandbox has no certificate of the app
        claims = _claims(form.get("assertion", ""))
        if claims.get("iss") != self.org.settings["consumer_key"]:
            raise LoginDenied("invalid_client_id", "client identifier invalid")
        row = self.org.user_row(str(claims.get("sub", "")))
        expiry = claims.get("exp")
        if not isinstance(expiry, (int, float)):
            raise LoginDenied("invalid_grant", "invalid assertion")
        if row is None:
            raise LoginDenied("invalid_grant", "user hasn't approved this consumer")
        return str(row["Id"])

    def _refresh_token(self, form: Form, client: tuple[str, str]) -> str:
        self._check_client(client, secret=bool(client[1]))
        user = self.sessions.user_of_refresh_token(form.get("refresh_token", ""))
        if user is None:
            raise LoginDenied("invalid_grant", "expired access/refresh token")
        return user

    def _check_client(self, client: tuple[str, str], *, secret: bool) -> None:
        if client[0] != self.org.settings["consumer_key"]:
            raise LoginDenied("invalid_client_id", "client identifier invalid")
        if secret and client[1] != self.org.settings["consumer_secret"]:
            raise LoginDenied("invalid_client", "invalid client credentials")

    def _check_user(self, username: str, password: str, error: str) -> str:
        settings = self.org.settings
        row = self.org.user_row(username)
        accepted = (settings["password"], f"{settings['password']}{settings['security_token']}")
        if row is None or password not in accepted:
            raise LoginDenied(error, "authentication failure")
        return str(row["Id"])

    def soap_user(self, version: str, username: str, password: str) -> str:
        """The user of a SOAP login(), which ends with API 65. Raises: LoginDenied."""
        if "soap" not in list_setting(self.org.settings, "login_flows") or float(version) >= 65:
            raise LoginDenied("INVALID_OPERATION", "SOAP API login() is disabled in this org.")
        return self._check_user(username, password, "INVALID_LOGIN")

    def userinfo(self, authorization: str) -> Answer:
        """GET /services/oauth2/userinfo."""
        try:
            user = self.sessions.user_of(authorization)
        except ApiError:
            return Answer(b"Bad_OAuth_Token", 403, media="text/plain")
        row = self.org.store.row("User", user) or {}
        return Answer(
            {
                "sub": f"https://login.salesforce.com/id/{self.org.organization}/{user}",
                "user_id": user,
                "organization_id": self.org.organization,
                "preferred_username": row.get("Username"),
                "name": row.get("Name"),
                "email": row.get("Email"),
            }
        )

    def identity(self, authorization: str, organization: str, user: str, origin: str) -> Answer:
        """GET /id/{organization}/{user}: the address that a token response names."""
        try:
            known = self.sessions.user_of(authorization)
        except ApiError:
            return Answer(b"Bad_OAuth_Token", 403, media="text/plain")
        if (organization[:15], user[:15]) != (self.org.organization[:15], known[:15]):
            return Answer(b"Wrong_Org", 403, media="text/plain")
        row = self.org.store.row("User", known) or {}
        base = f"{origin}/services/data/v{{version}}/"
        paths = {"rest": "", "sobjects": "sobjects/", "search": "search/", "query": "query/"}
        urls = {name: base + path for name, path in paths.items()}
        urls |= {
            name: f"{origin}/services/Soap/{path}/{{version}}/{organization[:15]}"
            for name, path in (("enterprise", "c"), ("partner", "u"), ("metadata", "m"))
        }
        return Answer(
            {
                "id": f"{origin}/id/{self.org.organization}/{known}",
                "asserted_user": True,
                "user_id": known,
                "organization_id": self.org.organization,
                "username": row.get("Username"),
                "nick_name": row.get("Username"),
                "display_name": row.get("Name"),
                "email": row.get("Email"),
                "first_name": row.get("FirstName"),
                "last_name": row.get("LastName"),
                "timezone": "Europe/London",
                "urls": {**urls, "profile": f"{origin}/{known}"},
                "active": True,
                "user_type": "STANDARD",
                "language": "en_US",
                "locale": "en_GB",
                "utcOffset": 0,
                "is_app_installed": True,
            }
        )

    def revoke(self, body: bytes, query: Form) -> Answer:
        """POST /services/oauth2/revoke."""
        form = {**query, **dict(parse_qsl(body.decode("latin-1")))}
        if self.sessions.revoke(form.get("token", "")):
            return Answer()
        return Answer({"error": "unsupported_token_type", "error_description": "invalid token"}, 400)


def _flow(grant_type: str) -> str:
    return grant_type.removeprefix("urn:ietf:params:oauth:grant-type:")


def _client(form: Form, headers: Mapping[str, str]) -> tuple[str, str]:
    """Consumer key and secret, from a Basic header or from the form."""
    try:
        basic = basic_credentials(headers.get("authorization", ""))
    except ValueError:
        raise LoginDenied("invalid_client", "invalid client credentials") from None
    return basic or (form.get("client_id", ""), form.get("client_secret", ""))


def _claims(assertion: str) -> dict[str, object]:
    parts = assertion.split(".")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (IndexError, ValueError):
        raise LoginDenied("invalid_grant", "invalid assertion") from None
    if not isinstance(claims, dict):
        raise LoginDenied("invalid_grant", "invalid assertion")
    return claims
