"""Waiting for events of a group of flows, where no watcher does: on Airflow 2."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.compat import BaseSensorOperator
from airflow_provider_brightpearl.triggers.inbox import InboxTrigger


class InboxSensor(BaseSensorOperator):
    """Waits without a worker until records are due that a group of flows processes.

    Args:
        trigger: what waits; it ends with its first event.
        kwargs: arguments of every sensor.
    """

    ui_color = "#e8e3f4"

    def __init__(self, *, trigger: InboxTrigger, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.waiting = trigger

    def execute(self, context: Any) -> None:
        """Hands over to the triggerer."""
        self.defer(trigger=self.waiting, method_name="resume")

    def resume(self, context: Any, event: Any = None) -> None:
        """Ends, once records are due."""
        self.log.info("events have arrived")
