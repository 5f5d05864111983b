"""Columns of the source that a mapping reads, and that no record of a run has any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from airflow_provider_brightpearl.core.ports.notices import Notices
from airflow_provider_brightpearl.core.ports.seen_fields import SeenColumns
from airflow_provider_brightpearl.core.presence import Presence
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.reports import RunInfo, TransformReport
from airflow_provider_brightpearl.flow.places import place_of
from airflow_provider_brightpearl.flow.spec import FlowSpec

_NEVER = Presence()


def vanished_columns(
    flow: FlowSpec,
    run: RunInfo,
    mapped: Sequence[TransformReport],
    columns: SeenColumns,
    notices: Notices,
    mappings: Path,
) -> list[str]:
    """A warning for each column that was there before and is missing from all records, once a day; keeps the counts.

    Only runs that read a window count: records that a person has named are no sample.
    """
    records = sum(part.records for part in mapped)
    if not records or not run.selection.moves_watermark:
        return []
    present: Counter[str] = Counter()
    for part in mapped:
        present.update(part.present)
    seen = columns.of(flow.flow)
    missing = [
        name for name, count in present.items() if not count and seen.get(name, _NEVER).has_vanished(records)
    ]
    columns.keep(
        flow.flow,
        {name: seen.get(name, _NEVER).with_run(records, count) for name, count in present.items()},
    )
    return [
        f"{_place(flow, name, mappings)}: none of {counted(records, 'record')} of {flow.source} has {name}, which was "
        "there before: check the source"
        for name in missing
        if notices.is_news(flow.flow, f"column {name}", run.run)
    ]


def _place(flow: FlowSpec, column: str, mappings: Path) -> str:
    """File, line, object and field that read a column, the first of them; only the file where none names it."""
    file = mappings / f"{flow.flow}.yaml"
    for name, spec in flow.objects.items():
        for field, text in {**spec.key, **spec.fields}.items():
            if column in text or column == spec.rows:
                return f"{place_of(file, name, field)}: {name}.{field}"
    return file.name
