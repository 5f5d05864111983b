"""Takes one request that brings an event: who sends it, what it names, and the answer once that is stored."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

from airflow_provider_brightpearl.environment import state_engine
from airflow_provider_brightpearl.receiver.accounts import Account, Accounts, airflow_connection
from airflow_provider_brightpearl.receiver.commits import GroupCommits, Overloaded
from airflow_provider_brightpearl.receiver.refusals import Refusal, own_trouble
from airflow_provider_brightpearl.stores.engine import reading
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from airflow_provider_brightpearl.systems.brightpearl.events import read_webhook

log = logging.getLogger(__name__)

LONGEST_BODY = 64 * 1024
# the vendor does not wait for ever, and the event may be stored all the same
ANSWER_SECONDS = 15.0
_PATH = re.compile(r".*/events/(?P<conn_id>[A-Za-z0-9_.-]{1,250})/(?P<secret>[^/]{1,200})/?", re.ASCII)
_AFTER_CONNECTION = re.compile(r"(/events/(?:[^/]*/)?)(?!health$).+", re.DOTALL)
_REPORT_SECONDS = 60.0
_HEALTH_SECONDS = 1.0


class Answer(NamedTuple):
    """An answer by HTTP; ``retry_after`` in seconds."""

    status: int
    reason: str
    retry_after: int | None = None


class Receiver:
    """Receives events; one for a process.

    Args:
        accounts: who may send.
        commits: where events are stored.
        check: raises where the state database does not answer.
    """

    def __init__(self, accounts: Accounts, commits: GroupCommits, check: Callable[[], object]) -> None:
        self._accounts = accounts
        self._commits = commits
        self._check = check
        self._healthy: tuple[bool, float] = False, float("-inf")
        self._lock = threading.Lock()
        self._refused: Counter[int] = Counter()
        self._reported = float("-inf")

    def receive(
        self, path: str, headers: Mapping[str, str], read: Callable[[int], bytes], now: float
    ) -> Answer:
        """Takes a POST, and answers once its event is stored.

        Args:
            path: ends with ``/events/{connection}/{secret}``.
            headers: by name in lower case.
            read: the body, at most so many bytes of it; called only if the sender is known.
            now: seconds, monotonic.

        Returns:
            202 where the event is stored; 404, 413, 415 and 429 for what is not taken; 400 for a body that no vendor
            sends; 503 where it is worth sending again.
        """
        try:
            account = self.admit(path, headers, now)
            self.submit(account, read(LONGEST_BODY + 1)).result(ANSWER_SECONDS)
        except Exception as error:  # it is answered
            return self.refused(error, now)
        return Answer(202, "stored")

    def is_fresh(self, path: str, now: float) -> bool:
        """Whether ``admit`` takes no look at a database."""
        found = _PATH.fullmatch(path)
        return found is None or self._accounts.is_fresh(found["conn_id"], now)

    def admit(self, path: str, headers: Mapping[str, str], now: float) -> Account:
        """The account that sends a request, before its body is read.

        Raises:
            Refusal: it is not taken.
        """
        found = _PATH.fullmatch(path)
        if found is None:
            raise Refusal(404, "no such path")
        account = self._accounts.get(found["conn_id"], now)
        if account is None:
            raise Refusal(404, "no such connection, or it has no webhook_secrets")
        if not account.opens(found["secret"]):
            if account.refused.take(now):
                raise Refusal(404, "wrong secret")
            raise Refusal(429, "wrong secret, again and again", retry_after=60)
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "content-type is not application/json")
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > LONGEST_BODY:
            raise too_long()
        # not 429: after that, Brightpearl does not send it again
        if not account.taken.take(now):
            raise own_trouble("more events a second than are taken", retry_after=1)
        return account

    def submit(self, account: Account, body: bytes) -> Future[None]:
        """Has the event of a body stored; the future is done once it is.

        Raises:
            Refusal: it is not taken.
        """
        if len(body) > LONGEST_BODY:
            raise too_long()
        try:
            event = read_webhook(account.conn_id, account.code, body)
        except ValueError as error:
            log.warning("an event for connection %s is not taken: %s", account.conn_id, error)
            raise Refusal(400, "the body is not that of a webhook") from None
        try:
            return self._commits.submit(event)
        except Overloaded:
            raise own_trouble("too many events wait to be stored", retry_after=5) from None

    def refused(self, error: BaseException, now: float) -> Answer:
        """The answer to a request that is not taken; counted, and the counts are logged once a minute."""
        refusal = error if isinstance(error, Refusal) else own_trouble(type(error).__name__)
        with self._lock:
            self._refused[refusal.status] += 1
            if now - self._reported >= _REPORT_SECONDS:
                counts = ", ".join(
                    f"{count} with {status}" for status, count in sorted(self._refused.items())
                )
                log.warning("requests that were not taken: %s; the last one: %s", counts, refusal.reason)
                self._refused.clear()
                self._reported = now
        return Answer(refusal.status, "", refusal.retry_after)

    def health(self, now: float) -> Answer:
        """Whether events can be stored; looks at most once a second."""
        healthy, at = self._healthy
        if now - at >= _HEALTH_SECONDS:
            try:
                self._check()
                healthy = True
            except Exception as error:  # it is answered
                log.error("events cannot be stored: %s", error)
                healthy = False
            self._healthy = healthy, now
        return Answer(200, "ok") if healthy else Answer(503, "", 10)


def too_long() -> Refusal:
    """What is not read any further."""
    return Refusal(413, f"the body is longer than {LONGEST_BODY:,} bytes")


def masked(path: str) -> str:
    """A path as it may stand in an access log: without its secret, also where it is mistyped."""
    return _AFTER_CONNECTION.sub(r"\1***", path)


def airflow_receiver() -> Receiver:
    """The receiver of this Airflow: its connections, its state database."""

    def check() -> None:
        with reading(state_engine()) as connection:
            connection.exec_driver_sql("SELECT 1")

    # opened with each commit: one that does not answer now may answer later
    commits = GroupCommits(lambda events: SqlInbox(state_engine()).store(events))
    return Receiver(Accounts(airflow_connection), commits, check)


def seconds() -> float:
    """The clock of the receiver."""
    return time.monotonic()
