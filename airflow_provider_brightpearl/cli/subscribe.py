"""``brightpearl subscribe``: the change events of Salesforce, received in a process of their own."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.salesforce.subscription import ALL_CHANGES

if TYPE_CHECKING:
    from airflow_provider_brightpearl.systems.salesforce.subscription import Access


def subscribe(
    conn_id: Annotated[str, typer.Option(help="Connection of the org.")] = "salesforce_default",
    topic: Annotated[
        list[str] | None,
        typer.Option(help=f"Channel of change events; repeatable; {ALL_CHANGES} if left out."),
    ] = None,
) -> None:
    """Receive the change events of a Salesforce org for as long as it runs, after those that are stored."""
    missing = [name for name in ("grpc", "google.protobuf", "fastavro") if not _is_installed(name)]
    if missing:
        raise Misconfigured(
            f"to subscribe needs more packages ({', '.join(missing)}): "
            "pip install 'airflow-provider-brightpearl[events]'"
        )
    topics = list(dict.fromkeys(topic or [ALL_CHANGES]))
    for each in topics:
        if not each.startswith("/data/"):
            raise Misconfigured(f"--topic {each}: change events are at /data/…, such as {ALL_CHANGES}")
    asyncio.run(_run(conn_id, topics))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


async def _run(conn_id: str, topics: list[str]) -> None:
    from airflow_provider_brightpearl.environment import state_engine
    from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
    from airflow_provider_brightpearl.runtime.subscribe import Subscriber
    from airflow_provider_brightpearl.stores.inbox import SqlInbox

    inbox = SqlInbox(state_engine())

    def login() -> Access:
        return SalesforceHook(conn_id).pubsub_access()

    await asyncio.gather(*(Subscriber(conn_id, each, inbox, login).run() for each in topics))
