"""The command line of the sandbox."""

from __future__ import annotations

import errno
import json
import signal
import threading
from datetime import datetime
from typing import Annotated, Any

import typer

from .clock import Clock, parse_instant
from .connections import airflow_commands, ready_text, url_of
from .system import SeedOptions

DEFAULT_PORT = 8765
_DEFAULT = SeedOptions()
_UNTHROTTLED = ("brightpearl.throttle=false", "infor.throttle=false", "infor.limit_logins=false")
_BARE_ORG = ("salesforce.bare=true",)
Settings = dict[str, dict[str, object]]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 in a container. There is no access control.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free port.")] = DEFAULT_PORT,
    customers: Annotated[int, typer.Option(min=0, help="Brightpearl customers.")] = _DEFAULT.customers,
    products: Annotated[int, typer.Option(min=0, help="Brightpearl products.")] = _DEFAULT.products,
    orders: Annotated[int, typer.Option(min=0, help="Brightpearl sales orders.")] = _DEFAULT.orders,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same data.")] = _DEFAULT.seed,
    days: Annotated[int, typer.Option(min=1, help="Length of the order history.")] = _DEFAULT.days,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_instant,
            metavar="TIMESTAMP",
            help="End of the order history, ISO 8601, UTC without an offset; default: start of today.",
        ),
    ] = None,
    variety: Annotated[
        bool,
        typer.Option("--variety", help="Also part shipped, part paid, purchases, suppliers, nested bundles."),
    ] = False,
    no_throttle: Annotated[
        bool, typer.Option("--no-throttle", help="No rate limits in Brightpearl and Infor M3.")
    ] = False,
    bare_org: Annotated[
        bool, typer.Option("--bare-org", help="A Salesforce org without custom fields, to deploy into.")
    ] = False,
    pubsub_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Also serve Salesforce's Pub/Sub API; 0 for any free port."),
    ] = None,
    pubsub_tls: Annotated[
        bool, typer.Option("--pubsub-tls", help="TLS for the Pub/Sub API, with a certificate of its own.")
    ] = False,
    clock_speed: Annotated[float, typer.Option(min=0, help="Sandbox seconds per real second.")] = 1.0,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYSTEM.NAME=VALUE",
            help="A setting of a system, such as salesforce.page_size=200; the value is JSON. Repeatable.",
        ),
    ] = None,
    print_connections: Annotated[
        bool,
        typer.Option(
            "--print-connections", help="Print the commands that add the Airflow connections, and exit."
        ),
    ] = False,
) -> None:
    """Run a simulated Brightpearl account, Salesforce org and Infor M3 tenant until Ctrl-C."""
    if print_connections:
        if not port:
            raise typer.BadParameter("--print-connections needs the --port of the sandbox")
        typer.echo(airflow_commands(url_of(host, port)))
        return
    chosen = [*(_UNTHROTTLED if no_throttle else ()), *(_BARE_ORG if bare_org else ()), *(setting or [])]
    options = SeedOptions(customers, products, orders, seed, days, until, variety)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        _run(
            host=host,
            port=port,
            options=options,
            clock_speed=clock_speed,
            settings=_parse_settings(chosen),
            pubsub_port=pubsub_port,
            pubsub_tls=pubsub_tls,
        )
    except KeyboardInterrupt:
        pass
    except OSError as error:
        typer.echo(_listen_error(host, port, error), err=True)
        raise typer.Exit(1) from None
    except RuntimeError as error:
        typer.echo(f"Cannot start: {error}", err=True)
        raise typer.Exit(1) from None


def _run(**arguments: Any) -> None:
    from .server import Sandbox

    with Sandbox(**arguments) as sandbox:
        try:
            print(ready_text(sandbox.url, sandbox.pubsub()["address"]), flush=True)
            threading.Event().wait()
        finally:
            for address in sandbox.unknown_addresses():
                typer.echo(f"Requested, but not in the sandbox: {address}", err=True)


def _parse_settings(texts: list[str]) -> Settings:
    """Settings by system. Raises: typer.BadParameter."""
    from .app import installed_systems

    known = {system.name: system.settings for system in installed_systems(Clock())}
    parsed: Settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        system, _, key = name.partition(".")
        if not equals or key not in known.get(system, {}):
            reason = "write SYSTEM.NAME=VALUE" if not equals else f"{name} is not a setting"
            raise typer.BadParameter(f"--setting {text}: {reason}; docs/sandbox.md lists the settings")
        parsed.setdefault(system, {})[key] = _json_or_text(value)
    return parsed


def _json_or_text(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _listen_error(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        remedy = "Choose another one with --port, or any free one with --port 0."
        return f"Port {port} is already in use on {host}. {remedy}"
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}."
