"""The control API below /__sandbox: data, clock, faults, call log, snapshots and settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from .clock import parse_instant

if TYPE_CHECKING:
    from .app import SandboxState

Endpoint = Callable[[Request], Awaitable[Response]]
PREFIX = "/__sandbox"


def control_routes(state: SandboxState) -> list[BaseRoute]:
    """The routes of the control API; invalid requests get a 400 or 404 with a message."""
    control = Control(state)
    table: list[tuple[str, list[str], Endpoint]] = [
        ("/reset", ["POST"], control.reset),
        ("/seed", ["POST"], control.seed),
        ("/keep", ["POST"], control.keep),
        ("/back", ["POST"], control.back),
        ("/clock", ["GET", "POST"], control.clock),
        ("/faults", ["GET", "POST", "DELETE"], control.faults),
        ("/log", ["GET", "DELETE"], control.log),
        ("/peak/{system}", ["GET"], control.peak),
        ("/counts", ["GET"], control.counts),
        ("/unknown", ["GET", "DELETE"], control.unknown),
        ("/snapshot/{system}", ["GET"], control.collections),
        ("/snapshot/{system}/{collection}", ["GET"], control.snapshot),
        ("/settings/{system}", ["GET", "POST", "DELETE"], control.settings),
        ("/{system}/activity", ["POST"], control.activity),
        ("/{system}/ionapi", ["GET"], control.ionapi),
        ("/{system}/pubsub", ["GET"], control.pubsub),
        ("/{system}/events", ["POST"], control.events),
        ("/{system}/{collection}", ["POST"], control.edit_record),
        ("/{system}/{collection}/{id}", ["PATCH", "DELETE"], control.edit_record),
    ]
    return [
        Route(PREFIX + path, _with_errors(endpoint), methods=methods) for path, methods, endpoint in table
    ]


def _with_errors(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KeyError as error:
            return _json({"error": f"not found: {error.args[0] if error.args else ''}"}, 404)
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)

    return guarded


class Control:
    """The endpoints of the control API."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state

    async def reset(self, request: Request) -> Response:
        self.state.reset()
        return _json({})

    async def seed(self, request: Request) -> Response:
        wanted = await _body(request)
        if isinstance(wanted.get("until"), str):
            wanted["until"] = parse_instant(wanted["until"])
        self.state.options = replace(self.state.options, **wanted)
        self.state.reset()
        return _json({})

    async def keep(self, request: Request) -> Response:
        self.state.keep()
        return _json({})

    async def back(self, request: Request) -> Response:
        self.state.go_back()
        return _json({})

    async def clock(self, request: Request) -> Response:
        clock = self.state.clock
        if request.method == "POST":
            wanted = await _body(request)
            _reject_unknown(wanted, {"now", "advance_seconds", "speed"})
            if wanted.get("speed") is not None:
                clock.speed = float(wanted["speed"])
            if wanted.get("now") is not None:
                clock.set(parse_instant(wanted["now"]))
            clock.advance(float(wanted.get("advance_seconds") or 0))
        return _json({"now": clock.now().isoformat(), "speed": clock.speed})

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.state.faults.clear()
        elif request.method == "POST":
            wanted: Any = await _body(request)
            rule = self.state.faults.add(wanted)
            if rule.system not in self.state.systems:
                self.state.faults.rules.remove(rule)
                raise KeyError(rule.system)
        return _json(self.state.faults.rules)

    async def log(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.state.log.clear()
        return _json(self.state.log.entries(request.query_params.get("system")))

    async def peak(self, request: Request) -> Response:
        system = self.state.systems[request.path_params["system"]].name
        seconds = float(request.query_params.get("seconds", 60))
        return _json({"most": self.state.log.peak(system, seconds)})

    async def counts(self, request: Request) -> Response:
        return _json(self.state.log.counts(list(self.state.systems)))

    async def unknown(self, request: Request) -> Response:
        """The addresses that were requested and that the sandbox does not have."""
        if request.method == "DELETE":
            self.state.log.forget_unknown()
        return _json(self.state.log.unknown())

    async def collections(self, request: Request) -> Response:
        system = self.state.systems[request.path_params["system"]]
        return _json({name: system.count(name) for name in system.collections()})

    async def snapshot(self, request: Request) -> Response:
        system = self.state.systems[request.path_params["system"]]
        name = request.path_params["collection"]
        if name not in system.collections():
            raise KeyError(name)
        lines = _ndjson(system.snapshot(name))
        return StreamingResponse(iterate_in_threadpool(lines), media_type="application/x-ndjson")

    async def settings(self, request: Request) -> Response:
        name = request.path_params["system"]
        system = self.state.systems[name]
        if request.method == "POST":
            wanted = await _body(request)
            _reject_unknown(wanted, set(system.settings))
            system.settings.update(wanted)
        elif request.method == "DELETE":
            system.settings.update(self.state.initial_settings[name])
        return _json(system.settings)

    async def activity(self, request: Request) -> Response:
        system: Any = self.state.systems[request.path_params["system"]]
        if not hasattr(system, "activity"):
            raise KeyError("activity")
        return _json(system.activity(**await _body(request)))

    async def ionapi(self, request: Request) -> Response:
        """The credentials file of Infor, with URLs of the requested origin."""
        system: Any = self.state.systems[request.path_params["system"]]
        if not hasattr(system, "ionapi"):
            raise KeyError("ionapi")
        return _json(system.ionapi(str(request.base_url).rstrip("/")))

    async def pubsub(self, request: Request) -> Response:
        """Where the Pub/Sub API of Salesforce listens."""
        system: Any = self.state.systems[request.path_params["system"]]
        if not hasattr(system, "pubsub"):
            raise KeyError("pubsub")
        return _json(system.pubsub())

    async def events(self, request: Request) -> Response:
        """Add events to Salesforce that no write caused."""
        system: Any = self.state.systems[request.path_params["system"]]
        if not hasattr(system, "announce"):
            raise KeyError("events")
        return _json(system.announce(**await _body(request)))

    async def edit_record(self, request: Request) -> Response:
        system = self.state.systems[request.path_params["system"]]
        collection, key = request.path_params["collection"], request.path_params.get("id")
        body = None if request.method == "DELETE" else await _body(request)
        quiet = request.query_params.get("quiet") == "1"
        return _json(system.patch(collection, key, body, quiet))


def _ndjson(records: Iterator[dict[str, Any]], size: int = 200) -> Iterator[bytes]:
    batch: list[bytes] = []
    for record in records:
        batch.append(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS))
        if len(batch) == size:
            yield b"\n".join(batch) + b"\n"
            batch = []
    if batch:
        yield b"\n".join(batch) + b"\n"


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    found = orjson.loads(raw) if raw.strip() else {}
    if not isinstance(found, dict):
        raise TypeError("the body must be a JSON object")
    return found


def _reject_unknown(wanted: dict[str, Any], known: set[str]) -> None:
    if unknown := set(wanted) - known:
        raise ValueError(f"unknown keys {sorted(unknown)}, expected some of {sorted(known)}")


def _json(value: Any, status: int = 200) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str)
    return Response(body, status, media_type="application/json")
