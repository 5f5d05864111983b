"""Runs one reconciliation and its repair for a worker, and puts the result into words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from airflow_provider_brightpearl import state
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.endpoints import reconciling, registry
from airflow_provider_brightpearl.errors import DriftTooLarge, Misconfigured, RecordRefused
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.identity import identity_of
from airflow_provider_brightpearl.mapping.lookups import load_lookups
from airflow_provider_brightpearl.mapping.reconcile_spec import ReconcileSpec
from airflow_provider_brightpearl.operators import stages
from airflow_provider_brightpearl.operators.reconcile_words import summary
from airflow_provider_brightpearl.operators.wiring import Wiring
from airflow_provider_brightpearl.pipeline import repair as repairing
from airflow_provider_brightpearl.pipeline.reconcile import Ports, reconcile
from airflow_provider_brightpearl.stores.reconciliations import Reconciliation, Reconciliations

log = logging.getLogger(__name__)

Found = dict[str, Any]


def compare(
    wiring: Wiring,
    run: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    everything: bool = False,
    max_repair: int | None = None,
) -> Found | None:
    """What differs between both systems of a flow, kept in the state database; None before the flow's first run.

    Args:
        wiring: the flow.
        run: names the reconciliation.
        start: earliest creation of the records to compare, aware; as the flow says if left out.
        end: creation before which they lie; as far as the flow has read if left out.
        everything: whether records of all times are compared.
        max_repair: limit instead of the flow's own.
    """
    spec = _spec(wiring)
    wiring.ledger.check()
    watermark = wiring.ledger.watermark(wiring.flow.flow)
    if watermark is None:
        return None
    began = _now()
    if max_repair is not None:
        limited = spec.model_copy(update={"max_repair": max_repair})
        wiring = replace(wiring, flow=wiring.flow.model_copy(update={"reconcile": limited}))
    usual = None if everything else min(began, watermark) - spec.period
    period = Window(start or usual, min(end or watermark, watermark))
    schema = registry.stream_schema(wiring.flow.source)
    found = reconcile(
        wiring.flow, schema.id_column, period, watermark, _ports(wiring, run), partial(_open, wiring)
    )
    found |= {"run": run, "started_at": began.isoformat()}
    keep(found)
    return found


def _spec(wiring: Wiring) -> ReconcileSpec:
    spec = wiring.flow.reconcile
    if spec is None:
        raise Misconfigured(
            f"{wiring.flow.flow}.yaml has no reconcile: block, so nothing says what is compared"
        )
    reconciling.check_reconcile(wiring.flow)
    return spec


def _ports(wiring: Wiring, run: str) -> Ports:
    return Ports(
        reconciling.census(wiring.flow, wiring.source_client),
        reconciling.listing(wiring.flow, wiring.target_client),
        wiring.bindings,
        wiring.letters,
        wiring.staging(run),
    )


def _open(wiring: Wiring, folders: Sequence[Any]) -> Mapper:
    bare = identity_of(wiring.flow)
    asks_target = any(lookup.query for lookup in bare.lookups.values())
    lookups = load_lookups(bare, wiring.folder, wiring.target_client.query if asks_target else None)
    return Mapper(bare, registry.stream_schema(bare.source), lookups, wiring.bindings, folders)


def refuse_much(found: Mapping[str, Any]) -> None:
    """Raises ``DriftTooLarge`` where so much differs that a person has to look first."""
    if found["state"] == "too much":
        raise DriftTooLarge(
            "\n".join(
                (
                    f"{found['flow']}: {found['drift']} records differ, more than the {found['max_repair']} "
                    "that are repaired without being asked (reconcile.max_repair); nothing was repaired.",
                    *summary(found),
                    f"To repair them all the same, run this DAG for the flow with max_repair {found['drift']}.",
                )
            )
        )


def repair(wiring: Wiring, found: Found) -> Found:
    """Writes what is missing or differs by the flow's own stages, and takes out what was deleted.

    Raises:
        RecordRefused: the target refused to remove a row; the others are removed.
    """
    wiring.ledger.check()
    flow, run = wiring.flow, found["run"]
    ports = _ports(wiring, run)
    repairing.drop(flow, found["forget"], ports)
    counts = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "parked": 0}
    if found["repair"]:
        gone = repairing.forget(flow, found["repair"], ports)
        log.info("%s rows were gone from %s and are written anew", gone, flow.target)
        counts = _sync(wiring, found["repair"], run)
    removed, refused = repairing.remove(flow, found["remove"], ports) if found["remove"] else (0, [])
    repaired = counts["created"] + counts["updated"] + counts["unchanged"]
    whole = repaired == len(found["repair"]) and not refused
    found = found | {
        "state": "repaired" if whole else "partly repaired",
        "repaired": repaired,
        "removed": removed,
        "refused": refused,
        "rejected": counts["rejected"],
        "parked": counts["parked"],
    }
    keep(found)
    if refused:
        raise RecordRefused(f"{flow.flow}: {len(refused)} rows were not removed: {'; '.join(refused[:5])}")
    return found


def _sync(wiring: Wiring, ids: Sequence[str], run: str) -> dict[str, Any]:
    """The five stages for these ids, one after the other; gives the summary of the run."""
    context = {"run_id": run, "dag_run": SimpleNamespace(run_type="manual"), "params": {"ids": list(ids)}}
    parts, facts = stages.extract(wiring, context)
    mapped = [stages.transform(wiring, part, facts) for part in parts]
    verdict = stages.gate(wiring, mapped, facts) if mapped else None
    loads = [stages.load(wiring, part, verdict or {}, facts) for part in mapped]
    return stages.settle(wiring, parts, mapped, verdict, loads, facts)


def keep(found: Mapping[str, Any]) -> None:
    """Writes a result to the state database."""
    Reconciliations(state.state_engine()).record(
        Reconciliation(
            **{
                name: found[name]
                for name in ("flow", "run", "state", "counts", "money", "ids", "calls", "note")
            },
            period=Window.from_dict(found["period"]),
            started_at=datetime.fromisoformat(found["started_at"]),
            ended_at=None if found["state"] == "drift" else _now(),
            repaired=found.get("repaired", 0),
            removed=found.get("removed", 0),
        )
    )


def _now() -> datetime:
    return datetime.now(UTC)
