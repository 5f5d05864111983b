"""Systems by name: what they open, and what is said of a name that is not known."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from tests.fakes import MemoryIntents
from tests.flows.site import MAPPINGS
from tests.systems.live import brightpearl, salesforce
from tests.systems.reconciled import flow

ORDERS = load_flow(MAPPINGS / "orders_to_salesforce.yaml")


def test_the_registry_gives_sources_with_their_schema(sandbox: Sandbox) -> None:
    open_source = registry.find_system("brightpearl").open_source
    assert open_source is not None
    assert isinstance(open_source(brightpearl(sandbox), "sales_orders", {}), BrightpearlSource)
    assert "orderRows" in registry.stream_schema("brightpearl.sales_orders").columns


def test_the_registry_gives_sinks(sandbox: Sandbox) -> None:
    open_sink = registry.find_system("salesforce").open_sink
    assert open_sink is not None
    assert isinstance(open_sink(salesforce(sandbox), ORDERS, MemoryIntents(), "run"), SalesforceSink)


def test_a_source_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        Misconfigured, match=r"source brightpearl.sales: unknown stream; known: brightpearl.contacts, "
    ):
        registry.stream_schema("brightpearl.sales")
    with pytest.raises(Misconfigured, match=r"source shop.orders: unknown stream"):
        registry.stream_schema("shop.orders")


def test_a_system_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(Misconfigured, match="unknown system 'shop'; known: brightpearl, salesforce, infor$"):
        registry.find_system("shop")


@pytest.mark.parametrize("target", ["shop", "none"])
def test_a_system_that_is_no_target_is_refused_with_those_that_are(target: str) -> None:
    with pytest.raises(
        Misconfigured,
        match=rf"^orders_to_salesforce.yaml: target {target}: not a target; known: brightpearl, salesforce, infor$",
    ):
        registry.check_flow(ORDERS.model_copy(update={"target": target}))
    with pytest.raises(Misconfigured, match=rf"^test_flow.yaml: target {target}: not a target"):
        registry.check_flow(flow(target=target))
