"""Pages that repeat credentials, in shapes that only a search in all of them finds."""

from __future__ import annotations

import binascii
import codecs
import html
import json
import quopri
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_brightpearl.systems.http.echoes import repeats

SECRET = "3MVG9/x7Kq+Zr2=wP0aLd8"  # made up


def chunked(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


def entities(text: str) -> str:
    return "".join(f"&#{ord(char)};" for char in text)


SHAPES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 of a pair": lambda text: b64encode(f"user:{text}".encode()).decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(f"x{text}".encode()).decode().rstrip("="),
    "base64 in lines": lambda text: "\r\n ".join(chunked(b64encode(text.encode()).decode(), 7)),
    "base64 twice": lambda text: b64encode(b64encode(text.encode())).decode(),
    "URL": lambda text: quote(text, safe=""),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every character as in a URL": lambda text: "".join(f"%{ord(char):02x}" for char in text),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"x": text}).replace("/", "\\/")),
    "every character as in JSON": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "HTML": html.escape,
    "every character as in HTML": entities,
    "HTML twice": lambda text: html.escape(entities(text)),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal with colons": lambda text: binascii.hexlify(text.encode(), ":").decode(),
    "quoted printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode(),
    "a Python literal": lambda text: repr(codecs.encode(text.encode(), "hex")),
    "UTF-16": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "upper case": str.upper,
    "broken for a narrow page": lambda text: "<wbr>".join(text),
    "split over header lines": lambda text: f"X-Echo-1: {text[:11]}\r\nX-Echo-2: {text[11:]}\r\n",
    "folded header": lambda text: f"X-Echo: {text[:8]}\r\n {text[8:16]}\r\n\t{text[16:]}",
    "cut at the end": lambda text: text[:12] + "…",
    "cut at the beginning": lambda text: "…" + text[8:],
    "spaced": " ".join,
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_credential_is_found_in_any_shape(shape: str) -> None:
    page = f"<html><body>Bad gateway. Your request had\n{SHAPES[shape](SECRET)} in it.</body></html>"
    assert repeats(page, (SECRET,))
    assert not repeats(page, ("another-1-secret-of-ours-77",))


@given(
    st.text(min_size=12, max_size=60),
    st.lists(st.sampled_from(["base64", "URL", "every character as in HTML", "hexadecimal"]), max_size=2),
)
@example("0" * 13, ["base64"])
def test_credentials_of_any_text_are_found_under_several_layers(secret: str, layers: list[str]) -> None:
    if sum(char.isalnum() and char.isascii() for char in secret) < 12 or not secret.isascii():
        return
    shown = secret
    for layer in layers:
        shown = SHAPES[layer](shown)
    assert repeats(f"error: {shown}.", (secret,))


@pytest.mark.parametrize(
    "text",
    [
        "the staff token is invalid, and the consumer secret is wrong",
        "Order 1234567890 of 2026-03-01T12:00:00Z cannot be read as DECIMAL(18,4)",
        "",
    ],
)
def test_words_are_no_credentials(text: str) -> None:
    assert not repeats(text, ("sandbox-staff-token", "sandbox-consumer-secret", SECRET))


@given(st.text(max_size=300))
def test_any_text_can_be_searched(text: str) -> None:
    repeats(text, (SECRET,))
