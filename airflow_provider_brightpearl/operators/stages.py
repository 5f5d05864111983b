"""Each stage with its ports: what an operator, or any other caller with a context, runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.run import RunFacts
from airflow_provider_brightpearl.core.window import plan
from airflow_provider_brightpearl.mapping.lookups import LookupTable
from airflow_provider_brightpearl.operators import planning
from airflow_provider_brightpearl.operators.request import request_of
from airflow_provider_brightpearl.operators.wiring import Wiring
from airflow_provider_brightpearl.pipeline import extract as extracting
from airflow_provider_brightpearl.pipeline import gate as gating
from airflow_provider_brightpearl.pipeline import load as loading
from airflow_provider_brightpearl.pipeline import settle as settling
from airflow_provider_brightpearl.pipeline import transform as transforming
from airflow_provider_brightpearl.stores.staging import FileStaging, sweep

log = logging.getLogger(__name__)

Part = dict[str, Any]
LOOKUPS = "lookups.json"


def extract(wiring: Wiring, context: Mapping[str, Any]) -> tuple[list[Part], dict[str, Any]]:
    """Plans the run and reads what it selects; gives the raw parts, and the facts for the later tasks."""
    started_at = _now()
    flow, run = wiring.flow, str(context["run_id"])
    # reading costs API calls, so a state database that is down stops the run before the first
    wiring.ledger.check()
    request = request_of(context)
    selection = plan(request, flow.window.policy, wiring.ledger.watermark(flow.flow), started_at)
    source, staging = wiring.source(), wiring.staging(run)
    before = source.calls
    parts = extracting.extract(flow, selection, source, wiring.letters, staging, wiring.version)
    planned = planning.read_calls(wiring, source, selection)
    calls = Calls(
        {flow.source_system: source.calls - before},
        {flow.source_system: source.fewest_calls},
        {flow.source_system: planned},
    )
    if parts:
        calls += _stage_lookups(wiring, staging)
    return parts, RunFacts(run, request.kind, selection, wiring.version, started_at, calls).as_dict()


def _stage_lookups(wiring: Wiring, staging: FileStaging) -> Calls:
    """Keeps the translation tables for all parts of a run; gives the calls that those of the target took."""
    tables = wiring.lookups()
    staging.write_json(LOOKUPS, {name: asdict(table) for name, table in tables.items()})
    if not wiring.asks_target:
        return Calls()
    made = {wiring.flow.target: wiring.target_client.calls}
    return Calls(made, made, made)


def transform(wiring: Wiring, part: Part, facts: Mapping[str, Any]) -> Part:
    """Maps one raw part."""
    staging = wiring.staging(facts["run"])
    lookups = {name: LookupTable(**plain) for name, plain in staging.read_json(LOOKUPS).items()}
    return transforming.transform(wiring.flow, part, partial(wiring.open_mapper, lookups), staging)


def gate(wiring: Wiring, mapped: list[Part], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Judges all mapped parts, and keeps the page of what was found in staging.

    Raises:
        GateClosed: too much failed; the dead letters and the ledger row are written.
    """
    flow, staging = wiring.flow, wiring.staging(facts["run"])
    with TemporaryDirectory() as folder:
        page = Path(folder) / "expectations.html"
        verdict = gating.judge(flow, mapped, wiring.gate(page, facts["run"]), staging)
        kept = [_keep(staging, path) for path in sorted(Path(folder).iterdir())]
    if kept:
        log.info("what the gate found: %s", staging.folder / kept[0])
    if verdict["closed"]:
        raise settling.refuse(
            flow, RunFacts.from_dict(facts), mapped, verdict, wiring.stores(staging), _now()
        )
    return verdict


def load(
    wiring: Wiring, mapped: Part, verdict: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes one mapped part, once the state database has proved that it can remember what was written."""
    wiring.ledger.check()
    known = RunFacts.from_dict(facts)
    sink, staging = wiring.sink(known.attempt), wiring.staging(known.run)
    report = loading.load(
        wiring.flow, known.attempt, mapped, verdict, sink, wiring.bindings, wiring.letters, staging,
        wiring.outbox(known.attempt), sweep=known.selection.sweep,
    )  # fmt: skip
    report["calls"]["planned"] = planning.part_calls(wiring, sink, mapped["records"], known.selection)
    return report


def settle(
    wiring: Wiring,
    parts: list[Part],
    mapped: list[Part],
    verdict: Mapping[str, Any] | None,
    loads: list[Part],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Tells the source what is due, then proves that the run adds up and records it; gives its summary."""
    stores, known = wiring.stores(wiring.staging(facts["run"])), RunFacts.from_dict(facts)
    told = wiring.outbox(known.attempt).tell(wiring.write_back, _now()) if wiring.flow.write_back else None
    return settling.settle(wiring.flow, known, parts, mapped, verdict, loads, stores, _now(), told)


def _keep(staging: FileStaging, path: Path) -> str:
    name = f"gate/{path.name}"
    with staging.create(name) as target:
        shutil.move(path, target)
    return name


def _now() -> datetime:
    return datetime.now(UTC)


def sweep_staging() -> int:
    """Removes the staging files of runs older than ``keep_staging_days``; says of how many runs."""
    return sweep(settings.staging_path(), _now() - timedelta(days=settings.number("keep_staging_days")))
