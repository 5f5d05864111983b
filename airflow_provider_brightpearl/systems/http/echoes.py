"""Finds credentials in text in whatever shape a page repeats them: encoded, escaped, wrapped, split or cut."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from urllib.parse import unquote

_ROUNDS = 3
# as many characters, letters and digits mixed, are no coincidence
_FRAGMENT = 8
_LONGEST_FRAGMENT = 16
# of a page; what is shown of one is shorter by far
_LONGEST = 100_000
_TAG = re.compile(r"<[^<>]*>")
_BACKSLASHED = re.compile(r"\\+(?:u|x00|x)([0-9a-fA-F]{2,4})")
_QUOTED_PRINTABLE = re.compile(r"=([0-9A-Fa-f]{2})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[:\s]?){8,}")


def repeats(text: str, secrets: tuple[str, ...]) -> bool:
    """Whether a text holds a secret or a good part of one, however it is written."""
    fragments = [_fragments(each) for each in secrets]
    return any(part in form for form in _forms(text[:_LONGEST]) for parts in fragments for part in parts)


@lru_cache(maxsize=128)
def _fragments(secret: str) -> tuple[str, ...]:
    """The whole of a secret and the parts that only it can have, as bare as forms are."""
    bare = _bare(secret)
    length = max(_FRAGMENT, min(_LONGEST_FRAGMENT, len(bare) // 3))
    parts = (bare[start : start + length] for start in range(len(bare) - length))
    telling = [part for part in parts if not part.isalpha() and not part.isdigit()]
    return tuple(each for each in (bare, *telling) if len(each) >= _FRAGMENT)


def _bare(text: str) -> str:
    """Letters and digits only: what is between them differs with every way of wrapping."""
    return "".join(filter(str.isalnum, text)).casefold()


def _forms(text: str) -> Iterator[str]:
    texts = [text]
    for _ in range(_ROUNDS):
        for each in texts:
            yield _bare(each)
            yield _bare(_TAG.sub("", each))
        texts = [form for each in texts for form in (_unescaped(each), *_decoded(each)) if form not in texts]


def _unescaped(text: str) -> str:
    plain = _BACKSLASHED.sub(lambda found: chr(int(found[1], 16)), unquote(unescape(text)))
    return _QUOTED_PRINTABLE.sub(
        lambda found: chr(int(found[1], 16)), plain.replace("=\r\n", "").replace("=\n", "")
    )


def _decoded(text: str) -> Iterator[str]:
    whole = re.sub(r"\s+", "", text)
    codes = {found for each in (text, whole) for found in _BASE64.findall(each)}
    for code in codes:
        # where the code begins is not known if other text was joined to it
        for start in range(4):
            part = code[start:].replace("-", "+").replace("_", "/")
            # one character over is of no byte; two and three end what was encoded
            part = part[:-1] if len(part) % 4 == 1 else part
            yield b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
    for code in _HEX.findall(text):
        yield bytes.fromhex(re.sub(r"[:\s]", "", code)).decode("latin-1")
