"""A Brightpearl connection as a client."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.environment import breaker_of, call_budget, token_store
from airflow_provider_brightpearl.errors import CredentialsRefused, Misconfigured, SchemaMismatch, SyncError
from airflow_provider_brightpearl.extra import Extra
from airflow_provider_brightpearl.hooks.masking import MaskedTokens
from airflow_provider_brightpearl.runtime.breaker import LOOK_READ_SECONDS
from airflow_provider_brightpearl.systems.brightpearl.auth import (
    OAuthApp,
    OAuthTokens,
    PrivateAppAuth,
    oauth_auth,
)
from airflow_provider_brightpearl.systems.brightpearl.client import (
    Body,
    BrightpearlClient,
    MessageAnswer,
    Params,
    period,
)
from airflow_provider_brightpearl.systems.http.oauth import Token, TokenStore
from airflow_provider_brightpearl.systems.http.transport import (
    READ_SECONDS,
    login_session,
    new_session,
)

if TYPE_CHECKING:
    import requests
    from requests.auth import AuthBase

log = logging.getLogger(__name__)

Filters = Mapping[str, str | tuple[datetime | None, datetime]]
"""Filters of a search: text as the API takes it, or a period as two aware instants."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_TOKEN_URL = "https://oauth.brightpearl.com/token/{account}"  # noqa: S105 - an address
_KINDS = ("staff", "account", "oauth")
# a person waits at the form: one try, not four
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
              ``client_secret``, ``refresh_token``, ``access_token``, ``expires_at`` (ISO 8601), ``token_url``;
              ``webhook_secrets`` where events are received
    ========  ==============================================================================================

    A refresh of an OAuth token invalidates the pair before it, so the new pair is written to the state database
    before it is used, by one worker at a time: hooks in flows, in tasks of your own and in triggers share it.

    Args:
        brightpearl_conn_id: Airflow connection id.
        tokens: where refreshed OAuth tokens outlive the task, instead of the state database.
        longest_pause: seconds; where the account announces a longer pause, ``RateLimited`` is raised.
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
        longest_pause: float = 300.0,
        **options: Any,
    ) -> None:
        super().__init__(http_conn_id=brightpearl_conn_id, **options)
        self.brightpearl_conn_id = brightpearl_conn_id
        self.longest_pause = longest_pause
        self._tokens = tokens

    @cached_property
    def client(self) -> BrightpearlClient:
        """The client of this hook, made at first use.

        Raises:
            Unavailable: the account is known to be down; ``outage`` says when somebody looks again.
        """
        connection = self.get_connection(self.brightpearl_conn_id)
        breaker = breaker_of("brightpearl", self.brightpearl_conn_id, connection, self.look)
        breaker.enter()
        return self._new_client(
            shared=True, backoff=Backoff(longest_throttle=self.longest_pause), breaker=breaker
        )

    def look(self) -> Any:
        """One cheap read of the account, not repeated."""
        client = self._new_client(shared=True, backoff=_ONCE, read_seconds=LOOK_READ_SECONDS)
        return client.configuration()

    def get_client(self) -> BrightpearlClient:
        """The client of this hook; one per task, not for several threads."""
        return self.client

    def get_conn(self, headers: dict[Any, Any] | None = None, *_: Any, **__: Any) -> requests.Session:
        """A session that signs its calls, for ``run`` of the HTTP hook and for calls of one's own."""
        connection = self.get_connection(self.brightpearl_conn_id)
        account = _required(connection.login, "login (the account code)")
        session = new_session()
        session.auth = self._auth(connection, account, login_session())
        session.headers.update({"Content-Type": "application/json", **(headers or {})})
        self.base_url = f"{base_url(connection)}/public-api/{account}"
        self._base_url_initialized = True
        return session

    def search(
        self, path: str, columns: Sequence[str], *, filters: Filters | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rows of a search by column name, page by page; ascending by the first column.

        Args:
            path: such as ``order-service/order-search``.
            columns: names of the columns wanted. The first one never changes and can be filtered: the id.
            filters: ``{"orderTypeId": "1", "updatedOn": (start, end)}``.

        Raises:
            SyncError: see ``errors`` for what to do.
        """
        return self.client.search(path, columns=columns, filters=filter_texts(filters), sort=columns[0])

    def count(self, path: str, *, filters: Filters | None = None) -> int:
        """How many rows a search has, in one call; ``filters`` as in ``search``."""
        return self.client.count(path, filters=filter_texts(filters))

    def get_records(
        self, resource: str, ids: Iterable[int], *, params: Params | None = None
    ) -> Iterator[dict[str, Any]]:
        """Records by id, as many a call as fit; numbers with a point as Decimal.

        Args:
            resource: such as ``order-service/order``; the ids follow it, or replace ``{ids}`` in it.
            ids: in any order, repeated or not. Ids that the account does not have are left out.
            params: query, such as ``{"includeOptional": "customFields"}``.

        Raises:
            SyncError: see ``errors`` for what to do.
        """
        return (_decode(record) for record in self.client.get_records(resource, ids, params=params))

    def get(self, path: str, params: Params | None = None) -> Any:
        """The ``response`` of a GET, numbers with a point as Decimal; None where nothing was found."""
        return self.client.get(path, params)

    def post(self, path: str, body: Body, *, repeatable: bool = False) -> Any:
        """The ``response`` of a POST: an id or a list of ids.

        Args:
            path: such as ``contact-service/contact``.
            body: JSON as Python values (Decimal keeps its digits) or as text.
            repeatable: whether sending it twice is harmless, so that it is sent again after a lost answer.

        Raises:
            RecordRefused: the account refuses it and will refuse it again.
            TimedOut: whether it was done is not known.
        """
        return self.client.post(path, body, repeatable=repeatable)

    def put(self, path: str, body: Body, *, repeatable: bool = False) -> Any:
        """The ``response`` of a PUT, None as a rule; see ``post``."""
        return self.client.put(path, body, repeatable=repeatable)

    def patch(self, path: str, operations: Body, *, repeatable: bool = False) -> Any:
        """The whole object after a list of JSON Patch operations; see ``post``."""
        return self.client.patch(path, operations, repeatable=repeatable)

    def delete(self, path: str, *, repeatable: bool = False) -> Any:
        """The ``response`` of a DELETE, None as a rule; see ``post``."""
        return self.client.delete(path, repeatable=repeatable)

    def multi_message(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        parallel: bool = False,
        on_fail: str = "CONTINUE",
        repeatable: bool = False,
    ) -> list[MessageAnswer]:
        """Answers to at most ten messages that count as one request against the quota.

        Args:
            messages: ``{"label": "1", "uri": "/product-service/brand", "httpMethod": "POST", "body": {…}}``,
                each with a label of its own.
            parallel: whether they may be processed in any order.
            on_fail: ``CONTINUE``, or ``STOP``, which leaves the messages after a failure unprocessed.
            repeatable: whether sending all of them twice is harmless.

        Returns:
            One answer a message by ``label``, with ``status`` (0 where it was not processed) and ``body``.

        Raises:
            ValueError: more than ten messages.
            TimedOut: whether they were processed is not known.
        """
        return self.client.multi_message(messages, parallel=parallel, on_fail=on_fail, repeatable=repeatable)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the account answers, and what is wrong where it does not."""
        try:
            client = self._new_client(backoff=_ONCE)
            answer = client.configuration()
        except SyncError as error:
            return False, _explained(error)
        found = answer.get("configuration") if isinstance(answer, dict) else None
        if not isinstance(found, dict):
            return False, (
                f"{client.root} answers, but not as account {client.account}: it has no account-configuration; "
                "check host (the API domain alone) and account code"
            )
        return True, f"Account {client.account} answers ({found.get('timeZone', 'unknown time zone')})"

    def _new_client(
        self, *, shared: bool = False, read_seconds: float = READ_SECONDS, **options: Any
    ) -> BrightpearlClient:
        connection = self.get_connection(self.brightpearl_conn_id)
        account = _required(connection.login, "login (the account code)")
        session = new_session(read_seconds=read_seconds)
        auth = self._auth(connection, account, login_session(read_seconds))
        budget = call_budget("brightpearl", _pool(connection)) if shared else None
        return BrightpearlClient(base_url(connection), account, auth, session, budget=budget, **options)

    def _auth(self, connection: Any, account: str, session: requests.Session) -> AuthBase:
        extra = Extra.of(connection)
        app_ref, dev_ref = extra.required("app_ref"), extra.text("dev_ref")
        kind = _token_kind(extra)
        if kind not in _KINDS:
            raise extra.wrong("token_kind", f"{kind!r} must be one of {', '.join(_KINDS)}")
        if kind != "oauth":
            token = _required(connection.password, f"password (the {kind} token)")
            return PrivateAppAuth(app_ref, token, kind=kind, dev_ref=dev_ref)
        app = OAuthApp(app_ref, dev_ref, _token_url(extra, account), extra.text("client_secret"))
        initial = _initial(extra)
        store = self._tokens or token_store()
        if store is None:
            raise Misconfigured(
                f"connection {self.brightpearl_conn_id}: OAuth needs a Fernet key ([brightpearl] token_keys, "
                "or [core] fernet_key) to keep refreshed tokens, or the connection would stop working after its "
                "first refresh"
            )
        name = f"brightpearl:{account}:{app_ref}"
        return oauth_auth(OAuthTokens(app, name, MaskedTokens(store), initial, session))

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
            "webhook_secrets": secret("Secrets of the webhook address"),
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


def filter_texts(filters: Filters | None) -> dict[str, str]:
    """Filters as the API takes them: two aware instants become a period."""
    return {
        name: period(*value) if isinstance(value, tuple) else value for name, value in (filters or {}).items()
    }


def _token_kind(extra: Extra) -> str:
    return extra.text("token_kind") or ("oauth" if extra.text("refresh_token") else "staff")


def _pool(connection: Any) -> str:
    """What shares one quota: all private apps of an account, or what one developer has there."""
    extra = Extra.of(connection)
    account = str(connection.login or "")
    return f"{account}:{extra.text('dev_ref')}" if _token_kind(extra) == "oauth" else account


def base_url(connection: Any) -> str:
    """Scheme, host and port of a connection; https by default.

    Raises:
        Misconfigured: it has no host.
    """
    host = _required(connection.host, "host (the API domain)").rstrip("/")
    url = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        named = None
    if not named:
        raise Misconfigured(f"connection: {host!r} is not an API domain such as euw1.brightpearlconnect.com")
    if "public-api" in parts.path.split("/"):
        raise Misconfigured(
            f"connection: host {host!r} holds the path of the API; write the API domain alone, {parts.netloc}, "
            "and the account code as login"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        log.warning("tokens go to %s without encryption; use https for anything but a sandbox", parts.netloc)
    if connection.port and not parts.port:
        url = url.replace(parts.netloc, f"{parts.netloc}:{connection.port}", 1)
    return url


def _token_url(extra: Extra, account: str) -> str:
    return (extra.text("token_url") or _TOKEN_URL).replace("{account}", account)


def _initial(extra: Extra) -> Token:
    expires = extra.text("expires_at")
    try:
        moment = datetime.fromisoformat(expires) if expires else None
    except ValueError:
        moment = None
    if expires and (moment is None or moment.tzinfo is None):
        raise extra.wrong("expires_at", f"{expires!r} is not an ISO 8601 instant with a time zone")
    access, refresh = extra.text("access_token"), extra.text("refresh_token")
    if not access and not refresh:
        raise extra.wrong("refresh_token", "is missing, and so is access_token")
    return Token(access, refresh, moment)


def _required(value: Any, name: str) -> str:
    text = str(value or "").strip()
    if not text:
        raise Misconfigured(f"connection: {name} is missing")
    if not text.isprintable():
        raise Misconfigured(f"connection: {name} holds a character that cannot be typed; write it anew")
    return text


def _explained(error: SyncError) -> str:
    if isinstance(error, CredentialsRefused) and error.status == 403:
        return f"The token is known but lacks the permission to read account-configuration: {error}"
    if isinstance(error, CredentialsRefused):
        return f"Brightpearl refused the token for this account and app reference: {error}"
    if isinstance(error, SchemaMismatch) and error.status == 404:
        return f"The host answers, but has no such account or path; check host and account code: {error}"
    return str(error)
