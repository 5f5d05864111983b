"""Both flows of customers run at the same time."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.two_way import TwoWay
from airflow_provider_brightpearl.stores.conflicts import all_conflicts
from tests.flows.test_salesforce_customers import BACK, THERE, Customers, linked, site

__all__ = ["site"]


def test_a_field_that_the_other_flow_brings_meanwhile_is_agreed_on(
    site: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        site.there_and_back()
    key, account, _ = linked(site)
    site.edit_here(key, "/communication/telephones/PRI", "+441134960001")
    keep = TwoWay.keep
    done: list[str] = []

    def other_flow_first(merge: TwoWay, batch: Batch) -> None:
        if batch.flow.flow == THERE and not done:
            done.append(batch.run)
            site.edit("Account", account, BillingCity="First edit")
            assert 1 == site.run(BACK).counts.updated
        keep(merge, batch)

    monkeypatch.setattr(TwoWay, "keep", other_flow_first)
    assert 1 == site.run(THERE).counts.updated
    site.edit("Account", account, BillingCity="Second edit")
    site.run(BACK)
    site.settle()
    assert ["Second edit", "Second edit"] == [
        site.address(key, "BIL")["addressLine3"],
        site.there("Account")[key]["BillingCity"],
    ]
    assert [] == all_conflicts(site.database)
