"""Salesforce as flows see it."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_brightpearl.core.reports import begun_at
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.inventory import SalesforceInventory
from airflow_provider_brightpearl.systems.salesforce.schema import is_unchanged, read_fields, schema_problems
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from airflow_provider_brightpearl.systems.salesforce.source import SalesforceSource
from airflow_provider_brightpearl.systems.salesforce.streams.table import STREAMS
from airflow_provider_brightpearl.systems.salesforce.target import SalesforceTarget
from airflow_provider_brightpearl.systems.salesforce.write_back import SalesforceWriteBack, misfit
from airflow_provider_brightpearl.systems.system import Quota, System


def _quota(client: SalesforceClient) -> Quota:
    """The org's own figures, in one call."""
    daily = client.limits().get("DailyApiRequests", {})
    most, left = (each if isinstance(each, int) else None for each in map(daily.get, ("Max", "Remaining")))
    return Quota(None, most, left)


def _check_source(flow: FlowSpec) -> None:
    for name, spec in flow.write_back.items():
        if reason := misfit(flow.stream, list(spec.fields), bool(spec.note)):
            raise Misconfigured(f"{flow.flow}.yaml: write_back.{name}: {reason}")


SALESFORCE = System(
    name="salesforce",
    hook="airflow_provider_brightpearl.hooks.salesforce.SalesforceHook",
    conn_id="salesforce_default",
    streams={name: stream.schema for name, stream in STREAMS.items()},
    open_source=SalesforceSource,
    open_inventory=SalesforceInventory,
    open_write_back=SalesforceWriteBack,
    check_source=_check_source,
    # the org knows a repeat by the external id, so no intents are needed
    open_sink=lambda client, flow, _intents, run: SalesforceSink(client, flow, begun=begun_at(run)),
    open_target=SalesforceTarget,
    query=lambda client, soql: client.query(soql),
    schema_problems=schema_problems,
    read_fields=read_fields,
    is_unchanged=is_unchanged,
    # administrators change an org at any time, and a 304 costs little
    schema_every=timedelta(hours=1),
    quota=_quota,
    # a sandbox keeps its address when it is refreshed, and is another org then
    instance=lambda client: client.organization_id(),
)
