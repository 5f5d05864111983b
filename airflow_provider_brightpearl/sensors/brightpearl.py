"""Waiting for records of Brightpearl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_brightpearl.compat import AirflowFailException, BaseSensorOperator
from airflow_provider_brightpearl.core.window import parse_instant
from airflow_provider_brightpearl.errors import Misconfigured, RetryLater, Unavailable
from airflow_provider_brightpearl.operators.pausing import default_deferrable
from airflow_provider_brightpearl.operators.retry import airflow_errors


class BrightpearlRecordSensor(BaseSensorOperator):
    """Waits until records match a search, or until some were created or changed since an instant.

    Each look is one call that transfers no records, or two with ``changed_since``. An account that does not answer
    for a moment is looked at again; refused credentials and wrong parameters fail the task at once.

    Args:
        search: path of a search, such as ``order-service/order-search``. (templated)
        filters: filters of the search, text by name, such as ``{"orderStatusId": "4"}``. (templated)
        changed_since: count records created or changed at this instant or later; ISO 8601, UTC where it has no
            offset. The search needs the columns ``createdOn`` and ``updatedOn``. (templated)
        at_least: how many records there have to be.
        brightpearl_conn_id: connection of the account. (templated)
        deferrable: whether to wait without a worker; ``[operators] default_deferrable`` if left out.
        kwargs: arguments of every sensor, such as ``poke_interval`` and ``timeout``, in seconds, and ``soft_fail``.

    Returns:
        How many records there are. One that was created and changed since the instant counts once.

    Raises:
        AirflowFailException: only a person can help.
        AirflowSensorTimeout: there were not enough records within ``timeout``.
    """

    template_fields: Sequence[str] = ("search", "filters", "changed_since", "brightpearl_conn_id")
    template_fields_renderers = {"filters": "json"}
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        search: str,
        filters: Mapping[str, str] | None = None,
        changed_since: str | None = None,
        at_least: int = 1,
        brightpearl_conn_id: str = "brightpearl_default",
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.search = search
        self.filters = filters
        self.changed_since = changed_since
        self.at_least = at_least
        self.brightpearl_conn_id = brightpearl_conn_id
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self._found = 0

    def execute(self, context: Any) -> int:
        """Looks once, and waits where there are not enough."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            from airflow_provider_brightpearl.triggers.brightpearl import BrightpearlRecordTrigger

            self.defer(
                trigger=BrightpearlRecordTrigger(
                    self.brightpearl_conn_id, self.search, self._searches(), self.at_least, self._pause()
                ),
                method_name="resume",
                timeout=timedelta(seconds=self.timeout),
            )
        return self._found

    def poke(self, context: Any) -> bool:
        """Whether there are enough records now."""
        from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook

        with airflow_errors(self.log):
            searches = self._searches()
            hook = BrightpearlHook(self.brightpearl_conn_id)
            try:
                self._found = sum(hook.count(self.search, filters=filters) for filters in searches)
            except RetryLater as error:
                self.log.warning("looking again: %s", error)
                return False
        self.log.info("%s of %s records", self._found, self.at_least)
        return self._found >= self.at_least

    def resume(self, context: Any, event: Mapping[str, Any]) -> int:
        """Ends with what the trigger found."""
        if event["outcome"] == "failed":
            raise (Unavailable if event["retry"] else AirflowFailException)(event["message"])
        return int(event["records"])

    def _pause(self) -> float:
        pause: Any = self.poke_interval
        return float(pause.total_seconds() if isinstance(pause, timedelta) else pause)

    def _searches(self) -> list[dict[str, str]]:
        """Filters of each search; two that cannot find the same record where a change is waited for."""
        from airflow_provider_brightpearl.systems.brightpearl.client import period

        filters = dict(self.filters or {})
        if self.changed_since is None:
            return [filters]
        if taken := sorted(filters.keys() & {"createdOn", "updatedOn"}):
            raise Misconfigured(f"filters: {taken[0]} is what changed_since asks for; give one of them")
        try:
            since = parse_instant(str(self.changed_since))
        except ValueError:
            raise Misconfigured(f"changed_since {self.changed_since!r} is not a valid timestamp") from None
        # a period needs an end, and this one is not reached while the sensor waits
        far = max(since, datetime.now(UTC)) + timedelta(days=3650)
        before = since - timedelta(milliseconds=1)
        return [
            {**filters, "createdOn": period(since, far)},
            {**filters, "updatedOn": period(since, far), "createdOn": period(None, before)},
        ]
