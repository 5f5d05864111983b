"""Whatever a run changes in a system is in the history of a record, with fingerprints before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.pipeline.history import LoadHistory
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import reading
from airflow_provider_brightpearl.stores.tables import binding, record_event
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS, Site

pytestmark = pytest.mark.slow

OUT = [
    "products_to_salesforce", "customers_to_salesforce", "orders_to_salesforce", "inventory_to_salesforce",
    "shipments_to_salesforce", "credits_to_salesforce", "placed_orders_to_salesforce", "products_to_infor",
    "customers_to_infor", "inventory_to_infor", "orders_to_infor", "shipments_to_infor", "payments_to_infor_gl",
]  # fmt: skip
INTO = [
    "infor_customers_to_brightpearl", "infor_products_to_brightpearl", "infor_inventory_to_brightpearl",
    "infor_shipments_to_brightpearl", "infor_invoices_to_brightpearl", "salesforce_customers_to_brightpearl",
    "salesforce_orders_to_brightpearl", "salesforce_returns_to_brightpearl",
]  # fmt: skip
# what the sandbox itself keeps of its calls, and stock of M3, which follows from deliveries
_LOGS = {"calls"}
_FOLLOWS = {"shipments_to_infor": {"item_warehouse", "balances"}}
_CHANGES = (
    EventOutcome.CREATED.value, EventOutcome.UPDATED.value, EventOutcome.REMOVED.value,
    EventOutcome.WRITTEN_BACK.value,
)  # fmt: skip
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Audit:
    """Holds what the systems hold, and what they were asked, against the history."""

    site: Site

    def held(self, system: str, without: set[str]) -> dict[str, str]:
        """Every record of a system, by collection and place."""
        names = self.site.sandbox.control("GET", f"/snapshot/{system}")
        rows = (
            (f"{name}:{row.get('Id') or row.get('id') or number}", repr(row))
            for name in names
            if name not in without
            for number, row in enumerate(self.site.sandbox.snapshot(system, name))
        )
        return dict(rows)

    def events(self, flow: str, run: str) -> list[Any]:
        query = sa.select(record_event).where(
            record_event.c.flow == flow,
            record_event.c.run.like(f"{run}%"),
            record_event.c.outcome.in_(_CHANGES),
        )
        with reading(self.site.database) as connection:
            return list(connection.execute(query))

    def ids(self, flow: str, events: list[Any]) -> set[str]:
        """The rows of records that the history names, and the records themselves."""
        records = {each.source_id for each in events}
        query = sa.select(binding.c.source_id, binding.c.target_id).where(binding.c.flow == flow)
        with reading(self.site.database) as connection:
            rows = {row.target_id for row in connection.execute(query) if row.source_id in records}
        named = records | rows | {each.target_id for each in events}
        return {part for text in named for part in (text, *text.replace("|", "/").split("/")) if part}

    def check(self, flow: str) -> int:
        """Runs a flow; returns how many records of both systems it has changed, all of which the history explains."""
        spec = self.site.wiring(flow).flow
        systems = (spec.source_system, spec.target)
        without = _LOGS | _FOLLOWS.get(flow, set())
        before = {system: self.held(system, without) for system in systems}
        self.site.sandbox.control("DELETE", "/log")
        summary = self.site.run(flow)
        sent = [call for call in self.site.sandbox.control("GET", "/log") if call["method"] in _WRITES]
        events = self.events(flow, summary.run)
        named = self.ids(flow, events)
        changed = {
            f"{system} {place}": row
            for system in systems
            for place, row in self.held(system, without).items()
            if before[system].get(place) != row
        }
        unexplained = [
            place for place, row in changed.items() if not any(repr(part)[1:-1] in row for part in named)
        ]
        assert [] == unexplained, (flow, unexplained[:5])
        assert bool(changed) <= bool(sent), flow
        written = [each for each in events if each.outcome != EventOutcome.REMOVED.value]
        assert all(each.after and each.before != each.after for each in written), flow
        assert summary.counts.created + summary.counts.updated <= len({each.source_id for each in written})
        return len(changed)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audit]:
    with Sandbox(customers=4, products=8, orders=14, days=20, seed=11, settings=QUIET) as sandbox:
        yield Audit(Site(sandbox, tmp_path_factory.mktemp("audit"), MAPPINGS))


def test_every_change_that_a_run_makes_is_in_the_history(audit: Audit) -> None:
    made = {flow: audit.check(flow) for flow in (*OUT, *INTO)}
    idle = {flow for flow, count in made.items() if not count}
    # nothing in this account to credit, or placed in Salesforce; stock of M3 is left out above
    assert idle.isdisjoint(
        {*OUT} - {"credits_to_salesforce", "placed_orders_to_salesforce", "inventory_to_infor"}
    )
    assert "salesforce_customers_to_brightpearl" not in idle
    assert 0 == audit.check("customers_to_salesforce")


def test_a_run_that_dies_has_left_the_history_of_what_it_bound(
    bare_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what is recorded as a load ends, which a run that is killed does not
    monkeypatch.setattr(LoadHistory, "ended", lambda *_: iter(()))
    summary = bare_site.run("products_to_salesforce")
    events = Audit(bare_site).events("products_to_salesforce", summary.run)
    assert summary.counts.created == len(events) > 0
    assert {("", True)} == {(each.before, bool(each.after)) for each in events}
