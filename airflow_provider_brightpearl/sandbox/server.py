"""Runs the sandbox in a thread: for tests inside the process, and for the command line."""

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
from .system import Size


class Sandbox:
    """All simulated systems on one loopback port, for as long as the `with` block lasts.

    Tests of a settings-dependent quirk pass `settings={"brightpearl": {"throttle": False}}`.
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
        port: int = 0,
        clock_speed: float = 1.0,
        settings: dict[str, dict[str, object]] | None = None,
    ) -> None:
        self.size = Size(customers, products, orders, seed, days, until)
        self._speed, self._settings = clock_speed, settings or {}
        self._port = port
        self.url = ""

    def start(self) -> Self:
        """Build the worlds and listen; returns when calls are answered."""
        app = build_app(self.size, Clock(self._speed))
        for name, wanted in self._settings.items():
            app.frame.systems[name].settings.update(wanted)
            app.frame.first_settings[name].update(wanted)
            if "bare" in wanted:
                app.frame.systems[name].seed(self.size)
        self._socket = socket.create_server(("127.0.0.1", self._port), backlog=512)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(_config(app))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        self._wait()
        return self

    def stop(self) -> None:
        """Finish running calls and close the port."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API, `path` being what follows /__sandbox; RuntimeError when it refuses."""
        data = self._raw(method, path, None if body is None else orjson.dumps(body, default=str))
        return orjson.loads(data) if data else None

    def snapshot(self, system: str, collection: str) -> list[dict[str, Any]]:
        """Every record of one collection."""
        return list(self.iterate(system, collection))

    def iterate(self, system: str, collection: str) -> Iterator[dict[str, Any]]:
        """Every record of one collection, decoded one by one."""
        for line in self._raw("GET", f"/snapshot/{system}/{collection}", None).splitlines():
            yield orjson.loads(line)

    def counts(self) -> dict[str, int]:
        """Calls each system has had since the log was last cleared."""
        found: dict[str, int] = self.control("GET", "/counts")
        return found

    def reset(self) -> None:
        """The world as it was at the start, without faults and with an empty log."""
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


# Loopback only: a proxy set in the environment must not see these calls.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_level="warning",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
