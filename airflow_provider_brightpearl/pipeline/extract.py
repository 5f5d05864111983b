"""Reads what a run selects and stages it as it came, in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from airflow_provider_brightpearl.core.ports import DeadLetters, Source, Staging
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.mapping.spec import FlowSpec

# dead letters read again in one run; the rest follows in the next one
DUE_LIMIT = 10_000


def extract(
    flow: FlowSpec, selection: Selection, source: Source, letters: DeadLetters, staging: Staging, version: str
) -> list[dict[str, Any]]:
    """References of the raw parts, none where there is nothing new.

    A run that moves the watermark also reads the records whose reason for rejection may be gone: parked ones whose
    parent has arrived, and rejected ones since the mapping changed.
    """
    if selection.moves_watermark:
        selection = replace(selection, ids=tuple(letters.due(flow.flow, version, DUE_LIMIT)))
    records = chain(constants(flow, selection), source.read(selection))
    parts: list[dict[str, Any]] = []
    while first := next(records, None):
        name = f"raw/{len(parts):05}.jsonl"
        lines = chain([first], islice(records, flow.part_size - 1))
        parts.append(staging.write_lines(name, lines).as_dict())
    return parts


def constants(flow: FlowSpec, selection: Selection) -> Iterator[bytes]:
    """The records that a flow file holds itself, which go along where all is read."""
    from_the_start = selection.window is not None and selection.window.start is None
    if from_the_start or selection.everything:
        yield from (json.dumps(record, ensure_ascii=False).encode() for record in flow.constants)
