"""Prepares the crosswalk for a repair: rows missing from the target are written again, deleted records removed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from airflow_provider_brightpearl.core.ports.stores import Binding
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
        lost = [row for row in mine if row.target_id not in there]
        kept = (row for row in mine if row.target_id in there)
        ports.crosswalk.unbind(lost)
        ports.crosswalk.bind([replace(row, fingerprint="", source_version="") for row in kept])
        gone += len(lost)
    return gone


def remove_rows(flow: FlowSpec, source_ids: Sequence[str], ports: Ports) -> tuple[int, list[str]]:
    """Removes the rows of deleted records from the target; returns how many records, and what was refused."""
    rows = [row for row in ports.crosswalk.of_records(flow.flow, source_ids) if row.object in flow.objects]
    rows += _unbound(flow, set(source_ids) - {row.source_id for row in rows}, ports)
    refused: dict[str, str] = {}
    for results in ports.target.remove(rows):
        refused |= {
            each.source_id: f"{each.object} {each.key}: {each.reason}" for each in results if each.refused
        }
    ports.crosswalk.unbind([row for row in rows if row.source_id not in refused])
    return len({row.source_id for row in rows}) - len(refused), list(refused.values())


def _unbound(flow: FlowSpec, source_ids: set[str], ports: Ports) -> list[Binding]:
    """Rows of the target that the crosswalk does not know, as after the loss of a state database."""
    found = ports.target.read(sorted(source_ids), [], {}) if source_ids else ()
    return [Binding(flow.flow, flow.root, row.key, row.key, row.target_id, "", "", "") for row in found]


def drop_stale_bindings(flow: FlowSpec, source_ids: Sequence[str], ports: Ports) -> None:
    """Removes the bindings of records that neither system has any more."""
    ports.crosswalk.unbind(ports.crosswalk.of_records(flow.flow, source_ids))
