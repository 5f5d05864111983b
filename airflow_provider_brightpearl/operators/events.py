"""Runs flows for what events named, as an Airflow operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl import alerts
from airflow_provider_brightpearl.notifications import announce
from airflow_provider_brightpearl.operators.pausing import PausingOperator, Plain


class ProcessEventsOperator(PausingOperator):
    """Processes what is due in the inbox for a group of flows, and stays for a while after the last of it.

    A flow runs for the records that events named, by id, with the ledger, dead letters and quota of any run of it.
    What a system that is down keeps from being processed waits in the inbox, and does not fail the task. A record that
    breaks its run is tried again in ever smaller groups, at last alone, and then set aside with an alert.

    Args:
        group: name of the group; one process works for it at a time.
        flows: names of its flows.
        linger: seconds that the task waits for further events after the last one, so that the next one does not pay
            for a start.
        longest: seconds after which it ends where events never do; the next run goes on.
        mappings: folder of the flow files, None for the configured one.
        source_conn_id: connection of the sources, None for the systems' usual ones.
        target_conn_id: connection of the targets, likewise.
        on_alert: notifiers that get an alert of records that were set aside, besides mail.

    Returns:
        What was done: ``runs``, ``records`` and ``failed`` by flow, ``waiting`` with why, and ``aside``.
    """

    ui_color = "#e8e3f4"
    ui_fgcolor = "#1b1f24"

    def __init__(
        self,
        *,
        group: str,
        flows: Sequence[str],
        linger: float = 60,
        longest: float = 600,
        mappings: str | Path | None = None,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        on_alert: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.group = group
        self.flows = list(flows)
        self.linger = linger
        self.longest = longest
        self.mappings = str(mappings) if mappings else None
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.on_alert = list(on_alert)

    def work(self, context: Any, state: Plain) -> Plain:
        # imported by the worker only: they pull in DuckDB, requests and SQLAlchemy
        from airflow_provider_brightpearl.environment import airflow_environment
        from airflow_provider_brightpearl.runtime.events import EventRunner, group_leases
        from airflow_provider_brightpearl.runtime.lease import holding_lease

        environment = airflow_environment(self.mappings)
        # a try that follows makes other runs: those of the earlier one stay in the ledger
        name = f"{context['run_id']}.{environment.now():%Y%m%dT%H%M%S}"
        with holding_lease(group_leases(environment.state()), self.group, name) as check:
            runner = EventRunner(
                environment, self.flows, name, self.source_conn_id, self.target_conn_id, alive=check
            )
            try:
                runner.process(timedelta(seconds=self.linger), timedelta(seconds=self.longest))
            finally:
                # no later run hears of these
                if runner.report.aside:
                    announce(alerts.set_aside(runner.report.aside, context), context, self.on_alert)
        return runner.report.as_dict()
