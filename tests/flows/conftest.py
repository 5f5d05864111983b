"""A small merchant, and how much of it is in Salesforce already."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.org import Org
from tests.flows.site import Site
from tests.flows.world import World
from tests.kept_mappers import kept_mappers

QUIET: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False}, "infor": {"limit_logins": False}}


def merchant(folder: Path, *flows: str) -> Iterator[World[Site]]:
    """An account, after these flows have run."""
    with Sandbox(customers=12, products=45, orders=110, days=20, seed=11, settings=QUIET) as sandbox:
        yield World(sandbox, Site(sandbox, folder), lambda site: [site.run(flow) for flow in flows])


@pytest.fixture(scope="module", autouse=True)
def _mappings_stay_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with kept_mappers(tmp_path_factory.getbasetemp(), Path(tempfile.gettempdir())):
        yield


@pytest.fixture(scope="module")
def bare_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    yield from merchant(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def stocked_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    yield from merchant(tmp_path_factory.mktemp("stocked"), "products_to_salesforce")


@pytest.fixture(scope="module")
def synced_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    flows = ("products_to_salesforce", "customers_to_salesforce", "orders_to_salesforce")
    yield from merchant(tmp_path_factory.mktemp("synced"), *flows)


@pytest.fixture(scope="module")
def org_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Org]]:
    def prepare(org: Org) -> None:
        for flow in ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce"):
            org.run(flow)
        org.pass_time(5)

    with Sandbox(customers=3, products=6, orders=4, seed=11, settings=QUIET) as sandbox:
        yield World(sandbox, Org(sandbox, tmp_path_factory.mktemp("org")), prepare)


@pytest.fixture
def bare_site(bare_world: World[Site], tmp_path: Path) -> Site:
    """An account, and an org that holds nothing of it."""
    return bare_world.begin(tmp_path)


@pytest.fixture
def stocked_site(stocked_world: World[Site], tmp_path: Path) -> Site:
    """An org that knows the products."""
    return stocked_world.begin(tmp_path)


@pytest.fixture
def site(synced_world: World[Site], tmp_path: Path) -> Site:
    """An org that knows products, customers and orders."""
    return synced_world.begin(tmp_path)


@pytest.fixture
def org(org_world: World[Org], tmp_path: Path) -> Org:
    return org_world.begin(tmp_path)
