"""State belongs to the pair of instances that a flow connects: another org has none of the first one's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.runtime.estimate import plan_run
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.system import System
from tests.flows.site import Site

FLOW = "customers_to_salesforce"


class OtherOrg(SalesforceClient):
    """An org of another id: that of the sandbox is the same wherever it runs."""

    def organization_id(self) -> str:
        return "00D000000000099"


@dataclass
class TwoOrgs(Site):
    """Connection ``other`` leads to another org than the usual one."""

    moved: bool = False

    def connect(self, system: System, conn_id: str | None = None) -> Any:
        client = super().connect(system, conn_id)
        elsewhere = system.name == "salesforce" and (conn_id == "other" or self.moved)
        return OtherOrg(client.sf) if elsewhere else client


@pytest.fixture
def two_orgs(sandbox, tmp_path):
    return TwoOrgs(sandbox, tmp_path)


def to_other_org(site: TwoOrgs):
    wiring = Wiring.of(FLOW, site.environment, target_conn_id="other")
    return run_flow(wiring, Request(RunKind.MANUAL), "other")


def test_another_org_is_synced_from_the_beginning_with_state_of_its_own(two_orgs):
    first = two_orgs.run(FLOW)
    mark = two_orgs.watermark(FLOW)
    second = to_other_org(two_orgs)
    assert first.pair != second.pair
    assert ("brightpearl:acmetest>salesforce:00D000000000099", None) == (second.pair, second.window.start)
    assert first.counts.extracted == second.counts.extracted > 0
    assert 0 == second.counts.unchanged
    assert mark == two_orgs.watermark(FLOW)
    # and the first one goes on from where it was
    assert two_orgs.run(FLOW).window.start is not None


def test_a_connection_that_leads_elsewhere_stops_before_the_first_write(
    two_orgs,
):
    two_orgs.run(FLOW)
    two_orgs.moved = True
    before = two_orgs.sandbox.snapshot("salesforce", "Account")
    with pytest.raises(Unavailable, match="leads to salesforce:00D000000000099, the run was planned for"):
        two_orgs.run(FLOW, full_resync=True)
    assert before == two_orgs.sandbox.snapshot("salesforce", "Account")
    assert two_orgs.run(FLOW).window.start is None


def test_state_from_before_there_were_pairs_belongs_to_the_first_that_runs(two_orgs):
    two_orgs.run(FLOW)
    with writing(two_orgs.database) as connection:
        for table in (tables.binding, tables.watermark, tables.run):
            connection.execute(table.update().values(pair=""))
        connection.execute(tables.instance.delete())
    wiring = two_orgs.wiring(FLOW)
    found = plan_run(wiring, Request(RunKind.MANUAL), wiring.environment.now())
    again = two_orgs.run(FLOW)
    assert found.selection.window and again.window
    assert found.selection.window.start == again.window.start is not None
    assert (0, 0) == (again.counts.created, again.counts.updated)
    with writing(two_orgs.database) as connection:
        assert (
            0
            == connection.execute(
                sa.select(sa.func.count()).select_from(tables.binding).where(tables.binding.c.pair == "")
            ).scalar()
        )


def test_state_that_a_pair_has_by_now_is_not_overwritten_by_older_one(two_orgs):
    two_orgs.run(FLOW)
    with writing(two_orgs.database) as connection:
        rows = connection.execute(sa.select(tables.binding)).mappings().all()
        old = [{**row, "pair": "", "target_id": "old"} for row in rows[:2]]
        connection.execute(tables.binding.insert(), old)
    again = two_orgs.run(FLOW, full_resync=True)
    assert (0, 0) == (again.counts.created, again.counts.updated)
    with writing(two_orgs.database) as connection:
        assert len(rows) == len(connection.execute(sa.select(tables.binding)).all())
