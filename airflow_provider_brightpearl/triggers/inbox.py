"""Waiting for events without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.compat import BaseEventTrigger, TriggerEvent
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.triggers.threads import in_thread

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

# seconds until it fires again where nobody came, doubled each time: a DAG may be paused
_AGAIN, _LONGEST = 30.0, 600.0
# seconds between two looks while the state database does not answer
_DOWN = 10.0


class InboxTrigger(BaseEventTrigger):
    """Fires when records are due in the inbox that a group of flows processes, and nobody does so.

    It takes nothing: whoever it wakes does. A look is one small query.

    Args:
        group: name of the group, whose lease says that somebody works for it.
        flows: names of its flows.
        systems: names of the systems whose events they wait for.
        source_conn_id: connection of these, None for the systems' usual ones.
        poke_interval: seconds between looks.
        once: whether it ends when it has fired; a watcher of Airflow 3 does not.
    """

    def __init__(
        self,
        group: str,
        flows: Sequence[str],
        systems: Sequence[str],
        source_conn_id: str | None = None,
        poke_interval: float = 1.0,
        *,
        once: bool = False,
    ) -> None:
        super().__init__()
        self.group = group
        self.flows = list(flows)
        self.systems = list(systems)
        self.source_conn_id = source_conn_id
        self.poke_interval = poke_interval
        self.once = once
        self._engine: Engine | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as triggers are stored."""
        names = ("group", "flows", "systems", "source_conn_id", "poke_interval", "once")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks again and again, for as long as it lives."""
        again_at, pause = float("-inf"), _AGAIN
        while True:
            wait = self.poke_interval
            try:
                due = await in_thread(self._due)
            except SyncError as error:
                self.log.warning("the inbox is looked at again in %s s: %s", _DOWN, error)
                due, wait = None, _DOWN
            if due and time.monotonic() >= again_at:
                again_at, pause = time.monotonic() + pause, min(2 * pause, _LONGEST)
                yield TriggerEvent({"outcome": "due", "group": self.group})
                if self.once:
                    return
            elif due is False:
                again_at, pause = float("-inf"), _AGAIN
            await asyncio.sleep(wait)

    def _due(self) -> bool:
        from airflow_provider_brightpearl.environment import state_engine
        from airflow_provider_brightpearl.runtime.events import group_leases, listening
        from airflow_provider_brightpearl.stores.inbox import SqlInbox

        self._engine = self._engine or state_engine()
        mine = listening(self.flows, self.systems, self.source_conn_id)
        # the smaller query first: much may be due as long as somebody works
        if group_leases(self._engine).held(self.group):
            return False
        return any(mine.takes(topic) for topic in SqlInbox(self._engine).due())
