"""Salesforce as flows see it."""

from __future__ import annotations

from airflow_provider_brightpearl.core.reports import begun_at
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.schema import schema_problems
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from airflow_provider_brightpearl.systems.salesforce.target import SalesforceTarget
from airflow_provider_brightpearl.systems.system import Quota, System


def _quota(client: SalesforceClient) -> Quota:
    """The org's own figures, in one call."""
    daily = client.limits().get("DailyApiRequests", {})
    return Quota(None, daily.get("Max"), daily.get("Remaining"))


SALESFORCE = System(
    name="salesforce",
    hook="airflow_provider_brightpearl.hooks.salesforce.SalesforceHook",
    conn_id="salesforce_default",
    # the org knows a repeat by the external id, so no intents are needed
    open_sink=lambda client, flow, _intents, run: SalesforceSink(client, flow, begun=begun_at(run)),
    open_target=SalesforceTarget,
    query=lambda client, soql: client.query(soql),
    schema_problems=schema_problems,
    quota=_quota,
    # a sandbox keeps its address when it is refreshed, and is another org then
    instance=lambda client: client.organization_id(),
)
