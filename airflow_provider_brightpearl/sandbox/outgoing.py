"""Requests that a simulated system makes to its subscribers: to allowed hosts only."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

KEPT_BYTES = 2000  # of an answer


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a subscriber."""

    method: str
    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a subscriber answered; status 0 if nothing."""

    status: int = 0
    body: str = ""


def send(request: Outgoing, hosts: Iterable[str], timeout: float) -> Answer:
    """The answer; one of status 0 if there is none within `timeout` seconds, or if the host is not allowed."""
    target = urlsplit(request.url)
    if target.hostname is None or target.hostname not in hosts:
        return Answer()
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname, target.port, timeout=timeout)
    try:
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        connection.request(request.method, path, request.body, dict(request.headers))
        found = connection.getresponse()
        return Answer(found.status, found.read(KEPT_BYTES).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException):
        return Answer()
    finally:
        connection.close()
