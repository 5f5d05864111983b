"""Subscriptions of Salesforce's Pub/Sub API: the events of a topic after a place in it, by gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_brightpearl.errors import Misconfigured, RetryLater, SyncError, TimedOut, Unavailable

SYSTEM = "salesforce"
ENDPOINT = "https://api.pubsub.salesforce.com:7443"
ALL_CHANGES = "/data/ChangeEvents"
"""The topic with the changes of all objects that are selected in Setup, Change Data Capture."""

# events in flight, the most that the vendor sends; an org says something every 270 seconds
_REQUESTED, _SILENT_SECONDS = 100, 600.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REFUSED = ("NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED")
_REPLAY_ID = "subscription.fetch.replayid"


class ReplayIdRefused(RetryLater):
    """The org no longer keeps the place in a topic that was asked for, or does not know it."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the API is called.

    Args:
        endpoint: ``https://host:port``; ``http://`` for a sandbox on this machine.
        token: of a login.
        instance_url: of the org.
        tenant: id of the org, of 18 characters.
        own_client: name of the client that our calls to the org name, empty where they name none.
    """

    endpoint: str
    token: str = field(repr=False)
    instance_url: str
    tenant: str
    own_client: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        known = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not (known and parts.hostname):
            raise Misconfigured(
                f"{self.endpoint!r} is not an address of the Pub/Sub API such as {ENDPOINT}", system=SYSTEM
            )


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event with its schema, as JSON, and its payload in Avro."""

    schema_id: str
    schema: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that arrived together, perhaps none, and the place after them."""

    events: tuple[SentEvent, ...]
    replay_id: bytes


async def batches(
    access: Access, topic: str, after: bytes | None, schemas: MutableMapping[str, str]
) -> AsyncIterator[Batch]:
    """The events of a topic, as they are committed; more are asked for when the next batch is.

    Args:
        access: how the API is called.
        topic: such as ``/data/ChangeEvents``.
        after: replay id after which to begin, None for what is committed from now on.
        schemas: those that are known, by their ids; gets new ones.

    Raises:
        ReplayIdRefused: the org does not keep what was committed after ``after``.
        Misconfigured: there is no such topic, or the user may not read it.
        Unavailable: the stream broke, or a token is no longer valid.
        TimedOut: the stream was silent for longer than a living one is.
    """
    import grpc

    from airflow_provider_brightpearl.systems.salesforce.pubsub import pubsub_api_pb2 as messages
    from airflow_provider_brightpearl.systems.salesforce.pubsub.pubsub_api_pb2_grpc import PubSubStub

    place = {"replay_preset": messages.CUSTOM, "replay_id": after} if after else {}
    metadata = (
        ("accesstoken", access.token), ("instanceurl", access.instance_url), ("tenantid", access.tenant),
    )  # fmt: skip
    async with _channel(access) as channel:
        stub = PubSubStub(channel)
        call = stub.Subscribe(metadata=metadata)
        try:
            await call.write(messages.FetchRequest(topic_name=topic, num_requested=_REQUESTED, **place))
            while True:
                response = await asyncio.wait_for(call.read(), _SILENT_SECONDS)
                if response is grpc.aio.EOF:
                    raise Unavailable("the org ended the stream", system=SYSTEM, operation=topic)
                for each in response.events:
                    if each.event.schema_id not in schemas:
                        request = messages.SchemaRequest(schema_id=each.event.schema_id)
                        answer = await stub.GetSchema(request, metadata=metadata, timeout=60)
                        schemas[each.event.schema_id] = answer.schema_json
                yield _batch(response, schemas)
                if not response.pending_num_requested:
                    await call.write(messages.FetchRequest(topic_name=topic, num_requested=_REQUESTED))
        except grpc.RpcError as error:
            raise _error(error, topic) from None
        except asyncio.InvalidStateError:
            # it broke while a batch was stored; the next stream says why
            raise Unavailable("the stream has ended", system=SYSTEM, operation=topic) from None
        except TimeoutError:
            text = f"nothing arrived for {_SILENT_SECONDS:.0f} s"
            raise TimedOut(text, system=SYSTEM, operation=topic) from None
        finally:
            call.cancel()


def _batch(response: Any, schemas: MutableMapping[str, str]) -> Batch:
    events = tuple(
        SentEvent(each.event.schema_id, schemas[each.event.schema_id], each.event.payload)
        for each in response.events
    )
    # the newest place may lie beyond events of this topic that are not sent yet
    return Batch(events, response.events[-1].replay_id if events else response.latest_replay_id)


def _channel(access: Access) -> Any:
    import grpc

    parts = urlsplit(access.endpoint)
    if parts.scheme == "http":
        # no proxy between this machine and itself
        return grpc.aio.insecure_channel(parts.netloc, options=[("grpc.enable_http_proxy", 0)])
    return grpc.aio.secure_channel(parts.netloc, grpc.ssl_channel_credentials())


def _error(error: Any, topic: str) -> SyncError:
    trailers = dict(error.trailing_metadata() or ())
    code = str(trailers.get("error-code", "")).removeprefix("sfdc.platform.eventbus.grpc.")
    status = error.code().name
    kind: type[SyncError] = Unavailable
    if code.startswith(_REPLAY_ID):
        kind = ReplayIdRefused
    elif status in _REFUSED:
        return Misconfigured(str(error.details()), system=SYSTEM, operation=topic, code=code or status)
    return kind(str(error.details()), system=SYSTEM, operation=topic, code=code or status)
