"""A small merchant, and how much of it is in Salesforce already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.org import Org
from tests.flows.site import Site

QUIET: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False}}


@pytest.fixture
def bare_site(tmp_path: Path) -> Iterator[Site]:
    """An account, and an org that holds nothing of it."""
    with Sandbox(customers=12, products=45, orders=110, days=20, seed=11, settings=QUIET) as sandbox:
        yield Site(sandbox, tmp_path)


@pytest.fixture
def stocked_site(bare_site: Site) -> Site:
    """An org that knows the products."""
    bare_site.run("products_to_salesforce")
    return bare_site


@pytest.fixture
def site(stocked_site: Site) -> Site:
    """An org that knows products, customers and orders."""
    for flow in ("customers_to_salesforce", "orders_to_salesforce"):
        stocked_site.run(flow)
    return stocked_site


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Sandbox(customers=3, products=6, orders=4, seed=11, settings=QUIET) as sandbox:
        site = Org(sandbox, tmp_path)
        for flow in ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce"):
            site.run(flow)
        site.pass_time(5)
        yield site
