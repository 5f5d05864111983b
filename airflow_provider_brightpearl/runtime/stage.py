"""What every stage of a run does around its work: progress, the flow's lease, and a row in the ledger if it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from airflow_provider_brightpearl.core.progress import Progress
from airflow_provider_brightpearl.core.quota import drawing_on, share_of
from airflow_provider_brightpearl.core.reports import RunInfo
from airflow_provider_brightpearl.errors import (
    FlowBusy,
    GateClosed,
    LeaseLost,
    OutOfBalance,
    RetryLater,
    SyncError,
    TooManyRefused,
)
from airflow_provider_brightpearl.pipeline.settle import failed_run
from airflow_provider_brightpearl.runtime.lease import writing_alone
from airflow_provider_brightpearl.runtime.progress import logged_progress
from airflow_provider_brightpearl.runtime.state_guard import check_state, current_state
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems.http.secrets import redacted

log = logging.getLogger(__name__)

# their rows are written where they are raised, with the counts of the run
_IN_LEDGER = (GateClosed, OutOfBalance, TooManyRefused)
_NOTE_LENGTH = 500


@contextmanager
def stage(
    wiring: Wiring,
    name: str,
    run: RunInfo,
    part: str = "",
    *,
    writes: int = 0,
    ends: bool = False,
    alone: bool = True,
) -> Iterator[Progress]:
    """Logs the progress of a stage, which alone may write, and leaves a row in the ledger where it fails.

    So no run is missing there; a later try replaces the row. ``ends`` and ``alone`` are those of ``writing_alone``.
    """
    work = f"{name}, part {part}" if part else name
    with (
        logged_progress(f"{wiring.flow.flow} {work}") as progress,
        drawing_on(share_of(run.kind)),
        ExitStack() as held,
    ):
        try:
            if run.state.identity:
                check_state(wiring, run, writes)
            else:
                # before a lease counts that is one of an older copy
                current_state(wiring.ledger, wiring.environment)
            held.enter_context(writing_alone(wiring, run.holder, work, ends=ends, alone=alone))
            yield progress
        except (*_IN_LEDGER, FlowBusy, LeaseLost):
            # those have their row, or it is not for this run to write one
            raise
        except RetryLater as error:
            # a run that waits has not failed
            waits = error.outage is not None or (error.partial and wiring.environment.sits_out)
            if not waits:
                _record_failure(wiring, name, run, error)
            raise
        except Exception as error:
            _record_failure(wiring, name, run, error)
            raise


def _record_failure(wiring: Wiring, stage: str, run: RunInfo, error: Exception) -> None:
    note = redacted(f"{stage}: {str(error) or type(error).__name__}")[:_NOTE_LENGTH]
    try:
        written = wiring.events.written(wiring.flow.flow, run.attempt)
        wiring.ledger.record(failed_run(wiring.flow.flow, run, written, note, wiring.environment.now()))
    except SyncError as unrecorded:
        # most likely the very reason of the failure; the task's log and the alert have it
        log.warning("the failure is not in the ledger: %s", unrecorded)
