"""A Salesforce connection as a client, on top of the official provider's hook."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from airflow.providers.salesforce.hooks.salesforce import SalesforceHook as ProviderSalesforceHook
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.environment import breaker_of, daily_quota
from airflow_provider_brightpearl.errors import Misconfigured, RetryLater, SyncError
from airflow_provider_brightpearl.extra import Extra, is_unicode
from airflow_provider_brightpearl.hooks.masking import mask
from airflow_provider_brightpearl.systems.http.transport import READ_SECONDS, new_session
from airflow_provider_brightpearl.systems.salesforce.client import BULK_THRESHOLD, RowAnswer, SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.collections import keys_of, row_json
from airflow_provider_brightpearl.systems.salesforce.ids import full_id
from airflow_provider_brightpearl.systems.salesforce.login import login_errors
from airflow_provider_brightpearl.systems.salesforce.subscription import ENDPOINT, Access

if TYPE_CHECKING:
    from simple_salesforce import Salesforce

log = logging.getLogger(__name__)
SYSTEM = "salesforce"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ONCE = Backoff(tries=1, throttled_tries=1)


class SalesforceHook(ProviderSalesforceHook):
    """Calls to one Salesforce org; all ways to log in, and the form, are those of the official hook.

    Three keys of the connection's extra are ours: ``endpoint_override``, a base such as
    ``http://127.0.0.1:8080`` that all calls go to instead (a sandbox), ``request_timeout`` in seconds, and
    ``pubsub_endpoint``, where change events are subscribed to.

    Args:
        salesforce_conn_id: Airflow connection id.
        session_id: of a session that exists, with its instance in the connection.
        session: for all calls, instead of one of our own.
        longest_pause: seconds; where the org announces a longer pause, ``RateLimited`` is raised.
    """

    def __init__(
        self,
        salesforce_conn_id: str = ProviderSalesforceHook.default_conn_name,
        session_id: str | None = None,
        session: requests.Session | None = None,
        *,
        longest_pause: float = 300.0,
    ) -> None:
        super().__init__(salesforce_conn_id, session_id, session)
        self.longest_pause = longest_pause

    @cached_property
    def conn(self) -> Salesforce:
        """The logged-in simple-salesforce client, over our session.

        Raises:
            CredentialsRefused: the login was refused.
            Misconfigured: the connection has no complete set of credentials.
            Unavailable: the login endpoint does not answer, or is not available.
        """
        extra = Extra.of(self.get_connection(self.conn_id))
        for name in _TEXTS:
            text, given = extra.text(name), extra.values.get(name)
            if given and not (text and isinstance(given, str)):
                raise extra.wrong(name, 'is no text, such as "62.0"; write it in quotes, or clear it')
        self.session: requests.Session | None = self.session or _session(extra)
        self._check_login(extra)
        self._check_key(extra)
        try:
            with login_errors(self.session, "Salesforce refused the login"):
                connection = super().conn
                mask(connection.session_id)
                return connection
        except TypeError as error:
            raise Misconfigured(_INCOMPLETE, system=SYSTEM, operation="login") from error

    def get_client(self) -> SalesforceClient:
        """The client of this hook; one per task, not for several threads."""
        return self.client

    @cached_property
    def client(self) -> SalesforceClient:
        """The client of this hook, made at first use.

        Raises:
            Unavailable: the org is known to be down; ``outage`` says when somebody looks again.
        """
        breaker = breaker_of(SYSTEM, self.conn_id, self.get_connection(self.conn_id), self.look)
        breaker.enter()
        backoff = Backoff(longest_throttle=self.longest_pause)
        try:
            connection = self.conn
        except RetryLater as error:
            breaker.gave_up(error)
            raise
        daily = daily_quota(f"salesforce:{connection.sf_instance}")
        return SalesforceClient(connection, backoff=backoff, on_login=mask, breaker=breaker, daily=daily)

    def look(self) -> Any:
        """One cheap read of the org, not repeated, with a login where there was none yet."""
        return SalesforceClient(self.conn, backoff=_ONCE, on_login=mask).limits()

    def pubsub_access(self) -> Access:
        """A login for the Pub/Sub API, at the extra ``pubsub_endpoint`` or the vendor's usual place.

        Raises:
            CredentialsRefused: the login was refused.
            Misconfigured: the connection has no complete set of credentials, or a wrong endpoint.
            Unavailable: the login endpoint does not answer.
        """
        extra, connection = Extra.of(self.get_connection(self.conn_id)), self.conn
        organization = SalesforceClient(connection, backoff=_ONCE).organization_id()
        return Access(
            extra.text("pubsub_endpoint") or ENDPOINT,
            connection.session_id,
            f"https://{connection.sf_instance}",
            full_id(organization) or organization,
            extra.text("client_id"),
        )

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[dict[str, Any]]:
        """Records of a SOQL query, page by page, without ``attributes``; numbers with a point as Decimal.

        Args:
            soql: the query, at most 16,000 bytes.
            deleted: whether rows in the recycle bin count too.

        Raises:
            SyncError: see ``errors`` for what to do.
        """
        return self.client.query(soql, deleted=deleted)

    def bulk_query(self, soql: str) -> Iterator[dict[str, str]]:
        """Rows of a query through a Bulk API 2.0 job, as text by column, in no given order."""
        return self.client.bulk_query(soql)

    def upsert(
        self,
        object_name: str,
        key_field: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        bulk: bool | None = None,
    ) -> list[RowAnswer]:
        """Answers to an upsert by external id, in the order of ``rows``; rows that were locked are sent again.

        Args:
            object_name: such as ``Account``.
            key_field: external id field, which every row holds.
            rows: fields by name. None and empty text clear a field; Decimal keeps its digits; instants are aware.
            bulk: a Bulk API job (True) or collections of 200 rows a call (False); by size if None.

        Returns:
            One answer a row: ``id`` and ``created``, or ``code``, ``message`` and ``fields`` of a refusal.

        Raises:
            ValueError: a key is missing or repeated, or an instant has no time zone.
            SyncError: the call as a whole failed; doing it again is harmless.
        """
        texts = [row_json(row) for row in rows]
        if not (len(texts) >= BULK_THRESHOLD if bulk is None else bulk):
            return self.client.upsert(object_name, key_field, texts)
        found = {answer.key: answer for answer in self.client.bulk_upsert(object_name, key_field, texts)}
        return [found[key] for key in keys_of(key_field, texts)]

    def delete(self, ids: Sequence[str]) -> list[RowAnswer]:
        """Answers to the deletion of records by id, in their order; a refusal is an answer, not an error."""
        return self.client.delete(ids)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the org answers, and what is wrong where it does not."""
        try:
            daily = SalesforceClient(self.conn, backoff=_ONCE).limits().get("DailyApiRequests", {})
        except SyncError as error:
            return False, str(error)
        return (
            True,
            f"{self.conn.sf_instance} answers ({daily.get('Remaining', 'unknown')} API calls left today)",
        )

    def _check_login(self, extra: Extra) -> None:
        """Catches credentials that a login would refuse with a misleading message, or use otherwise than meant."""
        connection = self.get_connection(self.conn_id)
        for name in ("login", "password"):
            if not is_unicode(getattr(connection, name) or ""):
                raise Misconfigured(
                    f"connection {self.conn_id}: {name} holds half a character; write it anew",
                    system=SYSTEM, operation="login",
                )  # fmt: skip
        key, secret, domain = map(extra.text, ("consumer_key", "consumer_secret", "domain"))
        with_password = connection.login and connection.password
        if key and secret and not domain and not with_password:
            raise Misconfigured(
                f"connection {self.conn_id}: domain is missing; consumer key and secret are for the org's own "
                "domain: Setup, My Domain, such as acme.my for https://acme.my.salesforce.com",
                system=SYSTEM, operation="login",
            )  # fmt: skip
        if key and secret and with_password:
            log.warning(
                "connection %s holds login and password beside consumer key and secret, so the password "
                "grant is used; clear login and password for the client-credentials flow",
                self.conn_id,
            )

    def _check_key(self, extra: Extra) -> None:
        """Catches a private key that the login would use and cannot read."""
        connection = self.get_connection(self.conn_id)
        second = ("security_token", "organization_id", "consumer_secret")
        with_password = connection.login and connection.password and any(map(extra.text, second))
        # the file goes first, as in simple-salesforce
        name = next(filter(extra.text, ("private_key_file_path", "private_key")), None)
        if name is None or with_password or not extra.text("consumer_key"):
            return
        text = extra.text(name)
        try:
            pem = Path(text).read_bytes() if name == "private_key_file_path" else text.encode()
            key: Any = load_pem_private_key(pem, password=None)
        except OSError as error:
            raise extra.wrong(name, f"cannot be read: {error.strerror}; correct the path") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, RSAPrivateKey):
            raise extra.wrong(name, "is not an RSA private key in PEM format without a passphrase")


_INCOMPLETE = (
    "the connection has no complete set of credentials: consumer_key, consumer_secret and domain (client "
    "credentials); login, consumer_key and a private key (JWT); or login, password and security_token"
)


# what the official hook hands to simple-salesforce as it is
_TEXTS = (
    "security_token", "domain", "instance", "instance_url", "organization_id", "version", "client_id", "consumer_key",
    "consumer_secret", "private_key_file_path", "private_key",
)  # fmt: skip


def _session(extra: Extra) -> requests.Session:
    parts = urlsplit(extra.text("endpoint_override"))
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        log.warning("tokens go to %s without encryption; use https for anything but a sandbox", parts.netloc)
    session = new_session(
        read_seconds=extra.number("request_timeout", READ_SECONDS, least=1),
        endpoint_override=extra.text("endpoint_override"),
    )
    if name := extra.text("client_id"):
        # change events say which client has made a change
        session.headers["Sforce-Call-Options"] = f"client={name}"
    return session
