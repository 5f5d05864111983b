"""All HTTP calls of this package: a session whose adapter sets timeouts, counts and logs.

Transport errors are distinguished by what they say about the call: ``Unavailable`` means that nothing
was done (or that it was a read), ``TimedOut`` that a write may or may not have happened.
"""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError

from airflow_provider_brightpearl.core.holding import check_held
from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.core.retry import Backoff, should_retry, wait_for
from airflow_provider_brightpearl.errors import Misconfigured, RetryLater, SyncError, TimedOut, Unavailable
from airflow_provider_brightpearl.systems.http.breaker import NO_BREAKER, Breaker
from airflow_provider_brightpearl.systems.http.header_values import instant_in
from airflow_provider_brightpearl.systems.http.secrets import (
    is_login,
    masked,
    redacted,
    redacted_page,
    remember_credentials,
)
from airflow_provider_brightpearl.systems.http.time_limit import ANSWER_SECONDS, LIMIT, POOLS, AnswerLimit

T = TypeVar("T")
Clock = Callable[[], float]
log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
# of a login, whole: others wait for it
LOGIN_SECONDS = 30.0
READS = frozenset({"GET", "HEAD", "OPTIONS"})
# whether urllib3 makes a call of ours just now, on this thread
_OURS: ContextVar[bool] = ContextVar("a call of ours", default=False)

_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


@dataclass(slots=True)
class Meter:
    """Counts the calls of one session, API calls and logins separately, and knows the server's clock."""

    calls: int = 0
    logins: int = 0
    # the server's time, in seconds since 1970, less our monotonic clock; at least that, as answers take their time
    _offset: float | None = None

    def note_date(self, headers: Mapping[str, str]) -> None:
        """Compares the server's clock with ours, by an answer that does not come from a cache."""
        date = None if "Age" in headers else instant_in(headers.get("Date"))
        if date is not None:
            offset = date.timestamp() - time.monotonic()
            self._offset = offset if self._offset is None else max(offset, self._offset)

    def server_time(self, moment: float) -> datetime | None:
        """The server's time at a moment of our monotonic clock, or a little earlier; None if it does not say."""
        return None if self._offset is None else datetime.fromtimestamp(self._offset + moment, UTC)

    def count(self, request: requests.PreparedRequest) -> None:
        if is_login(request):
            self.logins += 1
        else:
            self.calls += 1


class MeteredAdapter(HTTPAdapter):
    """An adapter with default timeouts, a meter, a debug line per call, and an optional other destination.

    ``timeout`` holds the seconds to connect and those without a packet; ``limit`` is that of the whole answer. One
    that repeats the credentials of its request has them masked before anybody reads it.
    """

    def __init__(
        self,
        meter: Meter,
        timeout: tuple[float, float],
        endpoint_override: str = "",
        limit: AnswerLimit | None = None,
        **options: Any,
    ) -> None:
        self.meter = meter
        self.limit = limit or AnswerLimit(max(ANSWER_SECONDS, timeout[1]))
        self.timeout = timeout
        self.endpoint_override = endpoint_override.rstrip("/")
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        if verify is False:
            raise Misconfigured(
                "a session is told not to verify certificates: put the authority's certificate into a file and name "
                "it in REQUESTS_CA_BUNDLE instead"
            )
        check_held()
        path = urlsplit(request.url or "").path
        request.url = _redirected(request.url or "", self.endpoint_override)
        self.meter.count(request)
        started = time.perf_counter()
        status: object = "no answer"
        ours, limit = _OURS.set(True), LIMIT.set(self.limit)
        try:
            response = super().send(request, stream, timeout or self.timeout, verify, cert, proxies)
            status = response.status_code
            self.meter.note_date(response.headers)
        finally:
            _OURS.reset(ours)
            LIMIT.reset(limit)
            # the path alone: queries hold filters with personal data, headers hold tokens
            log.debug(
                "%s %s %s %.0f ms", request.method, path, status, (time.perf_counter() - started) * 1000
            )
        remember_credentials(request)
        # the rows of a stream are read piece by piece, an error is not
        if not stream or not response.ok:
            _mask(response)
        return response


def _mask(response: requests.Response) -> None:
    """Masks what the answer repeats of its request's credentials, but for tokens that a login gives.

    In errors and pages, which are there to be read by people, it masks all credentials that are known.
    """
    if response.ok and is_login(response.request) and "json" in response.headers.get("Content-Type", ""):
        return
    content = masked(response.content, response.request)
    if not response.ok or "html" in response.headers.get("Content-Type", ""):
        content = redacted_page(content)
    if content != response.content:
        # there is no public way to replace a body that has been read
        response._content = content


