"""Tells people that a system's calls of a day are used up, once for all tasks that wait."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from airflow_provider_brightpearl.alerts import Alert
from airflow_provider_brightpearl.errors import RateLimited, SyncError
from airflow_provider_brightpearl.notifications import announce

log = logging.getLogger(__name__)


def opens_at(error: RateLimited) -> datetime:
    """When the quota opens, in UTC."""
    return datetime.now(UTC) + timedelta(seconds=error.wait_seconds or 0)


def announce_stop(error: RateLimited, context: Any, on_alert: Sequence[Any]) -> None:
    """Sends an alert, unless one was sent for this system within a day."""
    if not _is_news(error.system):
        return
    name = error.system.capitalize() or "A system"
    alert = Alert(
        f"{name} takes no more calls before {opens_at(error):%Y-%m-%d %H:%M} UTC",
        (
            str(error),
            "Tasks that call it wait and go on by themselves; nothing has to be done.",
            "If this happens often: longer schedules, more calls in the contract, or a lower daily_reserve_percent.",
        ),
    )
    announce(alert, context, on_alert)


def _is_news(system: str) -> bool:
    # imported by the worker only
    from airflow_provider_brightpearl.environment import state_engine
    from airflow_provider_brightpearl.stores.notices import SqlNotices

    try:
        return SqlNotices(state_engine()).is_news("", f"quota of {system}", uuid4().hex)
    except SyncError as error:
        log.info("whether others were told of the quota is not known: %s", error)
        return True
