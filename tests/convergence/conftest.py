"""Worlds of two and of three systems that are built once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.convergence.people import THREE, TWO, People
from tests.convergence.world import Chain, World
from tests.kept_mappers import kept_mappers


def built(root: Path, kind: type[World], flows: dict[str, str]) -> Iterator[World]:
    """One customer that all sides know, kept to begin with."""
    mappings = root / "mappings"
    mappings.mkdir()
    for name, text in flows.items():
        (mappings / f"{name}.yaml").write_text(text)
    quiet: dict[str, dict[str, object]] = {
        "brightpearl": {"throttle": False},
        "salesforce": {"session_seconds": 10**9},
    }
    with pytest.MonkeyPatch.context() as patch, kept_mappers(root):
        patch.setattr(tempfile, "tempdir", str(root))
        with Sandbox(customers=0, products=1, orders=0, clock_speed=0, settings=quiet) as sandbox:
            for row in sandbox.snapshot("salesforce", "Account"):
                sandbox.control("DELETE", f"/salesforce/Account/{row['Id']}")
            for row in sandbox.snapshot("infor", "customers"):
                sandbox.control("DELETE", f"/infor/customers/{row['CONO']}|{row['CUNO']}")
            world = kind(sandbox, root, mappings)
            people = People(world, lambda text: None)
            people.create("brightpearl")
            people.settle()
            world.keep()
            yield world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Brightpearl and Salesforce."""
    yield from built(tmp_path_factory.mktemp("world"), World, TWO)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Salesforce, Brightpearl and M3: what leads from the first to the last passes through the second."""
    yield from built(tmp_path_factory.mktemp("chain"), Chain, THREE)


@pytest.fixture
def people(world: World) -> People:
    """The customer P1, whom both sides know."""
    return People.begun(world, print)


@pytest.fixture
def three(chain: World) -> People:
    """The customer P1, whom all three sides know."""
    return People.begun(chain, print)
