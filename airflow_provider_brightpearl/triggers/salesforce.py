"""Waiting for Salesforce without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow_provider_brightpearl.compat import BaseTrigger, TriggerEvent, airflow_version
from airflow_provider_brightpearl.errors import RetryLater, Stop, SyncError
from airflow_provider_brightpearl.triggers.threads import in_thread

# what an org gives a job at most is ten minutes a batch and fifteen batches of tries; most end in minutes
PATIENCE = 6 * 3600.0


class SalesforceBulkJobsTrigger(BaseTrigger):
    """Fires once when all of some bulk jobs have ended, within 2 seconds or a quarter of their duration.

    A user who fails or clears the waiting task ends the jobs too (Airflow 2.11, and 3.3 or later).

    Args:
        salesforce_conn_id: Airflow connection id.
        jobs: paths such as ``jobs/ingest/750…``.
        since: when they were submitted, in seconds since 1970, so that another triggerer goes on counting.
        state: plain values that the task goes on from, handed on in the event.

    Returns:
        The event's payload: ``state``, and ``outcome``, which is ``ended``, or ``failed`` with ``message`` and
        ``retry``.
    """

    def __init__(
        self,
        salesforce_conn_id: str,
        jobs: Sequence[str],
        since: float,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.salesforce_conn_id = salesforce_conn_id
        self.jobs = list(jobs)
        self.since = since
        self.state = dict(state or {})
        self._client: Any = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as triggers are stored."""
        names = ("salesforce_conn_id", "jobs", "since", "state")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks at the jobs until all have ended."""
        try:
            yield TriggerEvent({**await self._outcome(), "state": self.state})
        except asyncio.CancelledError:
            # Airflow 3.3 calls on_kill itself
            if airflow_version() < (3, 0) and await in_thread(self._no_longer_deferred):
                await self.on_kill()
            raise

    async def on_kill(self) -> None:
        """Aborts the jobs; rows that they have written stay written."""
        await in_thread(self._abort)

    async def _outcome(self) -> dict[str, Any]:
        from airflow_provider_brightpearl.systems.salesforce.bulk import pause_before_look

        open_jobs = list(self.jobs)
        while open_jobs:
            waited = time.time() - self.since
            if waited > PATIENCE:
                message = f"bulk jobs {', '.join(open_jobs)} have not ended after {waited:.0f} s"
                return {"outcome": "failed", "message": message, "retry": True}
            await asyncio.sleep(pause_before_look(waited))
            try:
                while open_jobs and await in_thread(self._ended, open_jobs[0]):
                    open_jobs.pop(0)
            except RetryLater as error:
                if error.code in ("Failed", "Aborted"):
                    return _failed(error)
                self.log.info("looking again: %s", error)
            except SyncError as error:
                return _failed(error)
        return {"outcome": "ended"}

    def _jobs_of_client(self) -> Any:
        from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook

        self._client = self._client or SalesforceHook(self.salesforce_conn_id).get_client()
        return self._client.bulk_jobs()

    def _ended(self, job: str) -> bool:
        return bool(self._jobs_of_client().ended(job))

    def _abort(self) -> None:
        jobs = self._jobs_of_client()
        for job in self.jobs:
            jobs.abort(job)
            self.log.info("bulk job %s aborted", job)

    def _no_longer_deferred(self) -> bool:
        """Whether the task left the state that a triggerer's restart leaves it in; asked of Airflow 2's database."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState

        own = self.task_instance
        if own is None:
            return False
        with create_session() as session:
            found = session.query(TaskInstance.state).filter_by(
                dag_id=own.dag_id, task_id=own.task_id, run_id=own.run_id, map_index=own.map_index
            )
            return bool(found.scalar() != TaskInstanceState.DEFERRED)


def _failed(error: SyncError) -> dict[str, Any]:
    return {"outcome": "failed", "message": str(error), "retry": not isinstance(error, Stop)}
