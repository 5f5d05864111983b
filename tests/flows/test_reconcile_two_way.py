"""Reconciliation of a flow whose target is edited too: what it writes again, and what the other flow has to bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.runtime.reconcile import compare, repair
from airflow_provider_brightpearl.runtime.reconcile_report import reconcile_lines
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.conftest import QUIET
from tests.flows.site import Site
from tests.flows.test_two_way import BACK, THERE, back, edit_there, linked, there
from tests.flows.world import World

FLOW = "people_to_salesforce"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    def prepare(site: Site) -> None:
        for _ in range(2):
            there(site)
            back(site)

    with Sandbox(customers=3, products=1, orders=0, seed=3, settings=QUIET) as sandbox:
        folder = tmp_path_factory.mktemp("world")
        (folder / "mappings").mkdir()
        compared = THERE + "reconcile: {period: 3650d, fields: [Phone, Type]}\n"
        (folder / "mappings" / f"{FLOW}.yaml").write_text(compared)
        (folder / "mappings" / "people_to_brightpearl.yaml").write_text(BACK)
        yield World(sandbox, Site(sandbox, folder, folder / "mappings"), prepare)


@pytest.fixture
def site(world: World[Site], tmp_path: Path) -> Site:
    return world.begin(tmp_path)


def repaired(site: Site) -> ReconcileReport:
    site.pass_time(1)
    found = compare(site.wiring(FLOW), f"compare{site.now():%H%M%S}")
    assert found
    assert ReconcileState.DRIFT is found.state
    return repair(site.wiring(FLOW), found)


def account(site: Site, key: str) -> Any:
    return site.there("Account")[key]


def test_a_field_that_the_other_flow_brings_waits_for_it(site: Site) -> None:
    key, row, _ = linked(site)
    edit_there(site, "Account", row, Phone="9")
    report = repaired(site)
    assert (ReconcileState.PARTIALLY_REPAIRED, 0) == (report.state, report.repaired)
    assert "1 of the records that differ wait for people_to_brightpearl" in "\n".join(reconcile_lines(report))
    assert "9" == account(site, key)["Phone"]
    back(site)
    there(site)
    found = compare(site.wiring(FLOW), "again")
    assert found
    assert ReconcileState.CLEAN is found.state


def test_a_field_that_nobody_brings_back_is_written_again(site: Site) -> None:
    key, row, _ = linked(site)
    edit_there(site, "Account", row, Type="Prospect")
    report = repaired(site)
    assert "Customer" == account(site, key)["Type"]
    assert (ReconcileState.REPAIRED, 1) == (report.state, report.repaired)
