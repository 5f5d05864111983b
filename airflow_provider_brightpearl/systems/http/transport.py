"""All HTTP calls of this package: a session whose adapter sets timeouts, counts and logs.

Transport errors are distinguished by what they say about the call: ``Unavailable`` means that nothing
was done (or that it was a read), ``TimedOut`` that a write may or may not have happened.
"""

from __future__ import annotations

import logging
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.core.retry import Backoff, should_retry, wait_for
from airflow_provider_brightpearl.errors import Misconfigured, RetryLater, SyncError, TimedOut, Unavailable

T = TypeVar("T")
Clock = Callable[[], float]
log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
READS = frozenset({"GET", "HEAD", "OPTIONS"})
# a token request is a form (RFC 6749, 4.4.2) or SOAP, which no call to an API of ours is
_LOGIN_TYPES = ("application/x-www-form-urlencoded", "text/xml")
_SECRET = re.compile(
    r"(?i)((?:token|secret|password|authorization|session_?id)\"?\s*[:=]\s*\"?(?:bearer\s+)?)[^\s\"&,}<]+"
)
_SECRET_NAME = re.compile("(?i)token|secret|password|authorization|session")
# shorter ones are words, and would be masked all over the text
_SHORTEST_SECRET = 8

_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


@dataclass(slots=True)
class Meter:
    """Counts the calls of one session: API calls, and logins separately."""

    calls: int = 0
    logins: int = 0

    def count(self, request: requests.PreparedRequest) -> None:
        if str(request.headers.get("Content-Type", "")).startswith(_LOGIN_TYPES):
            self.logins += 1
        else:
            self.calls += 1


class MeteredAdapter(HTTPAdapter):
    """An adapter with default timeouts, a meter, a debug line per call, and an optional other destination."""

    def __init__(
        self, meter: Meter, timeout: tuple[float, float], endpoint_override: str = "", **options: Any
    ) -> None:
        self.meter = meter
        self.timeout = timeout
        self.endpoint_override = endpoint_override.rstrip("/")
        super().__init__(**options)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        path = urlsplit(request.url or "").path
        request.url = _redirected(request.url or "", self.endpoint_override)
        self.meter.count(request)
        started = time.perf_counter()
        status: object = "no answer"
        try:
            response = super().send(request, stream, timeout or self.timeout, verify, cert, proxies)
            status = response.status_code
        finally:
            # the path alone: queries hold filters with personal data, headers hold tokens
            log.debug(
                "%s %s %s %.0f ms", request.method, path, status, (time.perf_counter() - started) * 1000
            )
        return response


def new_session(
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    endpoint_override: str = "",
) -> requests.Session:
    """A session with our adapter for every address.

    ``endpoint_override`` is a base such as ``http://127.0.0.1:8080`` that all calls go to instead of the
    host they name; so that libraries that only use https reach a sandbox.
    """
    session = requests.Session()
    if endpoint_override:
        session.trust_env = False
    adapter = MeteredAdapter(Meter(), (connect_seconds, read_seconds), endpoint_override)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


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
    return headers.get(own_name) or headers.get("X-Request-Id") or ""


def redacted(text: str, response: requests.Response | None = None) -> str:
    """The text with every value after a word such as token, secret or password masked.

    With the response that it comes from, also the credentials of its request, wherever they stand: error pages of
    gateways repeat what was sent to them.
    """
    for value in _credentials(response.request) if response is not None else ():
        text = text.replace(value, "***")
    return _SECRET.sub(r"\1***", text)


def _credentials(request: requests.PreparedRequest | None) -> list[str]:
    """What a request proves itself with, as it stands in pages: plain, escaped, and in base64; the longest first."""
    if request is None:
        return []
    body = request.body if isinstance(request.body, str) else ""
    pairs = [*(request.headers or {}).items(), *parse_qsl(body)]
    sent = [value.rpartition(" ")[2] for name, value in map(_as_texts, pairs) if _SECRET_NAME.search(name)]
    sent += [part for value in sent for part in _basic(value)]
    whole = {value for value in sent if len(value) >= _SHORTEST_SECRET}
    shapes = {shape(value) for value in whole for shape in (str, quote_plus, escape, _base64)}
    return sorted(shapes, key=len, reverse=True)


def _as_texts(pair: tuple[Any, Any]) -> tuple[str, str]:
    name, value = (each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in pair)
    return name, value


def _basic(value: str) -> list[str]:
    """The password in the value of a Basic authorization; none where it is no such value."""
    try:
        _, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return []
    return [password, unquote_plus(password)] if colon else []


def _base64(value: str) -> str:
    return b64encode(value.encode()).decode()


def excerpt(response: requests.Response, limit: int = 200) -> str:
    """Content type and first characters of an unexpected body, for a message."""
    kind = response.headers.get("Content-Type", "no content type")
    text = " ".join(response.content[: limit * 4].decode("utf-8", "replace").split())
    # masked before it is cut: half a secret would not be recognised
    return f"{kind}: {redacted(text, response)[:limit]}" if text else f"{kind}, empty body"


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
    kind = Unavailable if reads else TimedOut
    return kind(f"the connection to {host} broke before the answer was complete", **evidence)


def _never_sent(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def with_retries(
    call: Callable[[], T],
    *,
    repeatable: bool,
    backoff: Backoff,
    sleep: Callable[[float], None],
    chance: Callable[[], float],
) -> T:
    """What ``call`` gives, called again after errors that pass; see ``core.retry`` for when and how long."""
    attempt = 1
    while True:
        try:
            return call()
        except RetryLater as error:
            if not should_retry(error, attempt, backoff, repeatable=repeatable):
                raise
            seconds = wait_for(error, attempt, backoff, chance())
            log.log(logging.INFO if seconds > 5 else logging.DEBUG, "waiting %.1f s: %s", seconds, error)
            with current().waiting(str(error), seconds):
                sleep(seconds)
            attempt += 1
