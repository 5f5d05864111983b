"""Lineage of a flow: from the mapping, between the accounts it is connected to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.lineage import FlowLineage, datasets, flow_lineage
from airflow_provider_brightpearl.mapping.lineage import column_lineage
from airflow_provider_brightpearl.operators.flow import FlowOperator
from airflow_provider_brightpearl.operators.stages import LoadOperator
from airflow_provider_brightpearl.systems import registry

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
ORDERS = load_flow(MAPPINGS / "orders_to_salesforce.yaml")


def wiring_of(flow: Any) -> Any:
    return SimpleNamespace(flow=flow, pair="brightpearl:acmetest>salesforce:00D000000000001")


@pytest.mark.parametrize("file", sorted(MAPPINGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_flow_says_where_its_fields_come_from(file):
    flow = load_flow(file)
    found = column_lineage(flow, registry.stream_schema(flow.source))
    assert set(flow.objects) == set(found)
    for name, spec in flow.objects.items():
        assert {spec.key_field, *spec.fields} == set(found[name])
        assert found[name][spec.key_field]


def test_an_order_goes_from_an_account_to_an_org():
    lineage = flow_lineage(wiring_of(ORDERS))
    assert ("brightpearl://acmetest", "sales_orders") == lineage.source
    org = "salesforce://00D000000000001"
    assert {(org, "Order"), (org, "OrderItem")} == set(lineage.outputs)
    key = ORDERS.objects["OrderItem"].key_field
    assert all(column.startswith("orderRows") for column in lineage.outputs[org, "OrderItem"][key])


def test_openlineage_takes_it():
    pytest.importorskip("openlineage.client")
    lineage = FlowLineage(("a://x", "s"), {("b://y", "T"): {"F": ("one", "two"), "Constant": ()}})
    [read], [written] = datasets(lineage)
    assert ("a://x", "s") == (read.namespace, read.name)
    assert ("b://y", "T") == (written.namespace, written.name)
    assert ["F", "Constant"] == [field.name for field in written.facets["schema"].fields]
    assert ["one", "two"] == [each.field for each in written.facets["columnLineage"].fields["F"].inputFields]
    assert {"F"} == set(written.facets["columnLineage"].fields)


@pytest.mark.parametrize("kind", [FlowOperator, LoadOperator])
def test_operators_answer_airflows_openlineage_provider(kind):
    pytest.importorskip("airflow.providers.openlineage")
    more: dict[str, Any] = (
        {} if kind is FlowOperator else {"mappings": None, "mapped": [], "gate": {}, "run": {}}
    )
    task = kind(task_id="x", flow="orders_to_salesforce", **more)
    assert None is task.get_openlineage_facets_on_complete(None)
    task.opened = wiring_of(ORDERS)
    assert 2 == len(task.get_openlineage_facets_on_complete(None).outputs)
