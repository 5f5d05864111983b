"""Leaves a row in the ledger for a run that failed, so that no run is missing there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow_provider_brightpearl.compat import AirflowSkipException
from airflow_provider_brightpearl.core.ports import RunEntry
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.run import RunFacts
from airflow_provider_brightpearl.errors import GateClosed, OutOfBalance, SyncError
from airflow_provider_brightpearl.operators.request import run_kind
from airflow_provider_brightpearl.operators.wiring import Wiring

log = logging.getLogger(__name__)

# their rows are written where they are raised, with the counts of the run
_IN_LEDGER = (GateClosed, OutOfBalance)
_NOTE_LENGTH = 500


@contextmanager
def noted(wiring: Wiring, context: Mapping[str, Any], facts: Mapping[str, Any] | None) -> Iterator[None]:
    """Writes down that a stage failed and why, then lets the error go on; a later try writes over the row.

    ``facts`` is None in the first stage, which makes them.
    """
    try:
        yield
    except (AirflowSkipException, *_IN_LEDGER):
        raise
    except Exception as error:
        _record(wiring, _entry(wiring, context, facts, error))
        raise


def _record(wiring: Wiring, entry: RunEntry) -> None:
    try:
        wiring.ledger.record(entry)
    except SyncError as error:
        # most likely the very reason of the failure; the task's log and the alert have it
        log.warning("the failure is not in the ledger: %s", error)


def _entry(
    wiring: Wiring, context: Mapping[str, Any], facts: Mapping[str, Any] | None, error: Exception
) -> RunEntry:
    now, flow = datetime.now(UTC), wiring.flow.flow
    note = f"{context['ti'].task_id}: {str(error) or type(error).__name__}"[:_NOTE_LENGTH]
    if facts is None:
        kind = run_kind(context["dag_run"].run_type).value
        run = str(context["run_id"])
        return RunEntry(run, flow, kind, "failed", None, "", Counts(), Calls(), {}, now, now, note=note)
    known = RunFacts.from_dict(facts)
    return RunEntry(
        known.run, flow, known.kind.value, "failed", known.selection.window, known.mapping_version,
        Counts(), known.calls, {}, known.started_at, now, note=note,
    )  # fmt: skip
