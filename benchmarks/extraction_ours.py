"""Extraction as the extract stage does it: searches, orders by id set, one record a line into staged parts.

``seconds`` is from the first request until the last part is staged; imports are not in it, as with the peers.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.ports.source import Source
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.pipeline.extract import extract_parts
from airflow_provider_brightpearl.stores.staging import FileStaging
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from airflow_provider_brightpearl.systems.http.transport import new_session
from benchmarks.workbench import MAPPINGS, give, peak_megabytes
from demo import sandbox


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one extraction from the beginning of time took and gave."""

    seconds: float
    records: int
    parts: list[str]


def client(url: str, **clocks: Any) -> BrightpearlClient:
    """A client of the sandbox's account, as the hook makes it."""
    known = sandbox.CONNECTIONS["brightpearl_default"]
    auth = PrivateAppAuth(known["extra"]["app_ref"], known["password"])
    return BrightpearlClient(url, known["login"], auth, new_session(), **clocks)


def extracted(source: Source, flow_name: str, folder: Path) -> Extraction:
    """Extracts all that a source has for a flow, without the records that the flow file holds itself."""
    flow = load_flow(MAPPINGS / f"{flow_name}.yaml").model_copy(update={"constants": []})
    staging = FileStaging(str(folder), flow.flow, "bench")
    selection = Selection(Window(None, datetime.now(UTC)), moves_watermark=True)
    started = time.perf_counter()
    parts = extract_parts(flow, selection, source, staging, lambda: datetime.now(UTC)).parts
    seconds = time.perf_counter() - started
    paths = [str(staging.folder / part.path) for part in parts]
    return Extraction(seconds, sum(part.records for part in parts), paths)


def main(request: dict[str, Any]) -> dict[str, Any]:
    source = BrightpearlSource(client(request["url"]), "sales_orders")
    found = extracted(source, "orders_to_salesforce", Path(request["folder"]))
    return {
        "records": found.records,
        "seconds": found.seconds,
        "parts": found.parts,
        "fewest": source.min_calls,
        "peak_mb": peak_megabytes(),
    }


if __name__ == "__main__":
    give(main(json.load(sys.stdin)))
