"""Odd answers while streams of Brightpearl are read and joined: no record is lost, and none stops the others silently.

The sandbox answers once for each stream; its answers are replayed from memory, one of them with something odd in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.brightpearl.streams.table import STREAMS
from airflow_provider_brightpearl.systems.http.transport import new_session
from tests.odd.odd import A_QUARTER, MASKS, ODD, Answers, mounted, odd_body

ALL = Selection(None, full_resync=True)
ACTIVITY = {"orders_changed": 3, "stock_corrected": 3, "drop_shipped": 2, "credits_created": 2}
Answer = tuple[int, bytes, dict[str, str]]
NOTHING: Answer = (404, b'{"errors": [{"code": "CMNC-404", "message": "nothing found"}]}', {})


class Recorded(NamedTuple):
    """The answers that a stream took, by path, and the ids that it gave."""

    answers: dict[str, Answer]
    ids: set[str]


def read(session: requests.Session, url: str, stream: str) -> dict[str, bytes | Unread]:
    """What a stream gives, by id."""
    auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
    once = Backoff(tries=1, throttled_tries=1)
    client = BrightpearlClient(url, "acmetest", auth, session, backoff=once, sleep=lambda _: None)
    found = list(BrightpearlSource(client, stream).read(ALL))
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.fixture(scope="module")
def recorded() -> Callable[[str], Recorded]:
    """What a stream took and gave; a function, which has a short repr."""
    until = datetime(2026, 3, 31, 12, tzinfo=UTC)
    quiet: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False}}
    found: dict[str, Recorded] = {}
    with Sandbox(customers=6, products=45, orders=12, seed=7, until=until, settings=quiet) as sandbox:
        sandbox.control("POST", "/brightpearl/activity", ACTIVITY)
        for stream in STREAMS:
            answers: dict[str, Answer] = {}

            def keep(answer: requests.Response, answers: dict[str, Answer] = answers, **_: Any) -> None:
                answers[str(answer.request.path_url)] = (answer.status_code, answer.content, {})

            session = new_session()
            session.hooks["response"].append(keep)
            found[stream] = Recorded(answers, set(read(session, sandbox.url, stream)))
    return lambda stream: found[stream]


@pytest.mark.parametrize("stream", STREAMS)
@A_QUARTER
@given(place=st.integers(0, 100), seed=MASKS, value=ODD)
def test_every_record_arrives_or_is_named(
    recorded: Callable[[str], Recorded], stream: str, place: int, seed: int, value: Any
) -> None:
    good, ids = recorded(stream)
    odd_path = list(good)[place % len(good)]

    def answer(method: str, path: str, number: int) -> Answer:
        status, body, headers = good.get(path, NOTHING)
        return status, odd_body(json.loads(body), seed, value) if path == odd_path else body, headers

    try:
        found = read(mounted(new_session(), Answers(answer)), "https://x.test", stream)
    except SyncError as error:
        assert str(error)
        return
    assert all(found)
    assert all(each.reason for each in found.values() if isinstance(each, Unread))
    # these alone say which records there are: searches, drop-ship notes of orders, and which products are bundles
    if not any(part in odd_path for part in ("-search", "/drop-ship/", "/product-service/product/")):
        assert ids == set(found)


def test_a_product_that_may_be_a_bundle_and_cannot_be_read_is_named(
    recorded: Callable[[str], Recorded],
) -> None:
    good = recorded("availability").answers
    (path,) = (each for each in good if "/product-service/product/" in each)
    whole = json.loads(good[path][1])
    whole["response"][0]["composition"] = "x"
    odd = {**good, path: (200, json.dumps(whole).encode(), {})}
    found = read(
        mounted(new_session(), Answers(lambda _, asked, __: odd[asked])), "https://x.test", "availability"
    )
    unread = found[str(whole["response"][0]["id"])]
    assert isinstance(unread, Unread)
    assert "maybe a bundle, has another shape" in unread.reason
