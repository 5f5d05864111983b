"""Notices that the state database is another one, or an older copy, than runs have worked with."""

from __future__ import annotations

import logging

from airflow_provider_brightpearl.core.ports.stores import Ledger
from airflow_provider_brightpearl.core.reports import RunInfo, StateMark
from airflow_provider_brightpearl.errors import Misconfigured, RunChanged
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.state_marks import StateMarks

log = logging.getLogger(__name__)

_SYSTEM = "state database"


def current_state(ledger: Ledger, environment: Environment) -> StateMark:
    """The mark of the state database, before a run or a command changes it.

    Raises:
        Misconfigured: it is an older copy of one that runs have worked with. What they wrote since is not known to it,
            and would be written again where the target has no key for it.
    """
    newest = _kept(environment, ledger.mark().identity)
    mark = ledger.mark()
    if mark.writes < newest:
        raise Misconfigured(
            f"the state database is an older copy: runs have written to it {newest - mark.writes} times more "
            "than it knows of. Put back the newer one, or run `brightpearl state restored`, which lets every flow "
            "read everything once and look in its target before it creates anything",
            system=_SYSTEM,
        )
    return mark


def check_state(wiring: Wiring, run: RunInfo, writes: int = 0) -> None:
    """Raises ``RunChanged`` where the state is not that of the run's beginning, or of any stage so far.

    Else its watermark, letters and intents would be passed over, and a fresh watermark written. ``writes`` are those
    that the stages reported, for where the kept mark cannot be read.
    """
    if not run.state.identity:
        return
    newest = _kept(wiring.environment, run.state.identity)
    mark = wiring.ledger.mark()
    if mark.identity != run.state.identity:
        raise RunChanged(
            "the state database is not the one that this run began with: it was emptied or replaced, or each worker "
            "sees a file of its own (then name a PostgreSQL database, or one folder for all); put it back, or clear "
            "the run from its task extract on",
            system=_SYSTEM,
        )
    if mark.writes < max(writes, run.state.writes, newest):
        raise RunChanged(
            "the state database is an older copy of the one that this run began with: what was written since is not "
            "known to it; put back the newer one, or run `brightpearl state restored` and clear the run from its "
            "task extract on",
            system=_SYSTEM,
        )


def _kept(environment: Environment, identity: str) -> int:
    """The kept mark; read before the database's own, as other workers count and keep in between."""
    return StateMarks(environment.staging()).newest(identity).writes


def count_write(wiring: Wiring, run: RunInfo) -> int:
    """Counts one more write and keeps the mark, before or after something is written; returns the count.

    Raises:
        RunChanged: as ``check_state``; an older copy is not counted on, as it would soon pass for the newest state.
        Unavailable: the state database cannot be written, so what would be written now could not be recorded.
    """
    check_state(wiring, run)
    wiring.ledger.advance()
    return keep_mark(wiring)


def keep_mark(wiring: Wiring) -> int:
    """Keeps how often runs have written to the state database, for runs to come; returns it."""
    mark = wiring.ledger.mark()
    try:
        StateMarks(wiring.environment.staging()).keep(mark)
    except OSError as error:
        # what was written is recorded; only an older copy would be noticed later
        log.warning("the mark of the state database was not kept: %s", error)
    return mark.writes
