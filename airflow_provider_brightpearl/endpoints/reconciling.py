"""What each system offers to a reconciliation: the list of its records, the list of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_brightpearl.core.census import Census, Listing
from airflow_provider_brightpearl.endpoints import brightpearl_census, infor_listing
from airflow_provider_brightpearl.endpoints.brightpearl_census import BrightpearlCensus
from airflow_provider_brightpearl.endpoints.infor_listing import InforListing
from airflow_provider_brightpearl.endpoints.salesforce_listing import SalesforceListing
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.spec import FlowSpec

_CENSUSES: dict[str, Callable[[Any, str], Census]] = {"brightpearl": BrightpearlCensus}
_LISTINGS: dict[str, Callable[[Any, FlowSpec], Listing]] = {
    "salesforce": SalesforceListing,
    "infor": InforListing,
}


def check_reconcile(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow's systems cannot be compared as its ``reconcile`` says."""
    if flow.reconcile is None:
        return
    place = f"{flow.flow}.yaml: reconcile"
    for system, known in ((flow.source_system, _CENSUSES), (flow.target, _LISTINGS)):
        if system not in known:
            raise Misconfigured(f"{place}: records of {system} cannot be listed; known: {', '.join(known)}")
    try:
        brightpearl_census.listed(flow.stream)
    except Misconfigured as error:
        raise Misconfigured(f"{flow.flow}.yaml: {error}") from None
    if flow.target == "infor":
        infor_listing.check_listing(flow)


def census(flow: FlowSpec, client: Any) -> Census:
    """The records of a flow's stream, through a client of its source."""
    return _CENSUSES[flow.source_system](client, flow.stream)


def listing(flow: FlowSpec, client: Any) -> Listing:
    """The rows of a flow's first object, through a client of its target."""
    check_reconcile(flow)
    return _LISTINGS[flow.target](client, flow)
