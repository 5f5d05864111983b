"""Waiting for Brightpearl without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow_provider_brightpearl.compat import BaseTrigger, TriggerEvent
from airflow_provider_brightpearl.errors import RetryLater, Stop, SyncError
from airflow_provider_brightpearl.triggers.threads import in_thread


class BrightpearlRecordTrigger(BaseTrigger):
    """Fires once when the searches have enough rows together.

    Args:
        brightpearl_conn_id: Airflow connection id.
        search: path of the search.
        filters: filters of each search, text by name.
        at_least: rows wanted of all of them together.
        poke_interval: seconds between looks, each of which is a call a search.

    Returns:
        The event's payload: ``outcome``, which is ``found`` with ``records``, or ``failed`` with ``message`` and
        ``retry``.
    """

    def __init__(
        self,
        brightpearl_conn_id: str,
        search: str,
        filters: Sequence[Mapping[str, str]],
        at_least: int,
        poke_interval: float,
    ) -> None:
        super().__init__()
        self.brightpearl_conn_id = brightpearl_conn_id
        self.search = search
        self.filters = [dict(each) for each in filters]
        self.at_least = at_least
        self.poke_interval = poke_interval
        self._hook: Any = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as triggers are stored."""
        names = ("brightpearl_conn_id", "search", "filters", "at_least", "poke_interval")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Counts again and again until there are enough."""
        while True:
            try:
                found = await in_thread(self._count)
            except RetryLater as error:
                self.log.info("looking again: %s", error)
            except SyncError as error:
                yield TriggerEvent(
                    {"outcome": "failed", "message": str(error), "retry": not isinstance(error, Stop)}
                )
                return
            else:
                if found >= self.at_least:
                    yield TriggerEvent({"outcome": "found", "records": found})
                    return
                self.log.info(
                    "%s of %s records; looking again in %s s", found, self.at_least, self.poke_interval
                )
            await asyncio.sleep(self.poke_interval)

    def _count(self) -> int:
        from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook

        self._hook = self._hook or BrightpearlHook(self.brightpearl_conn_id)
        return sum(self._hook.count(self.search, filters=filters) for filters in self.filters)
