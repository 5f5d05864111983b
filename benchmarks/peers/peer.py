"""What the peers' scripts share: where the account is, and how a run is timed."""

import argparse
import json
import sys
import time
from pathlib import Path


def _arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", help="base URL of the account's API")
    parser.add_argument("folder", help="where the peer may write")
    return parser.parse_args()


ARGUMENTS = _arguments()
HEADERS = {"brightpearl-app-ref": "acmetest_sandbox", "brightpearl-staff-token": "sandbox-staff-token"}


def run(main):
    """Runs and times a peer, and says how many records it gave; its imports are done by then."""
    started = time.perf_counter()
    records = main()
    print(
        json.dumps({"records": records, "seconds": time.perf_counter() - started, "peak_mb": _peak()}),
        file=sys.__stdout__,
    )


def _peak():
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
