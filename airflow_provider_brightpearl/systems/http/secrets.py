"""What must not be read in logs, letters and messages: credentials, by the words before them and by their values."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from functools import lru_cache
from html import unescape
from html.entities import codepoint2name
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec
import requests

from airflow_provider_brightpearl.systems.http.echoes import repeats

# a token request is a form (RFC 6749, 4.4.2) or SOAP, which no call to an API of ours is
_LOGIN_TYPES = ("application/x-www-form-urlencoded", "text/xml")
_SECRET = re.compile(
    r"(?i)((?:token|secret|password|authorization|session_?id)\"?\s*[:=]\s*\"?(?:(?:bearer|basic)\s+)?)[^\s\"&,}<]+"
)
_SECRET_NAME = re.compile("(?i)token|secret|password|authorization|session|assertion")
# not secret by itself, but half of what a login takes
_LOGIN_ID = "client_id"
_SOAP_SECRET = re.compile(r"<(?:\w+:)?(?:password|sessionId)>([^<]+)<")
# shorter ones are words, and would be masked all over the text
_SHORTEST_SECRET = 8
_MASK = b"***"
_UNCHANGED = re.compile("[A-Za-z0-9]+")


# credentials that this process has sent or read, the latest last; those of few systems are in use at a time
_known: dict[str, None] = {}
_MOST_KNOWN = 64
_WITHHELD = "*** (a text that repeats credentials is not shown)"


def remember(secret: str) -> None:
    """Has a credential found in whatever text is ``redacted`` from now on."""
    if len(secret) >= _SHORTEST_SECRET:
        _known.pop(secret, None)
        _known[secret] = None
        while len(_known) > _MOST_KNOWN:
            _known.pop(next(iter(_known)), None)


def redacted(text: str) -> str:
    """The text with every value after a word such as token, secret or password masked, and every known credential.

    A text that repeats a part of a credential, or one in a form that cannot be told from the text around it, is
    not given at all.
    """
    shown = _SECRET.sub(r"\1***", text)
    secrets = tuple(_known)
    for value in secrets:
        for certain, shape in _shapes(value):
            if certain.decode("latin-1") in shown:
                shown = shape.sub(_MASK, shown.encode()).decode("utf-8", "replace")
    return _WITHHELD if repeats(shown, secrets) else shown


def redacted_page(content: bytes) -> bytes:
    """The content of an error or a page, likewise; texts in JSON each for itself, so that it stays what it is."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        text = content.decode("utf-8", "replace")
        shown = redacted(text)
        return content if shown == text else shown.encode()
    shown = _redacted_texts(found)
    return content if shown == found else msgspec.json.encode(shown)


def _redacted_texts(found: Any) -> Any:
    if isinstance(found, str):
        return redacted(found)
    if isinstance(found, list):
        return [_redacted_texts(each) for each in found]
    if isinstance(found, dict):
        return {redacted(name): _redacted_texts(each) for name, each in found.items()}
    return found


def is_login(request: requests.PreparedRequest) -> bool:
    """Whether a request asks for a token."""
    return _text(request.headers.get("Content-Type", "")).startswith(_LOGIN_TYPES)


def remember_credentials(request: requests.PreparedRequest) -> None:
    """Remembers what a request proves itself with."""
    for value in _credentials(request):
        remember(value)


def masked(content: bytes, request: requests.PreparedRequest) -> bytes:
    """An answer's content with the credentials of its request masked, in any shape in which pages repeat them.

    Those are plain ones, with any of their characters escaped for JSON, HTML or URLs, base64, in UTF-8 and UTF-16.
    """
    for value in _credentials(request):
        for certain, shape in _shapes(value):
            if certain in content:
                content = shape.sub(_MASK, content)
    return content


def _credentials(request: requests.PreparedRequest) -> set[str]:
    """What a request proves itself with: values of headers and of the fields of a login."""
    pairs = [(_text(name), _text(value)) for name, value in request.headers.items()]
    sent = []
    if is_login(request):
        body = _text(request.body or "")
        pairs += parse_qsl(body)
        sent += [unescape(value) for value in _SOAP_SECRET.findall(body)]
    sent += [
        value.rpartition(" ")[2] for name, value in pairs if _SECRET_NAME.search(name) or name == _LOGIN_ID
    ]
    sent += [part for value in sent for part in _basic(value)]
    return {value for value in sent if len(value) >= _SHORTEST_SECRET}


def _basic(value: str) -> list[str]:
    """User and password in the value of a Basic authorization; none where it is no such value."""
    try:
        user, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return []
    return [user, password, unquote_plus(password)] if colon else []


@lru_cache(maxsize=256)
def _shapes(value: str) -> tuple[tuple[bytes, re.Pattern[bytes]], ...]:
    """Shapes of a credential as patterns, each with a part that no escaping changes, for which is looked first."""
    plain = "".join(map(_escaped, value))
    certain = max(_UNCHANGED.findall(value), key=len, default="")
    codes = [encode(value.encode()).rstrip(b"=") for encode in (b64encode, urlsafe_b64encode)]
    whole = [*codes, *(value.encode(encoding) for encoding in ("utf-16-le", "utf-16-be"))]
    return (
        (certain.encode(), re.compile(plain.encode())),
        *((text, re.compile(re.escape(text))) for text in dict.fromkeys(whole)),
    )


def _escaped(char: str) -> str:
    """A pattern of a character and of all that it is written as in JSON, HTML and URLs, there even twice."""
    if _UNCHANGED.fullmatch(char):
        return char
    code = ord(char)
    octets = "".join(f"%(?:25)?{octet:02x}" for octet in char.encode())
    forms = [f"\\\\u{code:04x}", f"&#0*{code};", f"&#x0*{code:x};", octets]
    named = codepoint2name.get(code)
    exact = [
        re.escape(char),
        re.escape(f"\\{char}"),
        *([f"&{named};"] if named else []),
        *(["[+]"] if char == " " else []),
    ]
    return f"(?:{'|'.join(exact)}|(?i:{'|'.join(forms)}))"


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
