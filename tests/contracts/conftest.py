"""Where the contract is tested, and how a test passes for an example that cannot do what it asks for."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from tests.contracts.example import Cannot, Example
from tests.contracts.org import fill_org
from tests.contracts.tenant import fill_tenant
from tests.flows.site import Site
from tests.systems import live

UNTIL = datetime(2026, 3, 31, 12, tzinfo=UTC)
QUIET: dict[str, dict[str, object]] = {
    "brightpearl": {"throttle": False},
    "infor": {"limit_logins": False},
}
# something of everything: bundles, parts of orders, goods that a supplier sends
DAY = {
    "orders_changed": 3, "orders_created": 2, "customers_changed": 2, "products_changed": 2, "stock_corrected": 3,
    "parts_shipped": 1, "drop_shipped": 2, "credits_created": 2,
}  # fmt: skip


class ImpatientSite(Site):
    """A site whose clients shorten every wait."""

    def brightpearl(self) -> BrightpearlClient:
        return live.brightpearl(self.sandbox)

    def salesforce(self) -> SalesforceClient:
        return live.salesforce(self.sandbox)


@pytest.fixture(scope="module")
def busy_sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=14, products=45, orders=45, seed=7, until=UNTIL, settings=QUIET) as sandbox:
        sandbox.control("POST", "/clock", {"now": "2026-03-31T12:30:00Z"})
        sandbox.control("POST", "/brightpearl/activity", DAY)
        fill_org(sandbox, UNTIL - timedelta(days=9))
        fill_tenant(sandbox, UNTIL - timedelta(days=9))
        yield sandbox


@pytest.fixture
def merchant(busy_sandbox: Sandbox, tmp_path: Path) -> Site:
    """A merchant after a day of work; its records are only read."""
    busy_sandbox.control("DELETE", "/settings/brightpearl")
    return ImpatientSite(busy_sandbox, tmp_path)


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Site:
    """Systems that may be written to, freshly seeded."""
    return ImpatientSite(sandbox, tmp_path)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cannot: what some examples of a contract cannot do, with their error")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Runs a test; one of an example that cannot do it passes by the error it is marked with, and by no other."""
    expected = _expected(pyfuncitem)
    if expected is None:
        return (yield)
    try:
        yield
    except expected.error as error:
        found = str(error).partition("\n")[0]
    else:
        pytest.fail(f"{pyfuncitem.name} can do it: take it off the mark")
    assert expected.message == found
    return True


def _expected(item: pytest.Function) -> Cannot | None:
    callspec: Any = getattr(item, "callspec", None)
    given = callspec.params.values() if callspec else ()
    examples = [each for each in given if isinstance(each, Example)]
    marks = [mark.args[0] for mark in item.iter_markers("cannot")]
    return next((mark for mark in marks for example in examples if mark.holds_for(example)), None)
