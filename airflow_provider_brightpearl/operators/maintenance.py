"""Removes staging files and state that are no longer needed, as an Airflow operator."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.compat import BaseOperator
from airflow_provider_brightpearl.operators.retry import airflow_errors


class CleanOperator(BaseOperator):
    """Removes staging files and state older than the settings say; returns how many of each kind.

    Settings: ``keep_staging_days``, ``payload_days``, ``event_days``, ``history_days``.
    """

    ui_color = "#eeeeee"
    ui_fgcolor = "#1b1f24"

    def execute(self, context: Any) -> dict[str, int]:
        # imported by the worker only: they pull in SQLAlchemy
        from airflow_provider_brightpearl.environment import airflow_environment
        from airflow_provider_brightpearl.runtime.maintenance import clean

        with airflow_errors(self.log):
            removed = clean(airflow_environment())
        self.log.info("removed: %s", ", ".join(f"{count:,} {name}" for name, count in removed.items()))
        return removed
