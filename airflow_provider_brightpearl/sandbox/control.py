"""The control API under /__sandbox: world, clock, faults, log, snapshots, settings and planted data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from .app import Frame

Endpoint = Callable[[Request], Awaitable[Response]]
PREFIX = "/__sandbox"


def control_routes(frame: Frame) -> list[BaseRoute]:
    """Every control path; a mistake in a call is answered with 400 or 404 and a sentence."""
    control = Control(frame)
    table: list[tuple[str, list[str], Endpoint]] = [
        ("/reset", ["POST"], control.reset),
        ("/seed", ["POST"], control.seed),
        ("/clock", ["GET", "POST"], control.clock),
        ("/faults", ["GET", "POST", "DELETE"], control.faults),
        ("/log", ["GET", "DELETE"], control.log),
        ("/counts", ["GET"], control.counts),
        ("/snapshot/{system}", ["GET"], control.collections),
        ("/snapshot/{system}/{collection}", ["GET"], control.snapshot),
        ("/settings/{system}", ["GET", "POST", "DELETE"], control.settings),
        ("/{system}/activity", ["POST"], control.activity),
        ("/{system}/ionapi", ["GET"], control.ionapi),
        ("/{system}/{collection}", ["POST"], control.plant),
        ("/{system}/{collection}/{id}", ["PATCH", "DELETE"], control.plant),
    ]
    return [Route(PREFIX + path, _plain(endpoint), methods=methods) for path, methods, endpoint in table]


def _plain(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KeyError as error:
            return _json({"error": f"not found: {error.args[0] if error.args else ''}"}, 404)
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)

    return guarded


class Control:
    """The endpoints, each over the frame it was made with."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    async def reset(self, request: Request) -> Response:
        self.frame.reset()
        return _json({})

    async def seed(self, request: Request) -> Response:
        wanted = await _body(request)
        if isinstance(wanted.get("until"), str):
            wanted["until"] = _instant(wanted["until"])
        self.frame.size = replace(self.frame.size, **wanted)
        self.frame.reset()
        return _json({})

    async def clock(self, request: Request) -> Response:
        clock = self.frame.clock
        if request.method == "POST":
            wanted = await _body(request)
            _only(wanted, {"now", "advance_seconds", "speed"})
            if wanted.get("speed") is not None:
                clock.speed = float(wanted["speed"])
            if wanted.get("now") is not None:
                clock.set(_instant(wanted["now"]))
            clock.advance(float(wanted.get("advance_seconds") or 0))
        return _json({"now": clock.now().isoformat(), "speed": clock.speed})

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.frame.faults.clear()
        elif request.method == "POST":
            wanted: Any = await _body(request)
            rule = self.frame.faults.add(wanted)
            if rule.system not in self.frame.systems:
                self.frame.faults.rules.remove(rule)
                raise KeyError(rule.system)
        return _json(self.frame.faults.rules)

    async def log(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.frame.log.clear()
        return _json(self.frame.log.entries(request.query_params.get("system")))

    async def counts(self, request: Request) -> Response:
        return _json(self.frame.log.counts(list(self.frame.systems)))

    async def collections(self, request: Request) -> Response:
        system = self.frame.systems[request.path_params["system"]]
        return _json({name: _count(system, name) for name in system.collections()})

    async def snapshot(self, request: Request) -> Response:
        system = self.frame.systems[request.path_params["system"]]
        name = request.path_params["collection"]
        if name not in system.collections():
            raise KeyError(name)
        lines = _lines(system.snapshot(name))
        return StreamingResponse(iterate_in_threadpool(lines), media_type="application/x-ndjson")

    async def settings(self, request: Request) -> Response:
        name = request.path_params["system"]
        system = self.frame.systems[name]
        if request.method == "POST":
            wanted = await _body(request)
            _only(wanted, set(system.settings))
            system.settings.update(wanted)
        elif request.method == "DELETE":
            system.settings.update(self.frame.first_settings[name])
        return _json(system.settings)

    async def activity(self, request: Request) -> Response:
        system: Any = self.frame.systems[request.path_params["system"]]
        if not hasattr(system, "activity"):
            raise KeyError("activity")
        return _json(system.activity(**await _body(request)))

    async def ionapi(self, request: Request) -> Response:
        """The credentials file of a system that has one, with the URLs of this origin."""
        system: Any = self.frame.systems[request.path_params["system"]]
        if not hasattr(system, "ionapi"):
            raise KeyError("ionapi")
        return _json(system.ionapi(str(request.base_url).rstrip("/")))

    async def plant(self, request: Request) -> Response:
        system = self.frame.systems[request.path_params["system"]]
        collection, key = request.path_params["collection"], request.path_params.get("id")
        body = None if request.method == "DELETE" else await _body(request)
        extra = {"quiet": True} if request.query_params.get("quiet") == "1" else {}
        return _json(system.patch(collection, key, body, **extra))


def _count(system: Any, collection: str) -> int:
    if hasattr(system, "count"):
        return int(system.count(collection))
    return sum(1 for _ in system.snapshot(collection))


def _lines(records: Iterator[dict[str, Any]], size: int = 200) -> Iterator[bytes]:
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


def _only(wanted: dict[str, Any], known: set[str]) -> None:
    if unknown := set(wanted) - known:
        raise ValueError(f"unknown keys {sorted(unknown)}, expected some of {sorted(known)}")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _json(value: Any, status: int = 200) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str)
    return Response(body, status, media_type="application/json")
