"""Runs the sandbox in a thread, for tests and for the command line."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import orjson
import uvicorn

from .app import build_app
from .clock import Clock
from .connections import url_of
from .system import SeedOptions


class UnknownAddresses(AssertionError):
    """A client requested addresses that the sandbox does not have."""


class Sandbox:
    """All simulated systems on one port, for the duration of a `with` block.

    Args:
        customers: number of Brightpearl customers.
        products: number of Brightpearl products.
        orders: number of Brightpearl sales orders.
        seed: random seed; the same one gives the same data.
        days: length of the history.
        until: end of the history, aware; None is the start of today, UTC.
        host: address to listen on.
        port: port to listen on; 0 is any free port.
        clock_speed: sandbox seconds per real second.
        settings: settings by system, such as `{"brightpearl": {"throttle": False}}`.
        variety: add a few records of kinds that an even history lacks: part shipped, part paid, purchases,
            suppliers, staff, second emails, several invoices, missing identity keys, nested bundles.
        options: replaces the arguments from `customers` to `until`, and `variety`.
        pubsub_port: port of Salesforce's Pub/Sub API, 0 for any free port; None: it is not served.
        pubsub_tls: TLS for it, with a certificate that is in `pubsub()`.
        check_addresses: leaving the block raises UnknownAddresses if an address was requested that the
            sandbox does not have; `DELETE /__sandbox/unknown` forgets them.
    """

    def __init__(
        self,
        *,
        customers: int = 200,
        products: int = 100,
        orders: int = 1000,
        seed: int = 7,
        days: int = 400,
        until: datetime | None = None,
        variety: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        clock_speed: float = 1.0,
        settings: dict[str, dict[str, object]] | None = None,
        options: SeedOptions | None = None,
        pubsub_port: int | None = None,
        pubsub_tls: bool = False,
        check_addresses: bool = True,
    ) -> None:
        self._pubsub_port, self._pubsub_tls = pubsub_port, pubsub_tls
        self._check_addresses = check_addresses
        self.options = options or SeedOptions(customers, products, orders, seed, days, until, variety)
        self._speed, self._settings = clock_speed, settings or {}
        self._host, self._port = host, port
        self.url = ""

    def start(self) -> Self:
        """Seed all systems and serve requests.

        Raises:
            OSError: a port is not available.
            RuntimeError: the libraries of the Pub/Sub API are not installed.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server((self._host, self._port), family=family, backlog=512)
        self.url = url_of(self._host, self._socket.getsockname()[1])
        try:
            self._serve()
        except BaseException:
            self._socket.close()
            raise
        return self

    def _serve(self) -> None:
        self._clock = Clock(self._speed)
        app = build_app(self.options, self._clock)
        self._state = app.state
        for name, wanted in self._settings.items():
            app.state.systems[name].settings.update(wanted)
            app.state.initial_settings[name].update(wanted)
            if "bare" in wanted:
                app.state.systems[name].seed(self.options)
        if self._pubsub_port is not None:
            salesforce: Any = app.state.systems["salesforce"]
            salesforce.start_pubsub(self._host, self._pubsub_port, self._pubsub_tls)
        self._server = uvicorn.Server(_config(app))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        self._wait()

    def stop(self) -> None:
        """Finish running requests and close the port."""
        self._state.stop()
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unknown = self.unknown_addresses() if kind is None and self._check_addresses else []
        self.stop()
        if unknown:
            raise UnknownAddresses(f"the sandbox does not have: {', '.join(unknown)}")

    def unknown_addresses(self) -> list[str]:
        """Addresses, such as `brightpearl GET /some/path`, that were requested and do not exist."""
        return [f"{one['system']} {one['address']}".strip() for one in self.control("GET", "/unknown")]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API; `path` is the part after /__sandbox. Raises: RuntimeError on an error response."""
        data = self._raw(method, path, None if body is None else orjson.dumps(body, default=str))
        return orjson.loads(data) if data else None

    def snapshot(self, system: str, collection: str) -> list[dict[str, Any]]:
        """Every record of a collection."""
        return list(self.iterate(system, collection))

    def iterate(self, system: str, collection: str) -> Iterator[dict[str, Any]]:
        """Every record of a collection, decoded one by one."""
        for line in self._raw("GET", f"/snapshot/{system}/{collection}", None).splitlines():
            yield orjson.loads(line)

    def counts(self) -> dict[str, int]:
        """The number of requests per system since the call log was last cleared."""
        found: dict[str, int] = self.control("GET", "/counts")
        return found

    def now(self) -> datetime:
        """The time by the sandbox's clock, aware, in UTC."""
        return self._clock.now()

    def pubsub(self) -> dict[str, str]:
        """`address` and `certificate` (PEM) of Salesforce's Pub/Sub API; empty where it is not served."""
        found: dict[str, str] = self.control("GET", "/salesforce/pubsub")
        return found

    def reset(self) -> None:
        """Restore the initial data, without faults and with an empty call log."""
        self.control("POST", "/reset")

    def _raw(self, method: str, path: str, data: bytes | None) -> bytes:
        request = urllib.request.Request(f"{self.url}/__sandbox{path}", data, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with _OPENER.open(request, timeout=300) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def _wait(self) -> None:
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.005)


# a proxy set in the environment must not be used for local requests
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,  # loggers and event loop policies are those of the whole process
        loop="auto" if hasattr(uvicorn.Config, "get_loop_factory") else "asyncio",
        access_log=False,
        log_level="warning",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the answers of the systems are dated by the sandbox's clock
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
