"""A receiver in a process of its own, and what senders need."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from demo.processes import free_port

SECRET = "first-secret-of-the-shop-0001"
PATH = f"/brightpearl/events/shop/{SECRET}"
JSON = {"Content-Type": "application/json"}


def environment(home: Path) -> dict[str, str]:
    """An Airflow with one connection that takes events, and its state in SQLite."""
    extra = {"app_ref": "app", "webhook_secrets": [SECRET]}
    connection = {"conn_type": "brightpearl", "login": "acmetest", "extra": extra}
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_SHOP": json.dumps(connection),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


def body(record_id: object) -> bytes:
    """The body of one webhook."""
    sent = {
        "accountCode": "acmetest", "resourceType": "order", "id": str(record_id), "lifecycleEvent": "modified",
        "fullEvent": "order.modified", "raisedOn": "2026-03-05T10:41:40.000Z", "brightpearlVersion": "4",
    }  # fmt: skip
    return json.dumps(sent).encode()


@contextmanager
def receiver(env: Mapping[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``brightpearl receive`` on a free port, once it is healthy; gives the process and the port."""
    port = free_port()
    command = [sys.executable, "-m", "airflow_provider_brightpearl", "receive", "--port", str(port)]
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=dict(env), stdout=output, stderr=output) as running,
    ):
        try:
            _wait(running, port, log)
            yield running, port
        finally:
            running.kill()


def _wait(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if running.poll() is not None:
            break
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("GET", "/brightpearl/events/health")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the receiver does not begin: {log.read_text()[-5000:]}")
