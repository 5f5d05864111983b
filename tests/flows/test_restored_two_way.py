"""Flows of both directions after a backup of the state: what they created since is not created twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.restored import accept_restored
from tests.flows.backup import Backup
from tests.flows.both_sides import BothSides
from tests.flows.conftest import QUIET
from tests.flows.world import World

THERE, BACK = "customers_to_infor", "infor_customers_to_brightpearl"
PLACE = {"CUTM": "WEB", "CUA1": "7 Quay", "TOWN": "Hull", "PONO": "HU1 1AA", "CSCD": "GB"}
EMAIL = "/communication/emails/PRI/email"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[BothSides]]:
    with Sandbox(customers=3, products=1, orders=0, seed=11, settings=QUIET) as sandbox:
        yield World(sandbox, BothSides(sandbox, tmp_path_factory.mktemp("world")))


@pytest.fixture
def site(world: World[BothSides], tmp_path: Path) -> BothSides:
    return world.begin(tmp_path)


def people(site: BothSides) -> tuple[int, list[str]]:
    return len(site.here("contact", "contactId")), sorted(row["CUNO"] for row in site.m3("customers"))


@pytest.mark.parametrize("order", [(THERE, BACK), (BACK, THERE)], ids=["forward first", "backward first"])
def test_customers_that_were_created_after_a_backup_are_linked_again(
    site: BothSides, order: tuple[str, str]
) -> None:
    site.round(THERE, BACK)
    backup = Backup(site)
    names = {"C900": "Corner Shop", "C901": "Corner Shop", "C902": "Mill"}
    for number, name in names.items():
        site.in_m3("CRS610MI", "Add", CUNO=number, CUNM=name, **PLACE)
    site.in_m3("CRS610MI", "Add", CUNO="C903", CUNM="Quarry", MAIL="dig@quarry.example", **PLACE)
    site.round(THERE, BACK, THERE, BACK)
    before = people(site)

    backup.restore()
    accept_restored(site.database, site.now())
    site.round(*order, *order)
    assert before == people(site)
    assert {} == site.open_letters(THERE)
    # two of one name, and nobody else: each has one of the two contacts
    assert {} == site.open_letters(BACK)
    site.settle(*order)


def test_a_namesake_with_an_email_is_another_one(site: BothSides) -> None:
    site.round(THERE, BACK)
    backup = Backup(site)
    site.in_m3("CRS610MI", "Add", CUNO="C900", CUNM="Corner Shop", MAIL="a@corner.example", **PLACE)
    site.round(BACK, THERE)
    backup.restore()
    accept_restored(site.database, site.now())
    site.in_m3("CRS610MI", "Add", CUNO="C901", CUNM="Corner Shop", **PLACE)
    before = len(site.here("contact", "contactId"))
    site.round(BACK, THERE, BACK)
    assert before + 1 == len(site.here("contact", "contactId"))
