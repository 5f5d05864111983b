"""One subscription: as many events as the client requests, and keepalives (guide, "Pull Subscription")."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Any

import grpc

from airflow_provider_brightpearl.systems.salesforce.pubsub import pubsub_api_pb2 as messages

from ...settings import float_setting
from .errors import PubSubError
from .topics import Topics, replay_bytes

MOST_REQUESTED = 100
_PAUSE_SECONDS = 0.02


class Subscription:
    """A Subscribe call.

    Args:
        topics: the topics of the org.
        requests: what the client sends; its first request names the topic and where to begin.
        context: the call.
    """

    def __init__(self, topics: Topics, requests: Iterator[Any], context: grpc.ServicerContext) -> None:
        self._topics, self._requests, self._context = topics, requests, context
        self._settings = topics.org.settings
        self._changed = threading.Lock()
        self._wanted = 0
        self._requested_at = time.monotonic()
        self._error: PubSubError | None = None
        self._complete = False  # the client sends no more requests

    def responses(self) -> Iterator[Any]:
        """The responses, until the client has enough, goes, or does what it must not. Raises: PubSubError."""
        first = next(self._requests, None)
        if first is None:
            return
        with self._topics.org.lock:
            self._topics.user(self._context)
            self._topics.check_topic(first.topic_name)
            fault = self._topics.fault("Subscribe")
            preset = messages.ReplayPreset.Name(first.replay_preset)
            last = self._topics.start(first.topic_name, preset, first.replay_id)
        self._take(first, first.topic_name)
        threading.Thread(target=self._listen, args=(first.topic_name,), daemon=True).start()
        yield from self._events(first.topic_name, last, fault)

    def _listen(self, topic: str) -> None:
        try:
            for request in self._requests:
                self._take(request, topic)
        except grpc.RpcError:  # the client has gone
            pass
        self._complete = True

    def _take(self, request: Any, topic: str) -> None:
        with self._changed:
            if request.topic_name not in ("", topic):
                text = f"The topic name {request.topic_name} is not that of the stream, {topic}."
                self._error = PubSubError("subscription.fetch.topic.mismatch", text)
            elif request.num_requested <= 0 and not request.auth_refresh:
                text = "The number of requested events must be greater than zero."
                self._error = PubSubError("subscription.fetch.requested.events.invalid", text)
            else:
                self._wanted = min(MOST_REQUESTED, self._wanted + request.num_requested)
            self._requested_at = time.monotonic()

    def _events(self, topic: str, last: int, fault: dict[str, Any] | None) -> Iterator[Any]:
        sent, spoke_at = 0, time.monotonic()
        while self._context.is_active():
            if self._error is not None:
                raise self._error
            if fault is not None and sent >= fault.get("after_events", 0):
                raise_fault(fault)
            with self._changed:
                room = self._wanted if fault is None else min(self._wanted, fault["after_events"] - sent)
            with self._topics.org.lock:
                due = self._topics.encoded(islice(self._topics.org.change_log.after(topic, last), room))
                newest = self._topics.org.change_log.newest
            if due:
                last, sent, spoke_at = due[-1][0].replay_id, sent + len(due), time.monotonic()
                with self._changed:
                    self._wanted -= len(due)
                    self._requested_at = spoke_at
                yield self._response(due, last)
            elif self._wanted == 0 and (self._complete or self._is_idle()):
                return
            elif time.monotonic() - spoke_at >= float_setting(self._settings, "pubsub_keepalive_seconds"):
                spoke_at, last = time.monotonic(), max(last, newest) if self._wanted else last
                yield self._response([], last)
            else:
                time.sleep(_PAUSE_SECONDS)

    def _is_idle(self) -> bool:
        idle = float_setting(self._settings, "pubsub_idle_seconds")
        return time.monotonic() - self._requested_at >= idle

    def _response(self, events: list[tuple[Any, str, bytes]], newest: int) -> Any:
        return messages.FetchResponse(
            events=[
                messages.ConsumerEvent(
                    event=messages.ProducerEvent(id=event.uuid, schema_id=schema, payload=payload),
                    replay_id=replay_bytes(event.replay_id),
                )
                for event, schema, payload in events
            ],
            latest_replay_id=replay_bytes(newest),
            rpc_id=str(uuid.uuid4()),
            pending_num_requested=self._wanted,
        )


def raise_fault(fault: dict[str, Any]) -> None:
    """Raises: PubSubError, as a rule of the settings says."""
    code = str(fault.get("code", "service.unavailable"))
    raise PubSubError(code, str(fault.get("message", "An injected fault.")), fault.get("status"))
