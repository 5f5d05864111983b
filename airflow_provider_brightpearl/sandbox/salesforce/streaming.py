"""The Streaming API: Bayeux by long polling, for change events (Streaming API guide)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ..settings import float_setting
from .errors import ApiError
from .org import Org
from .sessions import Sessions

NEW_EVENTS, ALL_EVENTS = -1, -2
Message = Mapping[str, Any]
Reply = dict[str, object]


@dataclass(slots=True)
class Client:
    """A connected client with its subscriptions: replay id of the last event it got, by channel."""

    subscriptions: dict[str, int] = field(default_factory=dict)


class Streaming:
    """Serves /cometd/{version}."""

    def __init__(self, org: Org, sessions: Sessions) -> None:
        self._org, self._sessions = org, sessions
        self._clients: dict[str, Client] = {}

    def clear(self) -> None:
        """Forget all clients, which then have to shake hands again."""
        self._clients.clear()

    async def answer(self, request: Request) -> Response:
        """Serve a batch of messages; a connect waits until there is something to deliver."""
        if request.method == "GET":  # clients try WebSocket and callback polling first
            return Response("Unknown Bayeux Transport", 400, media_type="text/plain")
        try:
            messages = orjson.loads(await request.body())
            batch: list[Message] = messages if isinstance(messages, list) else [messages]
            with self._org.lock:
                self._sessions.user_of(request.headers.get("authorization", ""))
        except ApiError:
            error = {
                "channel": "/meta/handshake",
                "successful": False,
                "error": "401::Authentication invalid",
            }
            return _json([error], 401)
        except orjson.JSONDecodeError:
            return _json([], 400)
        replies: list[Reply] = []
        # a connect waits, so it comes after what else the batch asks for
        for message in sorted(batch, key=lambda one: one.get("channel") == "/meta/connect"):
            replies += await self._serve(message)
        return _json(replies)

    async def _serve(self, message: Message) -> list[Reply]:
        channel = str(message.get("channel"))
        base: Reply = {"channel": channel, **({"id": message["id"]} if "id" in message else {})}
        if channel == "/meta/handshake":
            id = uuid.uuid4().hex
            self._clients[id] = Client()
            return [{**base, "successful": True, "version": "1.0", "minimumVersion": "1.0", "clientId": id,
                     "supportedConnectionTypes": ["long-polling"], "ext": {"replay": True},
                     "advice": {"reconnect": "retry", "interval": 0, "timeout": 110_000}}]  # fmt: skip
        client = self._clients.get(str(message.get("clientId")))
        if client is None:
            advice = {"reconnect": "handshake", "interval": 0}
            return [{**base, "successful": False, "error": "403::Unknown client", "advice": advice}]
        base["clientId"] = message["clientId"]
        if channel == "/meta/subscribe":
            return [{**base, **self._subscribe(client, message)}]
        if channel == "/meta/unsubscribe":
            client.subscriptions.pop(str(message.get("subscription")), None)
            return [{**base, "successful": True, "subscription": message.get("subscription")}]
        if channel == "/meta/disconnect":
            self._clients.pop(str(message["clientId"]), None)
            return [{**base, "successful": True}]
        if channel == "/meta/connect":
            return [*await self._wait(client), {**base, "successful": True}]
        return [{**base, "successful": False, "error": f"404::{channel} is not a meta channel"}]

    def _subscribe(self, client: Client, message: Message) -> Reply:
        wanted = str(message.get("subscription"))
        log = self._org.change_log
        base: Reply = {"successful": False, "subscription": wanted}
        if not log.is_channel(wanted):
            return {
                **base,
                "error": f"404::The channel {wanted} you requested to subscribe to does not exist",
            }
        replay = int(((message.get("ext") or {}).get("replay") or {}).get(wanted, NEW_EVENTS))
        if replay not in (NEW_EVENTS, ALL_EVENTS) and log.has_expired(replay):
            text = f"400::The replayId {{{replay}}} you provided was invalid.  Please provide a valid ID, -2 to replay "
            return {**base, "error": f"{text}all events, or -1 to replay only new events."}
        client.subscriptions[wanted] = log.newest if replay == NEW_EVENTS else replay
        return {**base, "successful": True}

    async def _wait(self, client: Client) -> list[Reply]:
        """The events that are due; empty after the time that a connect is held."""
        rest = float_setting(self._org.settings, "streaming_seconds")
        while not (found := self._due(client)) and rest > 0:
            await asyncio.sleep(0.05)
            rest -= 0.05
        return found

    def _due(self, client: Client) -> list[Reply]:
        found: list[Reply] = []
        with self._org.lock:
            for channel, last in client.subscriptions.items():
                for event in self._org.change_log.after(channel, last):
                    data = {
                        "schema": "sandbox",
                        "payload": event.payload,
                        "event": {"replayId": event.replay_id},
                    }
                    found.append({"channel": channel, "data": data})
                    client.subscriptions[channel] = event.replay_id
        return found


def _json(replies: list[Any], status: int = 200) -> Response:
    return Response(orjson.dumps(replies), status, media_type="application/json;charset=UTF-8")
