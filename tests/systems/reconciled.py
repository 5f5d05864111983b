"""Flows with a ``reconcile`` block."""

from __future__ import annotations

from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec

_FLOW = """
flow: test_flow
source: brightpearl.{stream}
target: {target}
objects:
  {object}:
    key: {{Key__c: id}}
    fields: {{}}
totals: {{amount: totalValue.net, currency: currency.orderCurrencyCode}}
reconcile: {{{reconcile}}}
"""


def flow(
    reconcile: str = "period: 7d",
    stream: str = "sales_orders",
    target: str = "salesforce",
    object: str = "Order",
) -> FlowSpec:
    text = _FLOW.format(reconcile=reconcile, stream=stream, target=target, object=object)
    return parse_flow(text, "test_flow.yaml")
