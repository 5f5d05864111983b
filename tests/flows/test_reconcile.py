"""Both systems compared, and small differences repaired through the flow's own stages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.endpoints import reconciling, registry
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.identity import identity_of
from airflow_provider_brightpearl.mapping.lookups import load_lookups
from airflow_provider_brightpearl.mapping.spec import FlowSpec, load_flow
from airflow_provider_brightpearl.pipeline import repair
from airflow_provider_brightpearl.pipeline.reconcile import Ports, reconcile
from airflow_provider_brightpearl.stores.staging import FileStaging
from tests.flows.site import Site

ORDERS = "orders_to_salesforce"


@dataclass
class Auditor:
    """Reconciles the flows of a site."""

    site: Site

    def flow(self, name: str, **changes: Any) -> FlowSpec:
        flow = load_flow(self.site.mappings / f"{name}.yaml")
        assert flow.reconcile
        return flow.model_copy(update={"reconcile": flow.reconcile.model_copy(update=changes)})

    def ports(self, flow: FlowSpec) -> Ports:
        clients = self.site._brightpearl(), self.site._salesforce()
        return Ports(
            reconciling.census(flow, clients[0]),
            reconciling.listing(flow, clients[1]),
            self.site.bindings,
            self.site.letters,
            FileStaging(str(self.site.folder / "staging"), flow.flow, "reconcile"),
        )

    def look(self, flow: FlowSpec, start: datetime | None = None) -> dict[str, Any]:
        bare, schema = identity_of(flow), registry.stream_schema(flow.source)
        watermark = self.site.ledger.watermark(flow.flow)
        assert watermark
        lookups = load_lookups(bare, self.site.mappings)
        return reconcile(
            flow,
            schema.id_column,
            Window(start, watermark),
            watermark,
            self.ports(flow),
            lambda folders: Mapper(bare, schema, lookups, self.site.bindings, folders),
        )

    def mend(self, flow: FlowSpec, found: dict[str, Any]) -> dict[str, Any]:
        ports = self.ports(flow)
        repair.drop(flow, found["forget"], ports)
        repair.forget(flow, found["repair"], ports)
        removed = repair.remove(flow, found["remove"], ports) if found["remove"] else (0, [])
        summary = self.site.run(flow.flow, ids=tuple(found["repair"])) if found["repair"] else {}
        return {"removed": removed, **summary}


@pytest.fixture
def auditor(site: Site) -> Auditor:
    return Auditor(site)


def test_after_a_sync_both_sides_agree_to_the_cent(auditor):
    for name in (ORDERS, "customers_to_salesforce", "products_to_salesforce"):
        found = auditor.look(auditor.flow(name))
        counts = found["counts"]
        assert "clean" == found["state"], (found, auditor.site.letters.top_reasons(name))
        assert 0 < counts["source"] == counts["matched"] + counts["waiting"]
    money = auditor.look(auditor.flow(ORDERS))["money"]
    assert set(money["source"]) == set(money["target"])


def test_print(auditor):
    for name in (ORDERS, "customers_to_salesforce", "products_to_salesforce"):
        print(auditor.look(auditor.flow(name)))
