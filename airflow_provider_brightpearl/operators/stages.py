"""Each stage with its ports: what an operator, or any other caller with a context, runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.window import plan
from airflow_provider_brightpearl.operators.facts import Facts
from airflow_provider_brightpearl.operators.request import request_of
from airflow_provider_brightpearl.operators.wiring import Wiring
from airflow_provider_brightpearl.pipeline import extract as extracting
from airflow_provider_brightpearl.pipeline import gate as gating
from airflow_provider_brightpearl.pipeline import load as loading
from airflow_provider_brightpearl.pipeline import settle as settling
from airflow_provider_brightpearl.pipeline import transform as transforming

Part = dict[str, Any]


def extract(wiring: Wiring, context: Mapping[str, Any]) -> tuple[list[Part], dict[str, Any]]:
    """Plans the run and reads what it selects; gives the raw parts, and the facts for the later tasks."""
    started_at = datetime.now(UTC)
    flow, run = wiring.flow, str(context["run_id"])
    # reading costs API calls, so a state database that is down stops the run before the first
    wiring.ledger.check()
    request = request_of(context)
    selection = plan(request, flow.window.policy, wiring.ledger.watermark(flow.flow), started_at)
    source = wiring.source()
    parts = extracting.extract(flow, selection, source, wiring.letters, wiring.staging(run), wiring.version)
    calls = Calls(made={flow.source_system: source.calls}, fewest={flow.source_system: source.fewest_calls})
    return parts, Facts(run, request.kind, selection, wiring.version, started_at, calls).as_dict()


def transform(wiring: Wiring, part: Part, run: dict[str, Any]) -> Part:
    """Maps one raw part."""
    staging = wiring.staging(run["run"])
    with wiring.mapper(staging) as mapper:
        return transforming.transform(wiring.flow, part, mapper, staging)


def gate(wiring: Wiring, mapped: list[Part], run: dict[str, Any]) -> dict[str, Any]:
    """Judges all mapped parts."""
    return gating.gate(wiring.flow, mapped, wiring.gate(), wiring.staging(run["run"]))


def load(wiring: Wiring, mapped: Part, verdict: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """Writes one mapped part, once the state database has proved that it can remember what was written."""
    wiring.ledger.check()
    staging = wiring.staging(run["run"])
    return loading.load(wiring.flow, mapped, verdict, wiring.sink(), wiring.bindings, staging, run["run"])


def settle(
    wiring: Wiring, parts: list[Part], verdict: dict[str, Any] | None, loads: list[Part], run: dict[str, Any]
) -> dict[str, Any]:
    """Proves that the run adds up and records it; gives its summary."""
    facts = Facts.from_dict(run)
    staging = wiring.staging(facts.run)
    return settling.settle(
        wiring.flow,
        settling.RunFacts(
            facts.run, facts.kind, facts.selection, facts.mapping_version, facts.started_at, facts.calls
        ),
        parts,
        verdict,
        loads,
        wiring.ledger,
        wiring.letters,
        staging,
    )


def sweep_staging() -> int:
    """Removes the staging files of runs older than ``keep_staging_days``; says of how many runs."""
    from airflow_provider_brightpearl.stores.staging import sweep

    return sweep(
        settings.staging_path(), datetime.now(UTC) - timedelta(days=settings.number("keep_staging_days"))
    )
