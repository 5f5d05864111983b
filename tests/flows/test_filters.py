"""A flow with filters and a dead letter of a record that they leave out, end to end over HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.site import MAPPINGS, Site

pytestmark = pytest.mark.slow

FLOW = "products_to_salesforce"


def test_a_letter_of_a_record_outside_of_the_filters_is_closed_with_one_search(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    site = Site(sandbox, tmp_path, shutil.copytree(MAPPINGS, tmp_path / "mappings"))
    products = site.here("product")
    brand = products[min(products)]["brandId"]
    mine = {name for name, product in products.items() if product["brandId"] == brand}
    others = sorted(products.keys() - mine)
    assert mine and others
    file = site.mappings / f"{FLOW}.yaml"
    file.write_text(f"{file.read_text()}\nfilters: {{brandId: {brand}}}\n")

    letters = [(Rejection(name, Stage.LOAD, "refused"), b"{}") for name in (*others, *mine)]
    site.wiring(FLOW).letters.keep(FLOW, "before", "another version", letters)
    summary = site.run(FLOW)
    assert mine == {name for name in site.there("Product2") if name in products}
    assert len(mine) == summary.counts.extracted - len(site.wiring(FLOW).flow.constants)
    assert set() == site.letters.waiting(FLOW, list(products))
    searches = [
        each for each in sandbox.control("GET", "/log?system=brightpearl") if "productId=" in str(each)
    ]
    assert 1 == len(searches)
