"""The sandbox behind a server that changes its answers on the way, for accounts that answer oddly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from tests.systems.live import FastClock
from tests.systems.stub import Asked, Reply, serving

Alter = Callable[[Asked, Reply], Reply]
NOTHING = Reply({"errors": [{"code": "CMNC-404", "message": "nothing found"}]}, 404)


@dataclass
class Account:
    """A Brightpearl account; ``alter`` changes an answer, or gives it back as it is."""

    sandbox: Sandbox
    alter: Alter = lambda asked, reply: reply
    asked: list[str] = field(default_factory=list, repr=False)
    url: str = ""

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked.path)
        query = f"?{asked.raw_query}" if asked.raw_query else ""
        headers = {name: text for name, text in asked.headers.items() if name.startswith("brightpearl-")}
        found = requests.request(
            asked.method, f"{self.sandbox.url}{asked.path}{query}", headers=headers, timeout=30
        )
        kept = {name: text for name, text in found.headers.items() if name.startswith("brightpearl-")}
        return self.alter(asked, Reply(found.content, found.status_code, kept))

    def client(self) -> BrightpearlClient:
        clock = FastClock(10_000)
        auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
        return BrightpearlClient(self.url, "acmetest", auth, sleep=clock.sleep, now=clock.now)


@contextmanager
def account(sandbox: Sandbox) -> Iterator[Account]:
    odd = Account(sandbox)
    with serving(odd.answer) as stub:
        odd.url = stub.url
        yield odd
