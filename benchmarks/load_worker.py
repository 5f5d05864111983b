"""Runs flows without Airflow, and measures the load stage of the last of them: all rows new, then nothing changed."""

from __future__ import annotations

import cProfile
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simple_salesforce import Salesforce
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.reports import GateReport, LoadReport, RunInfo, TransformReport
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.system import System
from benchmarks import extraction_ours
from benchmarks.workbench import MAPPINGS, give, peak_megabytes
from demo import sandbox

MANUAL = Request(RunKind.MANUAL)


def main(request: dict[str, Any]) -> dict[str, Any]:
    folder, url = Path(request["folder"]), request["url"]
    engine = open_engine(request.get("state") or f"sqlite:///{folder / 'state.db'}")
    environment = sandboxed(folder, url, engine)
    *before, flow = request["flows"]
    for name in before:
        run.run_flow(Wiring.of(name, environment), MANUAL, "before")
    wiring = Wiring.of(flow, environment)
    extracted = run.extract(wiring, MANUAL, "measured")
    mapped = [run.transform(wiring, extracted.run, part) for part in extracted.parts]
    judged = run.gate(wiring, extracted.run, mapped)
    first, reports = _load(wiring, extracted.run, mapped, judged, request.get("profile"))
    again, _ = _load(wiring, extracted.run, mapped, judged)
    return {
        "rows": sum(part.records for report in mapped for part in report.objects.values()),
        "created": sum(report.counts.created for report in reports),
        "loads": {"all new": first, "nothing changed": again},
        "peak_mb": peak_megabytes(),
    }


def _load(
    wiring: Wiring,
    info: RunInfo,
    mapped: Sequence[TransformReport],
    judged: GateReport,
    profile: str | None = None,
) -> tuple[dict[str, float], list[LoadReport]]:
    assert wiring.target_client
    profiler = cProfile.Profile() if profile else None
    if profiler:
        profiler.enable()
    wall, cpu = time.perf_counter(), time.process_time()
    reports = [run.load(wiring, info, part, judged) for part in mapped]
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    if profiler and profile:
        profiler.disable()
        profiler.dump_stats(profile)
    return took, reports


def sandboxed(folder: Path, url: str, engine: Engine) -> Environment:
    """A place without Airflow, with clients of a sandbox as hooks make them."""

    def connect(system: System, conn_id: str | None = None) -> Any:
        return extraction_ours.client(url) if system.name == "brightpearl" else salesforce(url)

    def address(system: System, conn_id: str | None = None) -> str:
        return system.name

    return Environment(MAPPINGS, lambda: engine, lambda: folder / "staging", connect, address)


def salesforce(url: str, **options: Any) -> SalesforceClient:
    """A client of the sandbox's org, as the hook makes it."""
    extra = sandbox.CONNECTIONS["salesforce_default"]["extra"]
    login = {name: extra[name] for name in ("consumer_key", "consumer_secret", "domain")}
    return SalesforceClient(Salesforce(**login, session=new_session(endpoint_override=url)), **options)


if __name__ == "__main__":
    give(main({**json.load(sys.stdin), "profile": os.environ.get("LOAD_PROFILE")}))
