"""Odd input of every kind, made by hypothesis, and a transport that answers with it without a network."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import requests
from hypothesis import settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.systems.http.transport import Meter, MeteredAdapter

# values that people and systems have sent where others were expected
SEEN: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e400, -0.0, 10**30, "", " ", "x", "1 ", "1,5", "1.234,56", "²", "1_000", "NaN",
    "Infinity", "1e3", "100001.5", "a\x00b", "\ud800", "\ufeff", "#N/A", "null", "0000-00-00T00:00:00Z", "2026-03-01",
    "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59", "<html>", "=1+1", "O'Neill", '"', "\\", "\n", "ß" * 300, [],
    [None], [[]], ["x"], {}, {"": None}, {"id": "x"}, {"error": "x"}, {"errors": "x"}, {"errors": [None]},
]  # fmt: skip

VALUES = st.one_of(
    st.sampled_from(SEEN),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
)
TEXTS = st.one_of(st.sampled_from([each for each in SEEN if isinstance(each, str)]), st.text(max_size=30))
BYTES = st.sampled_from([b"\xff", b"\x00", b"\\u0000", b"\\ud800", b'"', b"}", b"]", b",", b"", b"[" * 3000])
MASKS = st.integers(0, 2**32)
# for each of several entry points of one kind
A_QUARTER = settings(max_examples=settings().max_examples // 4)
# for those that take longer than a millisecond or two
A_TENTH = settings(max_examples=settings().max_examples // 10)


def altered(good: Any, seed: int, value: Any) -> Any:
    """A copy of JSON in which one value, chosen by ``seed``, at any depth, is another one or is missing."""
    chance = random.Random(seed)
    whole = json.loads(json.dumps({"": good}))
    node: Any = whole[""]
    parent, key = whole, ""
    while isinstance(node, dict | list) and node and chance.random() > 0.08:
        parent, key = node, chance.choice(list(node) if isinstance(node, dict) else list(range(len(node))))
        node = parent[key]
    if chance.random() < 0.15 and parent is not whole:
        del parent[key]
    else:
        parent[key] = value
    return whole[""]


def odd_body(good: Any, seed: int, value: Any) -> bytes:
    """The bytes of an answer with one odd value, or with odd bytes somewhere in it."""
    content = good if isinstance(good, bytes) else json.dumps(good).encode()
    if isinstance(value, bytes):
        place = random.Random(seed).randrange(len(content) + 1)
        # cut where nothing is put in
        return content[:place] + (value + content[place:] if value else b"")
    if isinstance(good, bytes):
        rows = content.decode().split("\n")
        row = random.Random(seed).randrange(len(rows))
        cells = rows[row].split(",")
        cells[random.Random(seed + 1).randrange(len(cells))] = str(value)
        rows[row] = ",".join(cells)
        return "\n".join(rows).encode("utf-8", "surrogatepass")
    return json.dumps(altered(good, seed, value)).encode("utf-8", "surrogatepass")


ODD = st.one_of(VALUES, BYTES)


class Answers(MeteredAdapter):
    """Answers requests by ``answer``, a function of method, path and number that gives status, body and headers."""

    def __init__(self, answer: Callable[[str, str, int], tuple[int, bytes, dict[str, str]]]) -> None:
        super().__init__(Meter(), (1, 1))
        self.answer = answer
        self.asked: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        assert len(self.asked) < 60, "asks for ever"
        self.meter.count(request)
        self.asked.append(f"{request.method} {request.path_url}")
        status, body, headers = self.answer(str(request.method), request.path_url, len(self.asked))
        response = requests.Response()
        response.status_code = status
        response._content = body
        response.headers.update({"Content-Type": "application/json", **headers})
        response.request = request
        response.url = str(request.url)
        response.connection = self
        return response


def mounted(session: requests.Session, answers: Answers) -> requests.Session:
    """The session with these answers to everything."""
    session.trust_env = False
    session.mount("https://", answers)
    session.mount("http://", answers)
    return session
