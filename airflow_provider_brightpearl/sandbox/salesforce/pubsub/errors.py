"""Errors of the Pub/Sub API: a gRPC status, and a code of the vendor in the trailers (guide, "Handle Errors").

The guide lists the codes; which status goes with which is inferred where it does not say so.
"""

from __future__ import annotations

import uuid
from typing import NoReturn

import grpc

PREFIX = "sfdc.platform.eventbus.grpc."
_STATUS = {
    "service.unavailable": grpc.StatusCode.UNAVAILABLE,
    "service.auth.error": grpc.StatusCode.UNAUTHENTICATED,
    "service.auth.headers.invalid": grpc.StatusCode.UNAUTHENTICATED,
    "topic.not.found": grpc.StatusCode.NOT_FOUND,
    "topic.validation.empty": grpc.StatusCode.INVALID_ARGUMENT,
    "schema.validation.failed": grpc.StatusCode.INVALID_ARGUMENT,
    "schema.meta.permission": grpc.StatusCode.NOT_FOUND,
    "subscription.fetch.replayid.corrupted": grpc.StatusCode.INVALID_ARGUMENT,
    "subscription.fetch.replayid.validation.failed": grpc.StatusCode.INVALID_ARGUMENT,
    "subscription.fetch.requested.events.invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "subscription.fetch.topic.mismatch": grpc.StatusCode.INVALID_ARGUMENT,
    "subscription.limit.exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "publish.event.count.invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "publish.topic.mismatch": grpc.StatusCode.INVALID_ARGUMENT,
}


class PubSubError(Exception):
    """An error that ends a call.

    Args:
        code: the vendor's code, without its prefix.
        message: for people.
        status: the name of a gRPC status; None: the one of the code, or INTERNAL.
    """

    def __init__(self, code: str, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = grpc.StatusCode[status] if status else _STATUS.get(code, grpc.StatusCode.INTERNAL)

    def abort(self, context: grpc.ServicerContext) -> NoReturn:
        """End a call with this error."""
        rpc_id = str(uuid.uuid4())
        context.set_trailing_metadata((("error-code", f"{PREFIX}{self.code}"), ("rpc-id", rpc_id)))
        context.abort(self.status, f"{self} rpcId: {rpc_id}")
        raise AssertionError("abort does not return")
