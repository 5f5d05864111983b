"""The ASGI application: routes requests to the simulated systems, and adds faults, headers and the call log."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import time
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import orjson
from starlette.routing import BaseRoute, Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call_log import CallLog, LoggedCall
from .clock import Clock
from .control import control_routes
from .faults import Fault, Faults
from .system import UNKNOWN_ADDRESSES, SeedOptions, System, note_unknown_address

PACKAGE = __package__ or ""


class SandboxState:
    """What the control API controls: systems, clock, faults and call log."""

    def __init__(self, options: SeedOptions, clock: Clock, systems: list[System]) -> None:
        self.options, self.clock = options, clock
        self.faults, self.log = Faults(), CallLog()
        self.systems = {system.name: system for system in systems}
        self.initial_settings = {system.name: dict(system.settings) for system in systems}
        self._kept: tuple[tuple[datetime, float], dict[str, bytes]] | None = None

    def rebuild(self) -> None:
        """Replace the data of all systems."""
        self._kept = None
        for system in self.systems.values():
            system.seed(self.options)

    def stop(self) -> None:
        """End what runs in the background of the systems."""
        for system in self.systems.values():
            system.stop()

    def keep(self) -> None:
        """Keep all data and the time, for `go_back`."""
        self._kept = (self.clock.kept(), {name: system.keep() for name, system in self.systems.items()})

    def go_back(self) -> None:
        """Replace all data and the time by those kept last, and delete faults and call log; settings stay.

        Raises: ValueError: nothing was kept since the data were seeded.
        """
        if self._kept is None:
            raise ValueError("nothing was kept since the data were seeded: POST /keep first")
        time_of_day, systems = self._kept
        self.faults.clear()
        self.log.clear()
        for name, kept in systems.items():
            self.systems[name].go_back(kept)
        self.clock.go_back(time_of_day)

    def reset(self) -> None:
        """Replace all data, delete faults and call log, and return to real time; settings stay."""
        self.clock.reset()
        self.faults.clear()
        self.log.clear()
        self.rebuild()


def installed_systems(clock: Clock) -> list[System]:
    """The simulated systems that are installed."""
    found: list[System] = []
    for folder in ("brightpearl", "salesforce", "infor", "shop", "carrier"):
        module = f"{PACKAGE}.{folder}.system"
        if importlib.util.find_spec(f"{PACKAGE}.{folder}") and importlib.util.find_spec(module):
            found.append(getattr(importlib.import_module(module), folder.capitalize())(clock))
    return found


class App:
    """The ASGI callable: serves control paths directly, and others through the system that owns them."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self._control = Router(routes=control_routes(state))
        self._mounted = [_MountedSystem(system, system.routes()) for system in state.systems.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/__sandbox"):
            await self._control(scope, receive, send)
            return
        mounted = next((one for one in self._mounted if one.owns(scope)), None)
        if mounted is None:
            await _respond(send, 404, {"error": "no simulated system has this path"}, {})
            self.state.log.add_unknown("", [f"{scope['method']} {scope['path']}"])
            return
        await self._serve(mounted, scope, receive, send)

    async def _serve(self, mounted: _MountedSystem, scope: Scope, receive: Receive, send: Send) -> None:
        at, started = self.state.clock.now(), time.perf_counter()
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        fault = self.state.faults.match(mounted.system.name, scope["method"], target)
        exchange = _Exchange(send, mounted.system, fault, at)
        if not any(route.matches(scope)[0] is Match.FULL for route in mounted.router.routes):
            note_unknown_address(scope, scope["method"], scope["path"])
        try:
            await exchange.run(mounted.router, scope, receive)
        finally:
            took = round((time.perf_counter() - started) * 1000, 3)
            self.state.log.add(
                LoggedCall(
                    mounted.system.name,
                    scope["method"],
                    scope["path"],
                    query,
                    exchange.status,
                    at.isoformat(),
                    took,
                )
            )
            self.state.log.add_unknown(mounted.system.name, scope.get(UNKNOWN_ADDRESSES, ()))
        if exchange.closed:
            await asyncio.sleep(0.01)  # let the transport close first, or uvicorn responds with a 500


class _MountedSystem:
    """A system with its router and the first path segments that it owns."""

    def __init__(self, system: System, routes: list[BaseRoute]) -> None:
        self.system = system
        self.router = Router(routes=routes)
        firsts = {getattr(route, "path", "/").split("/")[1] for route in routes}
        self._firsts = {first for first in firsts if first and "{" not in first}

    def owns(self, scope: Scope) -> bool:
        if scope["path"].split("/", 2)[1] in self._firsts:
            return True
        return any(route.matches(scope)[0] is not Match.NONE for route in self.router.routes)


class _Exchange:
    """One request, to which at most one fault applies."""

    def __init__(self, send: Send, system: System, fault: Fault | None, at: datetime) -> None:
        self._send, self._system, self._fault, self._at = send, system, fault, at
        self._bytes_left = fault.truncate if fault and fault.truncate is not None else None
        self.status = 0
        self.closed = False

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        fault = self._fault
        if fault and fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault and fault.drop == "before":
            await self._close()
        elif fault and (fault.status is not None or fault.body is not None):
            self.status = fault.status or 200
            await _respond(self._relay, self.status, fault.body, fault.headers)
        else:
            await app(scope, receive, self._relay)
        if fault and fault.drop == "after":
            await self._close()

    async def _relay(self, message: Message) -> None:
        if self._fault and self._fault.drop == "after":
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for change in self._fault.changes if self._fault else ():
                self._system.patch(change["collection"], str(change["id"]), change.get("patch"))
            message = {**message, "headers": self._with_headers(message.get("headers", []))}
        elif self._bytes_left is not None:
            message = {**message, "body": message.get("body", b"")[: self._bytes_left], "more_body": True}
            self._bytes_left -= len(message["body"])
        elif self._fault and self._fault.drip_seconds:
            body = message.get("body", b"")
            for at in range(len(body)):
                # a client that gives up is not waited for
                if self._transport is None or self._transport.is_closing():
                    return
                await asyncio.sleep(self._fault.drip_seconds)
                await self._send({**message, "body": body[at : at + 1], "more_body": True})
            message = {**message, "body": b""}
        await self._send(message)
        if self._bytes_left is not None and message["type"] == "http.response.body":
            await self._close()

    def _with_headers(self, headers: Any) -> list[tuple[bytes, bytes]]:
        own = {name.lower() for name, _ in headers}
        date = {"date": format_datetime(self._at, usegmt=True)}
        added = [(k.lower().encode(), v.encode()) for k, v in (date | self._system.headers()).items()]
        return [*headers, *((k, v) for k, v in added if k not in own)]

    async def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self.closed = True

    @property
    def _transport(self) -> asyncio.Transport | None:
        # ASGI cannot close a connection, so this is the transport that uvicorn's request cycle holds.
        return getattr(getattr(self._send, "__self__", None), "transport", None)


async def _respond(send: Send, status: int, body: Any, headers: dict[str, str]) -> None:
    payload = body.encode() if isinstance(body, str) else b"" if body is None else orjson.dumps(body)
    kind = "text/html" if isinstance(body, str) and body.lstrip().startswith("<") else "application/json"
    fields = {"content-type": kind, **{k.lower(): v for k, v in headers.items()}}
    fields["content-length"] = str(len(payload))
    encoded = [(k.encode(), v.encode()) for k, v in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": payload, "more_body": False})


def build_app(options: SeedOptions, clock: Clock | None = None) -> App:
    """The application, with the data of all systems seeded."""
    clock = clock or Clock()
    state = SandboxState(options, clock, installed_systems(clock))
    state.rebuild()
    return App(state)
