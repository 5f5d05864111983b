"""Any value of any answer may be odd: what is read is complete, or stops with a sentence; never a bare exception."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.brightpearl.streams.table import STREAMS
from tests.systems.altered import Account, account
from tests.systems.stub import Asked, Reply

# over HTTP, so fewer than of others
EXAMPLES = settings().max_examples // 5
NOW = datetime(2026, 3, 31, 12, 30, tzinfo=UTC)
QUIET: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False, "contact_updated_now": False}}
SELECTIONS = [
    Selection(None, full_resync=True),
    Selection(Window(datetime(2026, 3, 1, tzinfo=UTC), NOW), moves_watermark=True),
]
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "1 ", "²", "a\x00b", "0000-00-00T00:00:00Z", "2026-03-01", [], [None],
    [[]], {}, {"": None}, {"id": "x"}, b"\xff", b"\x00", b"\\u0000", b'"', b"}",
]  # fmt: skip


@pytest.fixture(scope="module")
def odd() -> Iterator[Account]:
    options: dict[str, Any] = {"until": datetime(2026, 3, 31, 12, tzinfo=UTC), "settings": QUIET}
    with Sandbox(customers=12, products=45, orders=30, seed=7, **options) as sandbox:
        day = {"orders_changed": 3, "stock_corrected": 3, "drop_shipped": 2, "credits_created": 2}
        sandbox.control("POST", "/brightpearl/activity", day)
        with account(sandbox) as made:
            yield made


class OneOddValue:
    """Replaces one value somewhere in one of the answers, or puts odd bytes there."""

    def __init__(self, call: int, seed: int, value: Any) -> None:
        self.call, self.value, self.chance = call, value, random.Random(seed)

    def __call__(self, asked: Asked, good: Reply) -> Reply:
        self.call -= 1
        if self.call:
            return good
        if isinstance(self.value, bytes):
            content = good.content()
            place = self.chance.randrange(len(content))
            return Reply(content[:place] + self.value + content[place:], good.status)
        body = json.loads(good.content())
        node, depth = body, 0
        while isinstance(node, dict | list) and node:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = self.chance.choice(keys)
            depth += 1
            if (
                not isinstance(node[key], dict | list)
                or not node[key]
                or (depth > 1 and self.chance.random() < 0.2)
            ):
                node[key] = self.value
                break
            node = node[key]
        return Reply(body, good.status)


@pytest.mark.parametrize("stream", list(STREAMS))
@given(
    call=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    value=st.sampled_from(ODD),
    selection=st.sampled_from(SELECTIONS),
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_odd_value_is_named_or_does_no_harm(
    odd: Account, stream: str, call: int, seed: int, value: Any, selection: Selection
) -> None:
    odd.alter = OneOddValue(call, seed, value)
    odd.asked.clear()
    try:
        found = list(BrightpearlSource(odd.client(), stream).read(selection))
    except SyncError as error:
        assert str(error)
        return
    assert all(source_id for source_id, _ in found)
    assert len(found) == len(dict(found))
