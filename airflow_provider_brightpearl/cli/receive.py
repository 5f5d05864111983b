"""``brightpearl receive``: the receiver of events in a server of its own."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from airflow_provider_brightpearl.cli.output import say


def receive(
    host: Annotated[
        str, typer.Option(help="Address to listen on; a proxy in front of it ends TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8088,
) -> None:
    """Receive events in a process of its own, where Airflow's web server is not to be reached from outside.

    The address of a webhook is /brightpearl/events/CONNECTION/SECRET; /brightpearl/events/health answers 200.
    """
    if find_spec("uvicorn") is None:
        say("The receiver needs one more package: pip install 'airflow-provider-brightpearl[receiver]'")
        sys.exit(1)
    import uvicorn

    from airflow_provider_brightpearl.receiver.asgi import EventsApp

    # no access log: the path of a request holds a secret
    uvicorn.run(
        EventsApp(),
        host=host,
        port=port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=20,
    )
