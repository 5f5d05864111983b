"""Ten processes and one quota: no period holds more calls than allowed, by the sandbox's log."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox

# a quota on a smaller scale; `make bench` measures that of a minute, and how much of it is used
CALLS, SECONDS, PERIODS = 24, 4.0, 1.3
PROCESSES = 10


@pytest.mark.usefixtures("engine")
def test_ten_processes_keep_one_quota(database_url: str) -> None:
    throttle: dict[str, object] = {"throttle_limit": CALLS, "throttle_seconds": SECONDS}
    with Sandbox(customers=1, products=1, orders=1, settings={"brightpearl": throttle}) as sandbox:
        request = {
            "state": database_url, "url": sandbox.url, "calls": CALLS, "seconds": SECONDS, "periods": PERIODS,
            "processes": PROCESSES,
        }  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "benchmarks.shared_quota_worker"],
            input=json.dumps(request), text=True, check=True, env=os.environ.copy(), timeout=60,
        )  # fmt: skip
        log = sandbox.control("GET", "/log?system=brightpearl")
        peak = sandbox.control("GET", f"/peak/brightpearl?seconds={SECONDS}")["most"]
    assert {200} == {call["status"] for call in log}
    assert peak <= CALLS
    # calls that are a period old are free again
    assert len(log) > CALLS
