"""State that outlives a request: query cursors, bulk jobs, deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ..settings import int_setting
from .errors import resource_not_found
from .ids import make_id
from .org import Org
from .soql.execution import QueryResult


class Cursors:
    """Result sets read page by page, kept for two days (reference, section 3.3)."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._open: dict[str, tuple[QueryResult, float]] = {}
        self._count = 0

    def clear(self) -> None:
        """Delete all cursors."""
        self._open.clear()

    def keep(self, found: QueryResult) -> str:
        """Store a result set and return its locator."""
        self._count += 1
        locator = make_id("0r8", self._count)
        self._open[locator] = (found, self._org.clock.seconds())
        return locator

    def get(self, locator: str) -> QueryResult | None:
        """The result set of a locator; None if it is unknown or expired."""
        found, since = self._open.get(locator, (None, 0.0))
        if found is None or self._org.clock.seconds() - since > int_setting(
            self._org.settings, "cursor_seconds"
        ):
            self._open.pop(locator, None)
            return None
        return found


class _Aged(Protocol):
    since: float  # sandbox seconds of its creation


BulkJob = TypeVar("BulkJob", bound=_Aged)


class Jobs:
    """Cursors, ingest jobs, query jobs and deployments of the org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.cursors = Cursors(org)
        self.ingest: dict[str, Any] = {}
        self.queries: dict[str, Any] = {}
        self.deploys: dict[str, Any] = {}
        self._count = 0

    def clear(self) -> None:
        """Delete everything and stop running jobs."""
        for job in self.ingest.values():
            job.load.stopped = True
        self.cursors.clear()
        self.ingest.clear()
        self.queries.clear()
        self.deploys.clear()

    def require(self, jobs: Mapping[str, BulkJob], job_id: str) -> BulkJob:
        """A job that exists and has not expired. Raises: ApiError NOT_FOUND."""
        job = jobs.get(job_id)
        kept = int_setting(self._org.settings, "bulk_retention_seconds")
        if job is None or self._org.clock.seconds() - job.since > kept:
            raise resource_not_found()
        return job

    def next_id(self) -> str:
        """A new job id."""
        self._count += 1
        return make_id("750", self._count)
