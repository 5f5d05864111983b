"""Extraction as the extract stage does it: searches, orders by id set, one record a line into staged parts.

``seconds`` is from the first request until the last part is staged; imports are not in it, as with the peers.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.clients.auth import PrivateAppAuth
from airflow_provider_brightpearl.clients.brightpearl import BrightpearlClient
from airflow_provider_brightpearl.clients.transport import new_session
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.endpoints import registry
from airflow_provider_brightpearl.mapping.spec import load_flow
from airflow_provider_brightpearl.pipeline.extract import extract
from airflow_provider_brightpearl.stores.staging import FileStaging
from benchmarks.workbench import MAPPINGS, give, peak_megabytes
from demo import sandbox


class _NoLetters:
    """Dead letters where there are none."""

    def due(self, flow: str, mapping_version: str, limit: int) -> list[str]:
        return []


def client(url: str, **clocks: Any) -> BrightpearlClient:
    """A client of the sandbox's account, as the hook makes it."""
    known = sandbox.CONNECTIONS["brightpearl_default"]
    auth = PrivateAppAuth(known["extra"]["app_ref"], known["password"])
    return BrightpearlClient(url, known["login"], auth, new_session(), **clocks)


def extracted(source: Any, flow_name: str, folder: Path) -> tuple[float, int, list[str]]:
    """Seconds, records and staged files of one extraction from the beginning of time."""
    flow = load_flow(MAPPINGS / f"{flow_name}.yaml").model_copy(update={"constants": []})
    staging = FileStaging(str(folder), flow.flow, "bench")
    selection = Selection(Window(None, datetime.now(UTC)), moves_watermark=True)
    started = time.perf_counter()
    parts = extract(flow, selection, source, _NoLetters(), staging, "1")  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    return (
        seconds,
        sum(part["records"] for part in parts),
        [str(staging.folder / part["path"]) for part in parts],
    )


def main(request: dict[str, Any]) -> dict[str, Any]:
    source = registry.source("brightpearl.sales_orders", client(request["url"]))
    seconds, records, parts = extracted(source, "orders_to_salesforce", Path(request["folder"]))
    return {
        "records": records,
        "seconds": seconds,
        "parts": parts,
        "fewest": source.fewest_calls,
        "peak_mb": peak_megabytes(),
    }


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
