"""Reads what a run selects and stages the raw records in parts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from airflow_provider_brightpearl.core.ports.source import AnnouncesTotal, Source
from airflow_provider_brightpearl.core.ports.stores import DeadLetters, Staging
from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.flow.spec import FlowSpec

log = logging.getLogger(__name__)

# dead letters read again in one run; the rest follows in the next one
DUE_LIMIT = 10_000


def with_due(flow: FlowSpec, selection: Selection, letters: DeadLetters, version: str) -> Selection:
    """The selection with the ids whose reason for rejection may be gone, where the run moves the watermark.

    These are parked records whose parent has arrived, and rejected ones whose mapping has changed since.
    """
    if not selection.moves_watermark:
        return selection
    return replace(selection, ids=tuple(letters.due(flow.flow, version, DUE_LIMIT)))


def extract_parts(
    flow: FlowSpec, selection: Selection, source: Source, staging: Staging
) -> tuple[PartRef, ...]:
    """Stages the records of a selection, ``part_size`` per part; no part where there is nothing new."""
    before = source.calls
    progress = current()
    progress.begin(
        "read", flow.stream.replace("_", " "), lambda: _announced(source), lambda: source.calls - before
    )
    records = chain(constants(flow, selection), _read(source, selection))
    parts: list[PartRef] = []
    while first := next(records, None):
        lines = chain([first], islice(records, flow.part_size - 1))
        parts.append(staging.write_lines(f"raw/{len(parts):05}.jsonl", lines))
    return tuple(parts)


def _read(source: Source, selection: Selection) -> Iterator[bytes]:
    """Every record of the selection once: those of its window, then named ones that were not among them."""
    wanted = dict.fromkeys(selection.ids)
    missing, progress = 0, current()
    for source_id, record in source.read(selection):
        wanted.pop(source_id, None)
        missing += record is None
        progress.advance()
        if record is not None:
            yield record
    for _, record in source.read_ids(tuple(wanted)) if wanted else ():
        missing += record is None
        progress.advance()
        if record is not None:
            yield record
    if missing:
        log.warning("%s ids were found and could not be read", missing)


def _announced(source: Source) -> int | None:
    return source.announced if isinstance(source, AnnouncesTotal) else None


def constants(flow: FlowSpec, selection: Selection) -> Iterator[bytes]:
    """The records that a flow file holds itself, which go along where all is read."""
    from_the_start = selection.window is not None and selection.window.start is None
    if from_the_start or selection.full_resync:
        yield from (json.dumps(record, ensure_ascii=False).encode() for record in flow.constants)