class _WithoutQueries(logging.Filter):
    """Takes the queries of our calls out of urllib3's debug lines: they hold filters with personal data."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _OURS.get() and isinstance(record.args, tuple):
            record.args = tuple(
                each.partition("?")[0] if isinstance(each, str) else each for each in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())


def new_session(
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    endpoint_override: str = "",
    limit: AnswerLimit | None = None,
) -> requests.Session:
    """A session with our adapter for every address; ``limit`` is that of each answer.

    ``endpoint_override`` is a base such as ``http://127.0.0.1:8080`` that all calls go to instead of the
    host they name; so that libraries that only use https reach a sandbox.
    """
    session = requests.Session()
    if endpoint_override:
        session.trust_env = False
    adapter = MeteredAdapter(Meter(), (connect_seconds, read_seconds), endpoint_override, limit)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def login_session(read_seconds: float = LOGIN_SECONDS) -> requests.Session:
    """A session for logins; its answers end well before the claim of the token that they refresh."""
    seconds = min(read_seconds, LOGIN_SECONDS)
    return new_session(read_seconds=seconds, limit=AnswerLimit(seconds, bytes_per_second=math.inf))


def meter_of(session: requests.Session) -> Meter:
    """The meter of a session, which gets our adapter first where a caller brought a plain one."""
    adapter = session.get_adapter("https://")
    if not isinstance(adapter, MeteredAdapter):
        adapter = MeteredAdapter(Meter(), (CONNECT_SECONDS, READ_SECONDS))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
    return adapter.meter


def _redirected(url: str, base: str) -> str:
    if not base:
        return url
    there, here = urlsplit(base), urlsplit(url)
    return urlunsplit((there.scheme, there.netloc, there.path + here.path, here.query, ""))


def request_id(headers: Mapping[str, str], own_name: str = "") -> str:
    """The id by which the vendor finds a request, in its own header or the usual one; empty where there is none."""
    return redacted(headers.get(own_name) or headers.get("X-Request-Id") or "")


def excerpt(response: requests.Response, limit: int = 200) -> str:
    """Content type and first characters of an unexpected body, for a message."""
    kind = response.headers.get("Content-Type", "no content type")
    content = masked(response.content[: limit * 4], response.request)
    text = " ".join(content.decode("utf-8", "replace").split())
    # masked before it is cut: half a secret would not be recognised
    return f"{kind}: {redacted(text)[:limit]}" if text else f"{kind}, empty body"


def exchange(
    session: requests.Session,
    method: str,
    url: str,
    *,
    system: str,
    operation: str,
    read: bool | None = None,
    **options: Any,
) -> requests.Response:
    """One HTTP exchange, body read whole; no redirects, as those would carry tokens to another host.

    ``read`` says whether the call only reads, where its method does not show it.

    Raises:
        Unavailable: nothing was sent, or a read was cut short.
        TimedOut: no answer, or a write whose answer was cut short.
        Misconfigured: the address or its certificate cannot be used.
    """
    try:
        return session.request(method, url, allow_redirects=False, **options)
    except requests.RequestException as error:
        reads = method in READS if read is None else read
        raise _as_sync_error(error, reads, system, operation) from error


def _as_sync_error(error: requests.RequestException, reads: bool, system: str, operation: str) -> SyncError:
    evidence: dict[str, Any] = {"system": system, "operation": operation}
    host = urlsplit(error.request.url or "").netloc if error.request is not None else "the server"
    if isinstance(error, requests.exceptions.SSLError):
        return Misconfigured(f"no secure connection to {host}: {error.__class__.__name__}", **evidence)
    if isinstance(error, _BAD_ADDRESS):
        return Misconfigured(f"the address cannot be called: {error.__class__.__name__}", **evidence)
    if _never_sent(error):
        return Unavailable(f"no connection to {host}", **evidence)
    if isinstance(error, requests.exceptions.Timeout):
        return TimedOut(f"no answer from {host} in time", **evidence)
    if _too_slow(error):
        return (Unavailable if reads else TimedOut)(
            f"the answer of {host} began, and was not complete in time", **evidence
        )
    kind = Unavailable if reads else TimedOut
    return kind(f"the connection to {host} broke before the answer was complete", **evidence)


def _never_sent(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _too_slow(error: requests.RequestException) -> bool:
    return bool(error.args) and isinstance(error.args[0], ReadTimeoutError)


# what reading an answer of another shape raises
ODD_SHAPE = (
    msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    csv.Error,
)  # fmt: skip


def understood(
    read: Callable[[requests.Response], T],
    response: requests.Response,
    broken: Callable[[requests.Response, Exception], SyncError],
) -> T:
    """What ``read`` makes of an answer.

    Raises:
        SyncError: what ``broken`` says of an answer that has another shape than ``read`` expects.
    """
    try:
        return read(response)
    except ODD_SHAPE as error:
        raise broken(response, error) from error


def with_retries(
    call: Callable[[], T],
    *,
    repeatable: bool,
    backoff: Backoff,
    sleep: Callable[[float], None],
    chance: Callable[[], float],
    breaker: Breaker = NO_BREAKER,
) -> T:
    """What ``call`` gives, called again after errors that pass; see ``core.retry`` for when and how long.

    Of the error that is not tried again, ``breaker`` takes note.
    """
    attempt = 1
    while True:
        try:
            return call()
        except RetryLater as error:
            if not should_retry(error, attempt, backoff, repeatable=repeatable):
                breaker.gave_up(error)
                raise
            seconds = wait_for(error, attempt, backoff, chance())
            log.log(logging.INFO if seconds > 5 else logging.DEBUG, "waiting %.1f s: %s", seconds, error)
            with current().waiting(str(error), seconds):
                sleep(seconds)
            attempt += 1
