"""A Brightpearl connection as a client."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.environment import token_store
from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, SchemaMismatch, SyncError
from airflow_provider_brightpearl.systems.brightpearl.auth import (
    OAuthApp,
    OAuthTokens,
    PrivateAppAuth,
    oauth_auth,
)
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.http.oauth import Token, TokenStore
from airflow_provider_brightpearl.systems.http.transport import new_session

if TYPE_CHECKING:
    import requests
    from requests.auth import AuthBase

log = logging.getLogger(__name__)

_TOKEN_URL = "https://oauth.brightpearl.com/token/{account}"  # noqa: S105 - an address
_KINDS = ("staff", "account", "oauth")
# somebody is looking at the form and wants the answer, not four tries
_ONCE = Backoff(tries=1, throttled_tries=1)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class BrightpearlHook(HttpHook):
    """Calls to one Brightpearl account.

    The connection (type ``brightpearl``):

    ========  ==============================================================================================
    host      API domain, ``https://euw1.brightpearlconnect.com``, ``use1.…``, or a bare domain
    login     account code
    password  staff token or account token of a private app; not used with OAuth
    extra     ``app_ref``, ``dev_ref``, ``token_kind`` (staff, account or oauth); for oauth also
              ``client_secret``, ``refresh_token``, ``access_token``, ``expires_at`` (ISO 8601), ``token_url``
    ========  ==============================================================================================

    Args:
        brightpearl_conn_id: Airflow connection id.
        tokens: where refreshed OAuth tokens outlive the task, instead of the state database.
    """

    conn_name_attr = "brightpearl_conn_id"
    default_conn_name = "brightpearl_default"
    conn_type = "brightpearl"
    hook_name = "Brightpearl"

    def __init__(
        self,
        brightpearl_conn_id: str = default_conn_name,
        *,
        tokens: TokenStore | None = None,
        **options: Any,
    ) -> None:
        super().__init__(http_conn_id=brightpearl_conn_id, **options)
        self.brightpearl_conn_id = brightpearl_conn_id
        self._tokens = tokens

    @cached_property
    def client(self) -> BrightpearlClient:
        """The client of this hook, made at first use."""
        return self._new_client()

    def get_client(self) -> BrightpearlClient:
        """The client of this hook; one per task, not for several threads."""
        return self.client

    def get_conn(self, headers: dict[Any, Any] | None = None, *_: Any, **__: Any) -> requests.Session:
        """A session that signs its calls, for ``run`` of the HTTP hook and for calls of one's own."""
        connection = self.get_connection(self.brightpearl_conn_id)
        account = _required(connection.login, "login (the account code)")
        session = new_session()
        session.auth = self._auth(connection, account, new_session())
        session.headers.update({"Content-Type": "application/json", **(headers or {})})
        self.base_url = f"{base_url(connection)}/public-api/{account}"
        self._base_url_initialized = True
        return session

    def test_connection(self) -> tuple[bool, str]:
        """Whether the account answers, and what is wrong where it does not."""
        try:
            client = self._new_client(backoff=_ONCE)
            answer = client.get("integration-service/account-configuration")
        except SyncError as error:
            return False, _explained(error)
        zone = ((answer or {}).get("configuration") or {}).get("timeZone", "unknown time zone")
        return True, f"Account {client.account} answers ({zone})"

    def _new_client(self, **options: Any) -> BrightpearlClient:
        connection = self.get_connection(self.brightpearl_conn_id)
        account = _required(connection.login, "login (the account code)")
        session = new_session()
        auth = self._auth(connection, account, session)
        return BrightpearlClient(base_url(connection), account, auth, session, **options)

    def _auth(self, connection: Any, account: str, session: requests.Session) -> AuthBase:
        extra: Mapping[str, Any] = connection.extra_dejson
        app_ref = _required(extra.get("app_ref"), "extra app_ref")
        dev_ref = str(extra.get("dev_ref") or "")
        kind = str(extra.get("token_kind") or ("oauth" if extra.get("refresh_token") else "staff"))
        if kind not in _KINDS:
            raise Misconfigured(f"connection: token_kind {kind!r} must be one of {', '.join(_KINDS)}")
        if kind != "oauth":
            token = _required(connection.password, f"password (the {kind} token)")
            return PrivateAppAuth(app_ref, token, kind=kind, dev_ref=dev_ref)
        app = OAuthApp(app_ref, dev_ref, _token_url(extra, account), str(extra.get("client_secret") or ""))
        initial = _initial(extra)
        store = self._tokens or token_store()
        if store is None:
            raise Misconfigured(
                f"connection {self.brightpearl_conn_id}: OAuth needs a Fernet key ([core] fernet_key) to keep "
                "refreshed tokens, or the connection would stop working after its first refresh"
            )
        name = f"brightpearl:{account}:{app_ref}"
        return oauth_auth(OAuthTokens(app, name, store, initial, session))

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Form fields on Airflow 2.11, 3.0 and 3.1; later ones read them from the provider info."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import PasswordField, StringField

        def text(label: str) -> Any:
            return StringField(lazy_gettext(label), widget=BS3TextFieldWidget())

        def secret(label: str) -> Any:
            return PasswordField(lazy_gettext(label), widget=BS3PasswordFieldWidget())

        return {
            "app_ref": text("App reference"),
            "dev_ref": text("Developer reference"),
            "token_kind": text("Token kind (staff, account or oauth)"),
            "client_secret": secret("OAuth client secret"),
            "refresh_token": secret("OAuth refresh token"),
            "access_token": secret("OAuth access token"),
            "expires_at": text("OAuth access token expires at (ISO 8601)"),
            "token_url": text("OAuth token address"),
        }

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Names and placeholders of the standard fields."""
        return {
            "hidden_fields": ["schema", "extra"],
            "relabeling": {
                "host": "API domain", "login": "Account code", "password": "Staff or account token",
            },
            "placeholders": {"host": "https://euw1.brightpearlconnect.com", "login": "acmetest"},
        }  # fmt: skip


def base_url(connection: Any) -> str:
    """Scheme, host and port of a connection; https unless it says otherwise.

    Raises:
        Misconfigured: it has no host.
    """
    host = _required(connection.host, "host (the API domain)").rstrip("/")
    url = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured(f"connection: {host!r} is not an API domain such as euw1.brightpearlconnect.com")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        log.warning("tokens go to %s without encryption; use https for anything but a sandbox", parts.netloc)
    if connection.port and not parts.port:
        url = url.replace(parts.netloc, f"{parts.netloc}:{connection.port}", 1)
    return url


def _token_url(extra: Mapping[str, Any], account: str) -> str:
    return str(extra.get("token_url") or _TOKEN_URL).replace("{account}", account)


def _initial(extra: Mapping[str, Any]) -> Token:
    expires = str(extra.get("expires_at") or "")
    try:
        moment = datetime.fromisoformat(expires) if expires else None
    except ValueError:
        moment = None
    if expires and (moment is None or moment.tzinfo is None):
        raise Misconfigured("connection: expires_at is not an ISO 8601 instant with a time zone")
    access, refresh = str(extra.get("access_token") or ""), str(extra.get("refresh_token") or "")
    if not access and not refresh:
        raise Misconfigured("connection: extra has neither refresh_token nor access_token")
    return Token(access, refresh, moment)


def _required(value: Any, name: str) -> str:
    text = str(value or "").strip()
    if not text:
        raise Misconfigured(f"connection: {name} is missing")
    return text


def _explained(error: SyncError) -> str:
    if isinstance(error, CredentialsRefused) and error.status == 403:
        return f"The token is known but lacks the permission to read account-configuration: {error}"
    if isinstance(error, CredentialsRefused):
        return f"Brightpearl refused the token for this account and app reference: {error}"
    if isinstance(error, SchemaMismatch) and error.status == 404:
        return f"The host answers, but has no such account or path; check host and account code: {error}"
    return str(error)
