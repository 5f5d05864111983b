"""Requests that a simulated system makes to its subscribers: to allowed hosts only."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit


def send(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    hosts: Iterable[str],
    timeout: float,
) -> int:
    """The status of the answer; 0 if there is none, or if the host is not allowed."""
    target = urlsplit(url)
    if target.hostname is None or target.hostname not in hosts:
        return 0
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname, target.port, timeout=timeout)
    try:
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        connection.request(method, path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
