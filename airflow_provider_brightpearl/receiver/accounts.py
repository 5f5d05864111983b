"""The accounts that may send events, by connection id: read from Airflow's connections, kept for a short time."""

from __future__ import annotations

import hmac
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_brightpearl.errors import Misconfigured, SyncError, Unavailable
from airflow_provider_brightpearl.extra import Extra
from airflow_provider_brightpearl.hooks.masking import mask
from airflow_provider_brightpearl.receiver.rates import Bucket
from airflow_provider_brightpearl.receiver.refusals import own_trouble

log = logging.getLogger(__name__)

SECRETS = "webhook_secrets"
SECONDS = 30.0
# what can stand in an address as it is, and cannot be guessed
_SECRET = re.compile(r"[A-Za-z0-9_-]{24,200}")
_UNKNOWN = 1_000


@dataclass(slots=True)
class Account:
    """Who may send events for a connection.

    Args:
        conn_id: the connection.
        code: of the account.
        secrets: any of them opens the address; several while one replaces another.
    """

    conn_id: str
    code: str
    secrets: tuple[bytes, ...] = field(repr=False)
    taken: Bucket = field(default_factory=lambda: Bucket(rate=1_000, burst=2_000), repr=False)
    refused: Bucket = field(default_factory=lambda: Bucket(rate=5, burst=20), repr=False)

    def opens(self, secret: str) -> bool:
        """Whether a secret is one of the account's, in a time that does not show how much of it is right."""
        given = secret.encode("utf-8", "replace")
        # all of them, so that the time does not show which
        return any([hmac.compare_digest(each, given) for each in self.secrets])


class Accounts:
    """Accounts by connection id.

    Args:
        find: an Airflow connection by its id, None where there is none; raises ``Unavailable``.
    """

    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find
        self._known: dict[str, tuple[Account | None, float]] = {}
        self._looks = Bucket(rate=10, burst=50)
        self._renewing = threading.Lock()
        self._asking = threading.Lock()

    def is_fresh(self, conn_id: str, now: float) -> bool:
        """Whether ``get`` answers without a look at Airflow's connections."""
        known = self._known.get(conn_id)
        return known is not None and now - known[1] < SECONDS

    def get(self, conn_id: str, now: float) -> Account | None:
        """The account of a connection, None where the connection is not one, or has no secrets.

        Raises:
            Refusal: it cannot be found out now.
        """
        # the caller may be an event loop, so what is known waits for nobody who asks for something else
        known = self._known.get(conn_id)
        if known is not None and now - known[1] < SECONDS:
            return known[0]
        if known is not None and known[0] is not None:
            return self._renewed(conn_id, known[0], now)
        # one request looks for all that wait
        with self._asking:
            if self.is_fresh(conn_id, now):
                return self._known[conn_id][0]
            # strangers who try names do not keep Airflow's database busy
            if not self._looks.take(now):
                raise own_trouble("too many connections are asked for that are not known")
            try:
                account = self._read(conn_id)
            except SyncError as error:
                log.error("events for connection %s: %s", conn_id, error)
                raise own_trouble("the connection cannot be read") from error
            if account is None and len(self._known) >= _UNKNOWN:
                self._known = {name: entry for name, entry in self._known.items() if entry[0] is not None}
            self._known[conn_id] = account, now
            return account

    def _renewed(self, conn_id: str, account: Account, now: float) -> Account | None:
        """A known account, read anew by the first who finds it old; the others, and who cannot, go by what is known."""
        with self._renewing:
            if self.is_fresh(conn_id, now):
                return account
            self._known[conn_id] = account, now
        try:
            found = self._read(conn_id)
        except SyncError as error:
            log.error("events for connection %s, which was read before: %s", conn_id, error)
            return account
        if found is not None:
            found.taken, found.refused = account.taken, account.refused
        self._known[conn_id] = found, now
        return found

    def _read(self, conn_id: str) -> Account | None:
        connection = self._find(conn_id)
        if connection is None or connection.conn_type != "brightpearl":
            return None
        extra = Extra.of(connection)
        secrets = webhook_secrets(extra)
        code = str(connection.login or "").strip()
        return Account(conn_id, code, tuple(each.encode() for each in secrets)) if secrets else None


def webhook_secrets(extra: Extra) -> list[str]:
    """The secrets of a connection's extra, the one to register first; a list, or a text with commas.

    Raises:
        Misconfigured: one of them cannot stand in an address, or is too short.
    """
    given = extra.values.get(SECRETS)
    entries = given if isinstance(given, list) else extra.text(SECRETS).replace(",", " ").split()
    for place, each in enumerate(entries, 1):
        if not (isinstance(each, str) and _SECRET.fullmatch(each)):
            raise extra.wrong(
                SECRETS,
                f"number {place} is not 24 to 200 letters, digits, - or _: make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        mask(each)
    return list(entries)


def airflow_connection(conn_id: str) -> Any:
    """A connection of this Airflow, None where no secrets backend has it.

    Airflow itself takes a backend that fails for one that has nothing; then events would be refused for good.

    Raises:
        Unavailable: a backend failed, and no other has the connection.
    """
    from airflow.configuration import ensure_secrets_loaded

    trouble: Exception | None = None
    for backend in ensure_secrets_loaded():
        try:
            if found := backend.get_connection(conn_id=conn_id):
                return found
        except Exception as error:  # whatever a backend of others raises
            trouble = error
    if trouble is not None:
        raise Unavailable(f"connection {conn_id} cannot be read: {type(trouble).__name__}") from trouble
    return None


def first_secret(connection: Any) -> str:
    """The secret that webhooks are registered with.

    Raises:
        Misconfigured: the connection has none.
    """
    extra = Extra.of(connection)
    found = webhook_secrets(extra)
    if not found:
        raise Misconfigured(
            f"connection {connection.conn_id}: extra {SECRETS} is missing; make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return found[0]
