"""Ends the window of a run by the clock of its source, as that is what dates the records."""

from __future__ import annotations

import logging
from datetime import datetime

from airflow_provider_brightpearl.core.window import Selection, ended_by
from airflow_provider_brightpearl.runtime.wiring import Wiring

log = logging.getLogger(__name__)


def by_the_sources_clock(wiring: Wiring, planned: Selection, now: datetime, moment: float) -> Selection:
    """What a run counts as read, by the answers of its source; see ``ended_by``.

    Args:
        wiring: the flow, whose source has answered.
        planned: the selection, as planned.
        now: when it was planned, by our clock.
        moment: the same by the monotonic clock.
    """
    source_now = wiring.source_time(moment)
    if source_now is None:
        return planned
    ended = ended_by(planned, now, source_now, wiring.flow.window.policy)
    if ended is not planned:
        log.warning(
            "the clock of this machine is %s ahead of that of %s, by which the run counts as read up to %s; "
            "let NTP set the clock", now - source_now, wiring.flow.source_system, ended.window and ended.window.end,
        )  # fmt: skip
    return ended
