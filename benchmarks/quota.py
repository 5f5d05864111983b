"""A run of 500 calls with the quota on: it ends without an error, hardly later than 200 calls a minute allow.

The quota is the vendor's: 200 calls in 60 seconds, 503 for more. The sandbox's clock runs faster than the world's, and
the client's clock and sleep with it, so that two minutes pass in less; figures are in the sandbox's time. What the
client computes is not faster, so a clock too fast would measure that instead of the waiting.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_most, said
from benchmarks.workbench import give

# contacts take the most calls per record: search, contacts, postal addresses
FLOW, STREAM = "customers_to_salesforce", "contacts"
CUSTOMERS = 41_500
CALLS = 500
LIMIT, SECONDS = 200, 60


def rows(*, quick: bool) -> Iterator[Row]:
    customers, speed = (18_000, 10) if quick else (CUSTOMERS, 2)
    with workbench.folder() as work:
        size = {"customers": customers, "products": 1, "orders": 1}
        with workbench.simulated(work, throttle=True, speed=speed, **size) as sandbox:
            request = {"url": sandbox.url, "folder": str(work), "speed": speed}
            found = workbench.measured("benchmarks.quota", request, workbench.environment(work))
            log = sandbox.control("GET", "/log?system=brightpearl")
    calls = len(log)
    took = datetime.fromisoformat(log[-1]["at"]) - datetime.fromisoformat(log[0]["at"])
    dictated = (ceil(calls / LIMIT) - 1) * SECONDS
    statuses = Counter(call["status"] for call in log)
    yield said("calls of the run", calls, "calls")
    if not quick and found["fewest"] < CALLS:
        raise RuntimeError(f"the run needs {found['fewest']} calls only, {CALLS} are to be measured")
    yield said("calls that were throttled", statuses[503], "calls")
    yield said("time the quota dictates", dictated, "s of the sandbox")
    yield said("time of the run", took.total_seconds(), "s of the sandbox")
    yield at_most(1.1, "time over what the quota dictates", took.total_seconds() / dictated, "times")


def main(request: dict[str, Any]) -> dict[str, Any]:
    from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
    from benchmarks.extraction_ours import client, extracted

    speed = request["speed"]
    made = client(
        request["url"],
        sleep=lambda seconds: time.sleep(seconds / speed),
        now=lambda: time.monotonic() * speed,
    )
    source = BrightpearlSource(made, STREAM)
    found = extracted(source, FLOW, Path(request["folder"]))
    return {"records": found.records, "fewest": source.min_calls}


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
