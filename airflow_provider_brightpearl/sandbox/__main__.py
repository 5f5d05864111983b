"""The sandbox as a process: `python -m airflow_provider_brightpearl.sandbox --port 8765 --orders 1000`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import UTC, datetime

from .server import Sandbox
from .system import Size

_UNTHROTTLED: dict[str, dict[str, object]] = {
    "brightpearl": {"throttle": False},
    "infor": {"throttle": False, "limit_logins": False},
}
_BARE: dict[str, dict[str, object]] = {"salesforce": {"bare": True}}


def _arguments() -> argparse.ArgumentParser:
    default = Size()
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8765)
    for name in ("customers", "products", "orders", "seed", "days"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name))
    parser.add_argument("--until", type=_instant, default=None, help="ISO instant, the end of history")
    parser.add_argument("--no-throttle", action="store_true", help="let every call through")
    parser.add_argument(
        "--bare-org", action="store_true", help="no custom field in Salesforce, to deploy into"
    )
    parser.add_argument("--clock-speed", type=float, default=1.0, help="sandbox seconds in a real second")
    return parser


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal to end arrives."""
    wanted = _arguments().parse_args(argv)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sandbox = Sandbox(
        customers=wanted.customers,
        products=wanted.products,
        orders=wanted.orders,
        seed=wanted.seed,
        days=wanted.days,
        until=wanted.until,
        port=wanted.port,
        clock_speed=wanted.clock_speed,
        settings={**(_UNTHROTTLED if wanted.no_throttle else {}), **(_BARE if wanted.bare_org else {})},
    )
    with sandbox:
        print(ready_line(sandbox.url), flush=True)
        ended.wait()
    return 0


def ready_line(url: str) -> str:
    """Where the systems are and what opens them, in one line."""
    from .app import installed_systems
    from .clock import Clock

    described = [
        f"{system.name}: {text}"
        for system in installed_systems(Clock())
        if (text := getattr(system, "describe", lambda _: "")(url))
    ]
    return "sandbox ready at " + " | ".join([url, *described, f"control: {url}/__sandbox"])


if __name__ == "__main__":
    sys.exit(main())
