"""Waiting for a moment without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow_provider_brightpearl.compat import BaseTrigger, TriggerEvent

# a clock that is set meanwhile is noticed that soon
_STEP = 60.0


class PauseTrigger(BaseTrigger):
    """Fires once at a moment, and hands the state of the work on.

    Airflow's own trigger of this kind hands nothing on, and ``dag.test()`` drops what the task kept itself.

    Args:
        until: the moment, in seconds since 1970.
        state: plain values that the task goes on from.

    Returns:
        The event's payload: ``{"outcome": "over", "state": state}``.
    """

    def __init__(self, until: float, state: Mapping[str, Any]) -> None:
        super().__init__()
        self.until = until
        self.state = dict(state)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as triggers are stored."""
        return f"{__name__}.{type(self).__name__}", {"until": self.until, "state": self.state}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleeps until the moment."""
        while (left := self.until - time.time()) > 0:
            await asyncio.sleep(min(left, _STEP))
        yield TriggerEvent({"outcome": "over", "state": self.state})
