"""A record whose other side cannot be read or mapped waits, and no edit is lost meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.conflicts import all_conflicts
from tests.flows.both_sides import BothSides
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS
from tests.flows.test_infor_products import name_of, products, rename

THERE, BACK = "products_to_infor", "infor_products_to_brightpearl"
SKU = "ITEM-1"
HERE, YONDER = "Name by Brightpearl", "Name by M3"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[BothSides]:
    """A product whose name both sides have changed since they agreed; Brightpearl's counts."""
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    with Sandbox(customers=2, products=4, orders=0, seed=11, settings=QUIET) as sandbox:
        sandbox.control("POST", "/settings/infor", {"limit_logins": False})
        site = BothSides(sandbox, tmp_path, tmp_path / "mappings")
        site.settle(BACK, THERE)
        rename(site, SKU, HERE)
        site.in_m3("MMS200MI", "UpdItmBasic", ITNO=SKU, FUDS=YONDER)
        site.pass_time(3)
        yield site


def names(site: BothSides) -> tuple[str, str]:
    return name_of(products(site)[SKU]), site.item(SKU)["FUDS"]


def refused(site: BothSides, why: str) -> None:
    """The flow back refuses the record, tells why, and leaves both sides as they are."""
    summary = site.run(BACK)
    assert (0, 1) == (summary.counts.updated, summary.counts.rejected)
    [letter] = site.open_letters(BACK).values()
    assert letter.reason.startswith(
        f"brightpearl {products(site)[SKU]['id']}, with which this record is merged"
    )
    assert why in letter.reason
    assert ((HERE, YONDER), []) == (names(site), all_conflicts(site.database))


def settled(site: BothSides) -> None:
    """The next round decides as it had before."""
    site.round(BACK, THERE, BACK)
    assert (HERE, HERE) == names(site)
    assert {} == site.open_letters(BACK)
    [(_, conflict)] = all_conflicts(site.database)
    assert ("FUDS", HERE, YONDER, "brightpearl") == (
        conflict.field, conflict.source_value, conflict.target_value, conflict.winner,
    )  # fmt: skip


def test_a_record_that_the_other_flow_cannot_map_waits(site: BothSides) -> None:
    lookup = site.mappings / "lookups" / "m3_item_status.csv"
    lookup.write_text("key,value\nOTHER,20\n")
    refused(site, "STAT: 'LIVE' is not in lookup item_status")
    shutil.copy(MAPPINGS / "lookups" / lookup.name, lookup)
    settled(site)


def test_a_record_that_cannot_be_read_for_a_moment_waits(site: BothSides) -> None:
    product = products(site)[SKU]["id"]
    fault = {"system": "brightpearl", "method": "GET", "path": rf"product-service/product/{product}(\?|$)"}
    error = {"errors": [{"code": "CMNC-001", "message": "internal error"}]}
    site.sandbox.control("POST", "/faults", {**fault, "times": 9, "status": 500, "body": error})
    refused(site, "internal error")
    site.sandbox.control("DELETE", "/faults")
    settled(site)
