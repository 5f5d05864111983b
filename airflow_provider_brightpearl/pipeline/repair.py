"""Prepares the crosswalk for a repair: rows missing from the target are written again, deleted records removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from airflow_provider_brightpearl.core.ports.stores import DETACHED, MERGED, Binding, Crosswalk
from airflow_provider_brightpearl.core.ports.target import FollowsMerges, Target
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.sides import Ports


def prepare_rewrite(flow: FlowSpec, source_ids: Sequence[str], ports: Ports) -> int:
    """Makes the next load write these records whole; returns how many of their rows were missing from the target.

    Missing rows are unbound; existing rows lose their fingerprint, and the version that would outlast a source that
    was set back. A row that another run writes meanwhile stays as that run binds it, also without a fingerprint.
    """
    rows = [row for row in ports.crosswalk.of_records(flow.flow, source_ids) if row.object in flow.objects]
    gone = 0
    for name in flow.objects:
        mine = [row for row in rows if row.object == name]
        there = ports.target.existing_ids(name, [row.target_id for row in mine]) if mine else set()
        # a merged row is written again to its survivor
        merged = merged_ids(ports.target, name, [row.target_id for row in mine if row.target_id not in there])
        lost = [row for row in mine if row.target_id not in there | merged]
        kept = [replace(row, fingerprint="") for row in mine if row.target_id in there]
        kept += [replace(row, fingerprint=MERGED) for row in mine if row.target_id in merged]
        ports.crosswalk.unbind(lost)
        ports.crosswalk.bind([replace(row, source_version="") for row in kept])
        gone += len(lost)
    return gone


def merged_ids(target: Target, object_name: str, target_ids: Sequence[str]) -> set[str]:
    """Those of these missing rows that the target has merged into others."""
    if not target_ids or not isinstance(target, FollowsMerges):
        return set()
    return target.merged(object_name, target_ids)


def detach(crosswalk: Crosswalk, roots: Sequence[Binding]) -> None:
    """Marks the links of these first rows: from now on both flows leave what is left of the records alone."""
    crosswalk.bind([replace(row, fingerprint=DETACHED) for row in roots if row.fingerprint != DETACHED])


def remove_rows(
    flow: FlowSpec, source_ids: Sequence[str], ports: Ports, removed: Callable[[Sequence[Binding]], None]
) -> tuple[int, list[str]]:
    """Removes the rows of deleted records from the target; returns how many records, and what was refused.

    ``removed`` gets the rows that each call has removed.
    """
    rows = [row for row in ports.crosswalk.of_records(flow.flow, source_ids) if row.object in flow.objects]
    rows += _unbound(flow, set(source_ids) - {row.source_id for row in rows}, ports)
    refused: dict[str, str] = {}
    by_place = {(row.object, row.key): row for row in rows}
    for results in ports.target.remove(rows):
        removed([by_place[each.object, each.key] for each in results if not each.refused])
        refused |= {
            each.source_id: f"{each.object} {each.key}: {each.reason}" for each in results if each.refused
        }
    ports.crosswalk.unbind([row for row in rows if row.source_id not in refused])
    return len({row.source_id for row in rows}) - len(refused), list(refused.values())


def _unbound(flow: FlowSpec, source_ids: set[str], ports: Ports) -> list[Binding]:
    """Rows of the target that the crosswalk does not know, as after the loss of a state database."""
    found = ports.target.read(sorted(source_ids), [], {}) if source_ids else ()
    return [Binding(flow.flow, flow.root, row.key, row.key, row.target_id, "", "", "") for row in found]


def drop_stale_bindings(flow: FlowSpec, source_ids: Sequence[str], ports: Ports) -> list[Binding]:
    """Removes the bindings of records that neither system has any more; returns them."""
    rows = ports.crosswalk.of_records(flow.flow, source_ids)
    ports.crosswalk.unbind(rows)
    return rows
