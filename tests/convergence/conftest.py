"""A world of two systems that is built once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.convergence.people import FLOWS, People
from tests.convergence.world import World, kept_mappers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One customer that both sides know, kept to begin with."""
    root = tmp_path_factory.mktemp("world")
    mappings = root / "mappings"
    mappings.mkdir()
    for name, text in FLOWS.items():
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
            world = World(sandbox, root, mappings)
            people = People(world, lambda text: None)
            people.create_here()
            people.settle()
            world.keep()
            yield world


@pytest.fixture
def people(world: World) -> People:
    """The customer P1, whom both sides know."""
    return People.begun(world, print)
