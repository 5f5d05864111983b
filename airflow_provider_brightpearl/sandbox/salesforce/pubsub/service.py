"""The service PubSub of the Pub/Sub API; ManagedSubscribe, a beta of the vendor, is not implemented."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import grpc

from airflow_provider_brightpearl.systems.salesforce.pubsub import pubsub_api_pb2 as messages
from airflow_provider_brightpearl.systems.salesforce.pubsub import pubsub_api_pb2_grpc as generated

from . import avro
from .errors import PubSubError
from .subscription import Subscription, raise_fault
from .topics import Topics, replay_bytes


class PubSub(generated.PubSubServicer):
    """The calls of the service; the names are the vendor's."""

    def __init__(self, topics: Topics) -> None:
        self._topics, self._lock = topics, topics.org.lock

    def GetTopic(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A topic, and whether events can be published to it."""
        with self._lock:
            try:
                self._begin("GetTopic", context)
                self._topics.check_topic(request.topic_name)
            except PubSubError as error:
                error.abort(context)
            return messages.TopicInfo(
                topic_name=request.topic_name,
                tenant_guid=f"core/sandbox/{self._topics.org.organization}",
                can_publish=request.topic_name.startswith("/event/"),
                can_subscribe=True,
                schema_id=self._topics.schema_of_topic(request.topic_name),
                rpc_id=str(uuid.uuid4()),
            )

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A schema, by the id that events have."""
        with self._lock:
            try:
                self._begin("GetSchema", context)
                text = self._topics.schema_json(request.schema_id)
            except PubSubError as error:
                error.abort(context)
            return messages.SchemaInfo(
                schema_json=text, schema_id=request.schema_id, rpc_id=str(uuid.uuid4())
            )

    def Subscribe(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Events of a topic, as many as the client requests."""
        try:
            yield from Subscription(self._topics, requests, context).responses()
        except PubSubError as error:
            error.abort(context)

    def Publish(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Publish platform events; those that do not fit their schema have an error each."""
        with self._lock:
            try:
                return self._publish(request, self._begin("Publish", context))
            except PubSubError as error:
                error.abort(context)

    def PublishStream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Publish platform events, one response for each request."""
        try:
            with self._lock:
                user = self._begin("PublishStream", context)
            topic = None
            for request in requests:
                topic = topic or request.topic_name
                if request.topic_name not in ("", topic):
                    raise PubSubError("publish.topic.mismatch", f"The topic of the stream is {topic}.")
                request.topic_name = topic
                with self._lock:
                    response = self._publish(request, user)
                yield response
        except PubSubError as error:
            error.abort(context)

    def _begin(self, rpc: str, context: grpc.ServicerContext) -> str:
        """The user of a call, unless a fault ends it. Raises: PubSubError."""
        user = self._topics.user(context)
        if (fault := self._topics.fault(rpc)) is not None:
            raise_fault(fault)
        return user

    def _publish(self, request: Any, user: str) -> Any:
        self._topics.check_topic(request.topic_name)
        if not request.events:
            raise PubSubError("publish.event.count.invalid", "The request has no events.")
        name = request.topic_name.rpartition("/")[2]
        results = []
        for event in request.events:
            result = messages.PublishResult(correlation_key=event.id)
            try:
                values = avro.decode(self._topics.schema(event.schema_id), event.payload)
                made = self._topics.org.change_log.publish(name, values, user)
                result.replay_id = replay_bytes(made.replay_id)
            except (ValueError, PubSubError) as error:
                result.error.code, result.error.msg = messages.PUBLISH, str(error)
            results.append(result)
        schema = self._topics.schema_of_topic(request.topic_name)
        return messages.PublishResponse(results=results, schema_id=schema, rpc_id=str(uuid.uuid4()))
