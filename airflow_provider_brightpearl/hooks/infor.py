"""An Infor connection as a client."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.environment import breaker_of, call_budget, token_store
from airflow_provider_brightpearl.errors import Misconfigured, SyncError
from airflow_provider_brightpearl.extra import Extra
from airflow_provider_brightpearl.hooks.masking import MaskedTokens, mask
from airflow_provider_brightpearl.runtime.breaker import LOOK_READ_SECONDS
from airflow_provider_brightpearl.systems.http.oauth import BearerAuth, MemoryTokens, TokenStore
from airflow_provider_brightpearl.systems.http.transport import LOGIN_SECONDS, login_session, new_session
from airflow_provider_brightpearl.systems.infor.auth import IonApp, ServiceAccountTokens
from airflow_provider_brightpearl.systems.infor.calls import Value
from airflow_provider_brightpearl.systems.infor.client import (
    BULK_SIZE,
    READ_SECONDS,
    Answer,
    InforClient,
    Record,
    Transaction,
    mi_text,
)

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

# a person waits at the form: one try, not four
_ONCE = Backoff(tries=1, throttled_tries=1)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class InforHook(HttpHook):
    """Calls to the M3 of one Infor tenant, through the ION API gateway.

    The connection (type ``infor``) holds the content of a backend service's ``.ionapi`` file: pasted as it is
    into the extra, into its field ``ionapi`` or into the password, or as the single fields ``ti``, ``ci``,
    ``cs``, ``iu``, ``pu``, ``ot``, ``saak`` and ``sask`` of the extra. Beside it the extra takes:

    ==============  ========================================================================================
    cono, divi      company and division of all calls; empty for what the app's user has
    api_version     ``v2``, or ``v1`` where the tenant has no other
    suite           path segment of M3 at the gateway, ``M3``
    batch_size      transactions a bulk call
    timeout         seconds without an answer after which a call is given up
    settle_seconds  how long after a lost answer a write may still arrive
    ==============  ========================================================================================

    Args:
        infor_conn_id: Airflow connection id.
        tokens: where the token that all workers share is kept, instead of the state database.
        longest_pause: seconds; where the gateway announces a longer pause, ``RateLimited`` is raised.
        row_tries: how often a record is sent that M3 has locked, the first time among them.
    """

    conn_name_attr = "infor_conn_id"
    default_conn_name = "infor_default"
    conn_type = "infor"
    hook_name = "Infor M3"

    def __init__(
        self,
        infor_conn_id: str = default_conn_name,
        *,
        tokens: TokenStore | None = None,
        longest_pause: float = 300.0,
        row_tries: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(http_conn_id=infor_conn_id, **options)
        self.infor_conn_id = infor_conn_id
        self.longest_pause = longest_pause
        self.row_tries = row_tries
        self._tokens = tokens

    @cached_property
    def client(self) -> InforClient:
        """The client of this hook, made at first use.

        Raises:
            Unavailable: M3 is known to be down; ``outage`` says when somebody looks again.
        """
        connection = self.get_connection(self.infor_conn_id)
        breaker = breaker_of("infor", self.infor_conn_id, connection, self.look)
        breaker.enter()
        return self._new_client(
            shared=True,
            backoff=Backoff(longest_throttle=self.longest_pause),
            row_backoff=Backoff(tries=self.row_tries, first=0.5, longest=10.0),
            breaker=breaker,
        )

    def get_client(self) -> InforClient:
        """The client of this hook; one per task, not for several threads."""
        return self.client

    def get_conn(self, headers: dict[Any, Any] | None = None, *_: Any, **__: Any) -> requests.Session:
        """A session that signs its calls, for ``run`` of the HTTP hook: paths begin with ``v2/execute/``."""
        client = self._new_client()
        session = client.session
        session.auth = client.auth
        session.headers.update({"Accept": "application/json", **(headers or {})})
        self.base_url = client.root
        self._base_url_initialized = True
        return session

    def mi(
        self,
        program: str,
        transaction: str,
        record: Mapping[str, Value] | None = None,
        *,
        columns: Sequence[str] = (),
        repeatable: bool | None = None,
    ) -> list[Record]:
        """The records that one MI transaction gives, as text by field; none where it gives none.

        Args:
            program: such as ``CRS610MI``.
            transaction: such as ``GetBasicData``.
            record: input by field; numbers as int or Decimal, dates as ``date``, company from the connection.
            columns: output fields wanted, all if empty.
            repeatable: whether sending it twice is harmless; if None, what Get, Lst, Sel and the like do is.

        Raises:
            RecordRefused: M3 refuses it, with its message, code and field.
            TimedOut: whether it was done is not known.
        """
        [answer] = self.mi_bulk(program, transaction, [record or {}], columns=columns, repeatable=repeatable)
        return list(answer.records_or_raise(f"{program} {transaction}"))

    def mi_bulk(
        self,
        program: str,
        transaction: str,
        records: Iterable[Mapping[str, Value]],
        *,
        columns: Sequence[str] = (),
        repeatable: bool | None = None,
    ) -> list[Answer]:
        """Answers to one MI transaction over many records, in their order, as many a call as fit.

        Each record succeeds or fails on its own: a refused one is an answer, and the others are done all the same.

        Args:
            program: such as ``MMS200MI``.
            transaction: such as ``UpdItmBasic``.
            records: input by field, as for ``mi``.
            columns: output fields wanted, all if empty.
            repeatable: as for ``mi``.

        Returns:
            One answer a record: ``state``, ``records``, and of a refusal ``code``, ``message`` and ``field``.

        Raises:
            TimedOut: whether the records of one call were done is not known, nor were later ones sent.
        """
        transactions = [
            Transaction(transaction, {name: mi_text(value) for name, value in record.items()})
            for record in records
        ]
        return self.client.bulk(program, transactions, repeatable=repeatable, columns=columns)

    def look(self) -> Any:
        """One cheap read of M3, not repeated."""
        client = self._new_client(
            shared=True, backoff=_ONCE, row_backoff=_ONCE, read_seconds=LOOK_READ_SECONDS
        )
        return client.read("GENERAL", "GetUserInfo", {})

    def test_connection(self) -> tuple[bool, str]:
        """Whether M3 answers, and what is wrong where it does not."""
        try:
            client = self._new_client(backoff=_ONCE, row_backoff=_ONCE)
            [user] = client.read("GENERAL", "GetUserInfo", {})
        except SyncError as error:
            return False, str(error)
        company, division = user.get("ZDCONO", ""), user.get("ZDDIVI", "")
        where = f"company {client.company or company}, division {client.division or division or 'none'}"
        return True, f"M3 answers as user {user.get('ZZUSID', 'unknown')} ({where})"

    def _new_client(
        self, *, shared: bool = False, read_seconds: float | None = None, **options: Any
    ) -> InforClient:
        connection = self.get_connection(self.infor_conn_id)
        extra = Extra.of(connection)
        app = IonApp.of(_ionapi(connection.password, extra.values))
        for secret in (app.access_key, app.secret_key, app.client_secret):
            mask(secret)
        _warn_of_plain_http(app)
        timeout = extra.number("timeout", READ_SECONDS, least=1)
        session = new_session(read_seconds=read_seconds or timeout)
        # apart from the session that get_conn signs, or the login would sign itself
        logins = login_session(read_seconds or LOGIN_SECONDS)
        auth = BearerAuth(ServiceAccountTokens(app, self._store(), logins))
        return InforClient(
            app.gateway, app.tenant, auth, session,
            company=_company(extra), division=extra.text("divi"), suite=extra.text("suite") or "M3",
            version=extra.text("api_version") or "v2",
            bulk_size=int(extra.number("batch_size", BULK_SIZE, least=1)),
            settle_seconds=extra.number("settle_seconds", 60.0),
            budget=call_budget("infor", app.tenant) if shared else None, **options,
        )  # fmt: skip

    def _store(self) -> TokenStore:
        store = self._tokens or token_store()
        if store is None:
            log.warning(
                "tokens of connection %s are not shared: every task logs in, and a tenant has 100 tokens "
                "a day; set a Fernet key", self.infor_conn_id,
            )  # fmt: skip
        return MaskedTokens(store or MemoryTokens())

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Form fields on Airflow 2.11, 3.0 and 3.1; later ones read them from the provider info."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import PasswordField, StringField

        def text(label: str) -> Any:
            return StringField(lazy_gettext(label), widget=BS3TextFieldWidget())

        return {
            "ionapi": PasswordField(
                lazy_gettext("Content of the .ionapi file (JSON)"), widget=BS3PasswordFieldWidget()
            ),
            "cono": text("Company (CONO)"),
            "divi": text("Division (DIVI)"),
            "api_version": text("API version (v2 or v1)"),
            "suite": text("Suite path (M3)"),
            "batch_size": text("Transactions per bulk call (50)"),
            "timeout": text("Seconds without an answer (310)"),
            "settle_seconds": text("Seconds a lost write may still take (60)"),
        }

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Names and placeholders of the standard fields."""
        return {"hidden_fields": ["host", "port", "schema", "login", "password", "extra"], "relabeling": {}}


def _ionapi(password: str | None, extra: Mapping[str, Any]) -> str | Mapping[str, Any]:
    """What holds the credentials: the field, the password, or the extra itself."""
    pasted = extra.get("ionapi")
    if isinstance(pasted, Mapping):
        return pasted
    if pasted and str(pasted).strip():
        return str(pasted)
    if password and password.strip().startswith("{"):
        return password
    if not any(name in extra for name in ("ti", "ci", "saak")):
        raise Misconfigured("connection: the content of the .ionapi file is missing")
    return {**extra, "sask": extra.get("sask") or password or ""}


def _company(extra: Extra) -> str:
    company = extra.text("cono")
    if company and not (company.isascii() and company.isdigit()):
        raise extra.wrong("cono", f"{company!r} is not a company number; write 100, for example")
    return company


def _warn_of_plain_http(app: IonApp) -> None:
    for url in (app.gateway, app.token_url):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            log.warning(
                "tokens go to %s without encryption; use https for anything but a sandbox", parts.netloc
            )
