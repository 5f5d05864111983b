"""Every flow into Brightpearl that is shipped: the fewest calls, and next to none where nothing was edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from demo.flows import FLOWS as OUTWARDS
from tests.flows.conftest import QUIET
from tests.flows.org import Org
from tests.flows.site import MAPPINGS

INTO = sorted(path.stem for path in MAPPINGS.glob("*_to_brightpearl.yaml"))
ORDERS = 60
# nothing is returned here, so that of these only the round without edits is judged
IDLE = ("salesforce_returns_to_brightpearl",)


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """A site on which all other flows have run, with new orders in Salesforce."""
    with Sandbox(customers=14, products=10, orders=30, seed=7, settings=QUIET) as sandbox:
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        org = Org(sandbox, tmp_path_factory.mktemp("calls"))
        for flow in OUTWARDS:
            org.run(flow)
        org.pass_time(10)
        for number in range(ORDERS):
            org.place(("2", "10.50"), ("1", "4.00"), OrderNumber=f"{number:08}")
        yield org


def calls(org: Org) -> Counter[str]:
    """How often each system was asked, logins and what an expired one was refused left out."""
    log: list[dict[str, Any]] = org.sandbox.control("GET", "/log")
    return Counter(call["system"] for call in log if "oauth2" not in call["path"] and call["status"] != 401)


@pytest.mark.parametrize("flow", INTO)
def test_it_takes_the_fewest_calls_and_none_where_nothing_was_edited(org: Org, flow: str) -> None:
    first = org.run(flow)
    assert first.counts.extracted > 0 or flow in IDLE
    made, fewest = (kind.get("brightpearl", 0) for kind in (first.calls.made, first.calls.minimum))
    # before it merges, a two-way flow reads what Brightpearl holds: a product and its prices, 200 to a call
    merged = 2 if org.wiring(flow).flow.reverse else 0
    assert made <= 1.05 * fewest + merged, first.calls
    # by then what it wrote lies before the overlap of its windows
    org.pass_time(60)
    org.run(flow)
    org.pass_time(60)
    org.sandbox.control("DELETE", "/log")
    again = org.run(flow)
    assert 0 == again.counts.created + again.counts.updated
    asked = calls(org)
    assert 0 == asked["brightpearl"]
    assert 2 >= sum(asked.values())
