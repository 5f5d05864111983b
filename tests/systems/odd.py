"""The sandbox behind a server that changes its answers on the way, and odd values to put into them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.systems.stub import Asked, Reply, serving

ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "²", "a\x00b", "0000-00-00T00:00:00Z", [], [None], [[]], {}, {"": None},
    {"Id": "x"}, b"\xff", b"\x00", b'"', b"}",
]  # fmt: skip
_HEADERS = ("Authorization", "Content-Type", "Host")
_LOGINS = ("oauth2", "__sandbox")


@dataclass(frozen=True)
class _Address:
    url: str


@contextmanager
def altered(sandbox: Sandbox, alter: Callable[[Asked, bytes], bytes]) -> Iterator[Sandbox]:
    """The address of a server that alters the sandbox's answers, logins left out."""

    def answer(asked: Asked) -> Reply:
        url = f"{sandbox.url}{asked.path}" + (f"?{asked.raw_query}" if asked.raw_query else "")
        headers = {name: text for name, text in asked.headers.items() if name in _HEADERS}
        found = requests.request(asked.method, url, headers=headers, data=asked.body, timeout=30)
        login = any(part in asked.path for part in _LOGINS)
        return Reply(found.content if login else alter(asked, found.content), found.status_code)

    with serving(answer) as stub:
        yield cast("Sandbox", _Address(stub.url))


def spoiled(content: bytes, chance: random.Random, value: Any) -> bytes:
    """An answer with one of its values replaced, or with odd bytes somewhere in it."""
    if isinstance(value, bytes):
        place = chance.randrange(len(content))
        return content[:place] + value + content[place:]
    tree = json.loads(content)
    inside, key = chance.choice(list(_places(tree)))
    inside[key] = value
    return json.dumps(tree).encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
