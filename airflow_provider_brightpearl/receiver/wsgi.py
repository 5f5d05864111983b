"""The receiver as a blueprint of Flask, for the webserver of Airflow 2.11, which brings Flask."""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow_provider_brightpearl.receiver.asgi import PREFIX
from airflow_provider_brightpearl.receiver.receive import (
    Answer,
    airflow_receiver,
    masked,
    seconds,
)
from airflow_provider_brightpearl.receiver.refusals import Refusal


@cache
def airflow_blueprint() -> Any:
    """The blueprint; free of Airflow's check for forged requests, as senders have a secret instead of a session."""
    from airflow.www.app import csrf

    made = blueprint(cache(airflow_receiver))
    csrf.exempt(made)
    return made


def blueprint(receiver: Any) -> Any:
    """A blueprint that answers ``POST {PREFIX}/{connection}/{secret}`` and ``GET {PREFIX}/health``.

    Args:
        receiver: gives the ``Receiver`` of this process.
    """
    from flask import Blueprint, request

    made = Blueprint("brightpearl_events", __name__, url_prefix=PREFIX)

    @made.get("/health")
    def health() -> Any:
        return _response(receiver().health(seconds()))

    @made.route("/<path:_>", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    def take(_: str) -> Any:
        path, now = request.path, seconds()
        # gunicorn logs these, and only after this
        for name in ("PATH_INFO", "RAW_URI", "REQUEST_URI"):
            if name in request.environ:
                request.environ[name] = masked(path)
        if request.method != "POST":
            return _response(receiver().refused(Refusal(404, "not a POST"), now))
        headers = {name.lower(): value for name, value in request.headers.items()}
        return _response(receiver().receive(path, headers, request.stream.read, now))

    return made


def _response(answer: Answer) -> Any:
    from flask import Response

    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return Response(answer.reason, answer.status, headers, content_type="text/plain")
