"""The receiver as an ASGI application: mounted in Airflow's API server, or in a server of its own.

Airflow's processes import this to find the plugin, so it imports next to nothing itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_brightpearl.receiver.receive import Answer, Receiver

PREFIX = "/brightpearl/events"
"""Where the receiver is found, in Airflow's web server and in its own."""

Message = MutableMapping[str, Any]


class EventsApp:
    """Answers ``POST …/events/{connection}/{secret}`` and ``GET …/events/health``.

    Args:
        make: the receiver, made with the first request; that of this Airflow if left out.
    """

    def __init__(self, make: Callable[[], Receiver] | None = None) -> None:
        self._make = make
        self._receiver: Receiver | None = None
        self._lock = threading.Lock()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        receiver = await asyncio.to_thread(self._begun) if self._receiver is None else self._receiver
        await _send(await _answer(receiver, scope, receive), send)

    def _begun(self) -> Receiver:
        from airflow_provider_brightpearl.receiver.receive import airflow_receiver

        with self._lock:
            if self._receiver is None:
                self._receiver = (self._make or airflow_receiver)()
            return self._receiver


async def _answer(
    receiver: Receiver, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Message]]
) -> Answer:
    from airflow_provider_brightpearl.receiver.receive import ANSWER_SECONDS, Answer, masked, seconds
    from airflow_provider_brightpearl.receiver.refusals import Refusal

    path, now = scope["path"], seconds()
    # servers and Airflow log the path of the scope, and only after this
    scope["path"] = masked(path)
    if scope["method"] in ("GET", "HEAD") and path.rstrip("/").endswith("/events/health"):
        return await asyncio.to_thread(receiver.health, now)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        if scope["method"] != "POST":
            raise Refusal(404, "not a POST")
        fresh = receiver.is_fresh(path, now)
        account = (
            receiver.admit(path, headers, now)
            if fresh
            else await asyncio.to_thread(receiver.admit, path, headers, now)
        )
        stored = receiver.submit(account, await _body(receive))
        await asyncio.wait_for(asyncio.wrap_future(stored), ANSWER_SECONDS)
    except Exception as error:  # it is answered
        return receiver.refused(error, now)
    return Answer(202, "stored")


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    """The body, read no further than it is taken."""
    from airflow_provider_brightpearl.receiver.receive import LONGEST_BODY, too_long
    from airflow_provider_brightpearl.receiver.refusals import Refusal

    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the sender went away")
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            raise too_long()
        if not message.get("more_body"):
            return bytes(body)


async def _send(answer: Answer, send: Callable[[Message], Awaitable[None]]) -> None:
    body = answer.reason.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    if answer.retry_after is not None:
        headers.append((b"retry-after", str(answer.retry_after).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
