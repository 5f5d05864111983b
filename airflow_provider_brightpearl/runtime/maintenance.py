"""Removes staging files and state that are older than the settings say."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.stores.retention import Cutoffs, clean_state
from airflow_provider_brightpearl.stores.staging import sweep

# a run that is going on needs its files, whatever the setting says
_SHORTEST = timedelta(days=1)


def clean(
    environment: Environment, before: datetime | None = None, *, dry_run: bool = False
) -> dict[str, int]:
    """Removes what is too old, from the state database and from staging.

    Args:
        environment: its settings say how long each kind is kept.
        before: an aware instant that decides for the state database instead.
        dry_run: only count.

    Returns:
        How many of each kind were removed, or would be: ``payloads``, ``dead_letters``, ``runs``,
        ``reconciliations``, ``events``, ``intents``, ``queued``, ``conflicts``, ``inbox``, ``inbox_events``, and
        ``staging`` folders.

    Raises:
        Unavailable: the state database does not answer.
    """
    now, keep = environment.now(), environment.keep
    cutoffs = Cutoffs(
        payloads=before or now - keep.payloads,
        events=before or now - keep.events,
        history=before or now - keep.history,
    )
    removed = clean_state(environment.state(), cutoffs, dry_run=dry_run)
    oldest = now - max(keep.staging, _SHORTEST)
    removed["staging"] = sweep(environment.staging(), oldest, dry_run=dry_run)
    return removed
