"""The receiver of events under load: 300 a second as they come, then as many as it takes.

The receiver is `brightpearl receive` in a process of its own, the state database SQLite. Senders keep their connections
open, as proxies do. An answer is late by the time from when its event was to be sent, so a receiver that stops
for a moment is not measured by what it did not get meanwhile. Every event names another record. Of one account the
receiver takes 1,000 events a second, so the second figure is no higher.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from statistics import median, quantiles

from benchmarks import workbench
from benchmarks.report import Row, at_least, at_most, said
from demo.processes import free_port

RATE, GOAL_MS = 300, 50
CONNECTIONS = 64
SECRET = "a-secret-of-the-benchmark-0001"  # noqa: S105 - of nobody

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def rows(*, quick: bool) -> Iterator[Row]:
    seconds = 2 if quick else 30
    with workbench.folder() as work, _receiver(work / "airflow") as port:
        late, answered = asyncio.run(_measured(port, seconds))
    hundredths = [1_000 * each for each in quantiles(late, n=100)]
    yield said(f"time to the answer at {RATE} events a second, median", 1_000 * median(late), "ms")
    yield at_most(GOAL_MS, f"time to the answer at {RATE} events a second, p99", hundredths[98], "ms")
    yield at_least(RATE, f"events a second with {CONNECTIONS} in flight", answered / seconds, "events/s")


@contextmanager
def _receiver(home: object) -> Iterator[int]:
    port = free_port()
    connection = {"conn_type": "brightpearl", "login": "acmetest", "extra": {"webhook_secrets": [SECRET]}}
    env = workbench.environment(workbench.BUILD) | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_SHOP": json.dumps(connection),
    }
    command = [sys.executable, "-m", "airflow_provider_brightpearl", "receive", "--port", str(port)]
    with subprocess.Popen(command, env=env, cwd=workbench.ROOT) as process:
        try:
            while not _healthy(port) and process.poll() is None:
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()


def _healthy(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("GET", "/brightpearl/events/health")
            return connection.getresponse().status == 200
    except OSError:
        return False


async def _measured(port: int, seconds: int) -> tuple[list[float], int]:
    """How late each answer was at the given rate, and how many were answered as fast as can be."""
    numbers = count(1)
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    late: list[float] = []
    # the first one reads the connection
    await _post(first := await free.get(), next(numbers))
    free.put_nowait(first)

    async def send(due: float) -> None:
        connection = await free.get()
        if not await _post(connection, next(numbers)):
            raise RuntimeError(f"an event was not taken at {RATE} a second")
        late.append(time.perf_counter() - due)
        free.put_nowait(connection)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(RATE * seconds):
            due = begun + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(send(due))

    end = time.perf_counter() + seconds
    answered = count()

    async def send_on() -> None:
        connection = await free.get()
        while time.perf_counter() < end:
            if await _post(connection, next(numbers)):
                next(answered)
            else:
                await asyncio.sleep(0.05)

    await asyncio.gather(*(send_on() for _ in range(CONNECTIONS)))
    return late, next(answered)


async def _post(connection: Connection, record_id: int) -> bool:
    """Whether an event was taken; it is not where there are more of them than the receiver takes of one account."""
    reader, writer = connection
    sent = {
        "accountCode": "acmetest", "resourceType": "order", "id": str(record_id), "lifecycleEvent": "modified",
        "fullEvent": "order.modified.order-status", "raisedOn": "2026-03-05T10:41:40.000Z", "brightpearlVersion": "4",
    }  # fmt: skip
    body = json.dumps(sent).encode()
    head = (
        f"POST /brightpearl/events/shop/{SECRET} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith((b"HTTP/1.1 202", b"HTTP/1.1 503")):
        raise RuntimeError(f"an event was not taken: {answer.decode()}")
    await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return answer.startswith(b"HTTP/1.1 202")
