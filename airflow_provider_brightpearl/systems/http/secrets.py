"""What must not be read in logs, letters and messages: credentials, by the words before them and by their values."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from html import escape, unescape
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus

import requests

# a token request is a form (RFC 6749, 4.4.2) or SOAP, which no call to an API of ours is
_LOGIN_TYPES = ("application/x-www-form-urlencoded", "text/xml")
_SECRET = re.compile(
    r"(?i)((?:token|secret|password|authorization|session_?id)\"?\s*[:=]\s*\"?(?:bearer\s+)?)[^\s\"&,}<]+"
)
_SECRET_NAME = re.compile("(?i)token|secret|password|authorization|session|assertion")
_SOAP_SECRET = re.compile(r"<(?:\w+:)?(?:password|sessionId)>([^<]+)<")
# shorter ones are words, and would be masked all over the text
_SHORTEST_SECRET = 8
_MASK = b"***"


def redacted(text: str) -> str:
    """The text with every value after a word such as token, secret or password masked."""
    return _SECRET.sub(r"\1***", text)


def is_login(request: requests.PreparedRequest) -> bool:
    """Whether a request asks for a token."""
    return _text(request.headers.get("Content-Type", "")).startswith(_LOGIN_TYPES)


def repeated_credentials(request: requests.PreparedRequest, content: bytes) -> list[bytes]:
    """The credentials of a request that stand in its answer, in any shape in which pages repeat them.

    Those are plain, escaped and base64 ones, in UTF-8 and UTF-16; the longest come first.
    """
    shapes = {shape for value in _credentials(request) for shape in _shapes(value)}
    return sorted((shape for shape in shapes if shape in content), key=len, reverse=True)


def masked(content: bytes, credentials: list[bytes]) -> bytes:
    """The content with these credentials masked."""
    for value in credentials:
        content = content.replace(value, _MASK)
    return content


def _credentials(request: requests.PreparedRequest) -> set[str]:
    """What a request proves itself with: values of headers and of the fields of a login."""
    pairs = [(_text(name), _text(value)) for name, value in request.headers.items()]
    sent = []
    if is_login(request):
        body = _text(request.body or "")
        pairs += parse_qsl(body)
        sent += [unescape(value) for value in _SOAP_SECRET.findall(body)]
    sent += [value.rpartition(" ")[2] for name, value in pairs if _SECRET_NAME.search(name)]
    sent += [part for value in sent for part in _basic(value)]
    return {value for value in sent if len(value) >= _SHORTEST_SECRET}


def _basic(value: str) -> list[str]:
    """The password in the value of a Basic authorization; none where it is no such value."""
    try:
        _, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return []
    return [password, unquote_plus(password)] if colon else []


def _shapes(value: str) -> Iterator[bytes]:
    in_json = json.dumps(value)[1:-1]
    percent = {quote(value), quote(value, safe=""), quote_plus(value), quote_plus(quote_plus(value))}
    lower = {re.sub("%..", lambda code: code[0].lower(), each) for each in percent}
    texts = {value, escape(value), in_json, in_json.replace("/", "\\/"), *percent, *lower}
    yield from (text.encode() for text in texts)
    yield from (value.encode(encoding) for encoding in ("utf-16-le", "utf-16-be"))
    yield from (encode(value.encode()).rstrip(b"=") for encode in (b64encode, urlsafe_b64encode))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
