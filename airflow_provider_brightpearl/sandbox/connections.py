"""How to connect to a running sandbox: a summary for people, and Airflow connections."""

from __future__ import annotations

import json
import shlex
from urllib.parse import urlsplit

from .clock import Clock
from .system import ConnectionDetails

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def url_of(host: str, port: int) -> str:
    """The base URL of a sandbox that listens on a host; the loopback address if it listens on all."""
    name = _ANY_ADDRESS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def ready_text(url: str, pubsub: str = "") -> str:
    """URLs and credentials of all systems; the first line starts with `sandbox ready at` and the base URL."""
    lines = [f"sandbox ready at {url} (control API: {url}/__sandbox)"]
    for details in _all_details(url):
        credentials = (f"  {label:<17} {value}" for label, value in details.credentials.items())
        lines += ["", f"{details.title}: {details.url}", *credentials]
    if pubsub:
        lines += ["", f"Salesforce Pub/Sub API (gRPC): {pubsub}"]
    lines += ["", f"Airflow connections: brightpearl sandbox {_address_options(url)}--print-connections"]
    return "\n".join([*lines, "Press Ctrl-C to stop."])


def airflow_commands(url: str) -> str:
    """The shell commands that add the connections of all systems to Airflow."""
    return "\n".join(
        f"airflow connections add {details.conn_id} --conn-json {shlex.quote(json.dumps(details.connection))}"
        for details in airflow_connections(url)
    )


def airflow_connections(url: str) -> list[ConnectionDetails]:
    """How Airflow connects to the systems; it has no connection to the shop and the carrier."""
    return [details for details in _all_details(url) if details.conn_id]


def _address_options(url: str) -> str:
    address = urlsplit(url)
    host = "" if address.hostname == "127.0.0.1" else f"--host {address.hostname} "
    return f"{host}--port {address.port} "


def _all_details(url: str) -> list[ConnectionDetails]:
    from .app import installed_systems

    return [system.connection(url) for system in installed_systems(Clock())]
