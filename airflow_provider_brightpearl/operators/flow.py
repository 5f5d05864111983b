"""A whole flow in one task, for DAGs of your own: ``FlowOperator``, and a form of it for each target.

``sync_dag`` makes a DAG with a task per stage, which runs parts side by side and shows the progress of a run. The
operators here do the same work in one process, wherever a flow is one step among others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.assets import create_asset
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.lineage import operator_lineage
from airflow_provider_brightpearl.links import (
    GateReportLink,
    RunSummaryLink,
    TargetLink,
    keep_link,
    keep_page,
)
from airflow_provider_brightpearl.notifications import SyncNotifier
from airflow_provider_brightpearl.operators.request import run_request
from airflow_provider_brightpearl.operators.retry import retry_arguments
from airflow_provider_brightpearl.operators.stages import GATE_PAGE, StageOperator, finish_run
from airflow_provider_brightpearl.operators.templates import NOTHING, template_ids

_SWITCH = {"true": True, "1": True, "false": False, "0": False}


class FlowOperator(StageOperator):
    """Runs a whole flow in one task, extract to settle, and returns the summary of the run (a dict, as XCom).

    What it reads follows the same rules as the DAG of the flow: ``ids``, or the window from ``start`` to ``end``, or
    everything with ``full_resync``. Without any of these, a backfill reads its data interval, and every other run
    reads from the watermark on, and moves it. Ledger, dead letters and write-backs are those of the flow, whichever
    way it runs; its rows in the ledger are named ``<dag>.<task>/<run id>``.

    A run that fails, or takes longer than ``execution_hours``, is retried as the tasks of ``sync_dag`` are, unless
    ``retries`` is set; an error that only a person can resolve fails at once. A try that follows begins anew and
    writes only what the last one has not. Let one run of a flow end before the next begins (``max_active_runs=1``), as
    ``sync_dag`` does.

    Args:
        flow: name of the flow file without ``.yaml``. (templated)
        mappings: folder of the flow files; the configured one if left out. (templated)
        source_conn_id: connection of the source; the system's usual one, such as ``brightpearl_default``, if left
            out. (templated)
        target_conn_id: connection of the target, likewise. (templated)
        ids: ids of source records; only these are read. A list, or text with commas or spaces. (templated)
        start: first instant of source changes to read; ISO 8601 text without an offset is UTC. (templated)
        end: instant to read up to, itself left out; now if only ``start`` is given. (templated)
        full_resync: read all records of the source, whenever changed. (templated)
        skip_if_empty: end as skipped where the source had nothing new, so that no asset event goes out and the tasks
            behind are skipped too; the summary is returned all the same.
        on_alert: notifiers that get every alert of the task (failure, rejected and parked records, warnings), besides
            the mail to ``[brightpearl] alert_email``; they find it as ``{{ alert.subject }}`` and ``{{ alert.text }}``.
        kwargs: arguments of every operator. ``outlets`` is the asset of the flow if left out.

    Raises:
        AirflowFailException: only a person can help, such as with a closed gate or refused credentials.
        AirflowSkipException: nothing new in the window, and ``skip_if_empty`` is on.
        RetryLater: a system does not answer now; Airflow tries again.
    """

    template_fields: Sequence[str] = (
        "flow",
        "mappings",
        "source_conn_id",
        "target_conn_id",
        "ids",
        "start",
        "end",
        "full_resync",
    )
    operator_extra_links = (GateReportLink(), RunSummaryLink(), TargetLink())
    ui_color = "#dbe9f6"

    # systems that the flow has to be of; None for any
    source_system: ClassVar[str | None] = None
    target_system: ClassVar[str | None] = None

    def __init__(
        self,
        *,
        flow: str,
        mappings: str | None = None,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        ids: Sequence[str] | str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        full_resync: bool | str = False,
        skip_if_empty: bool = True,
        on_alert: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        # weaker than the default_args of the DAG, which Airflow has merged into these
        kwargs["default_args"] = {
            **retry_arguments(settings.number("retries")),
            "execution_timeout": settings.execution_timeout(),
            "on_failure_callback": [SyncNotifier(notifiers=on_alert)],
            **(kwargs.get("default_args") or {}),
        }
        # the name of a templated flow is known only once it runs
        if "{" not in flow:
            kwargs.setdefault("outlets", [create_asset(flow=flow)])
        super().__init__(
            flow=flow,
            mappings=mappings,
            source_conn_id=source_conn_id,
            target_conn_id=target_conn_id,
            on_alert=on_alert,
            **kwargs,
        )
        self.ids = ids
        self.start = start
        self.end = end
        self.full_resync = full_resync
        self.skip_if_empty = skip_if_empty

    def stage(self, wiring: Any, context: Any) -> dict[str, Any]:
        """Runs the flow; called by ``execute`` with its ports open."""
        from airflow_provider_brightpearl.runtime.run import run_flow

        self._check_systems(wiring.flow)
        asked = {
            "from": _value(self.start),
            "to": _value(self.end),
            "ids": template_ids(self.ids),
            "full_resync": _switch(_value(self.full_resync)),
        }
        run = _run_name(context)
        try:
            summary = run_flow(wiring, run_request(context, asked), run)
        finally:
            # above all where the gate has closed
            keep_page(self, context, GateReportLink, wiring.staging(run).folder, GATE_PAGE)
        keep_link(self, context, TargetLink, summary.page)
        return finish_run(self, wiring, summary, context, skip_if_empty=self.skip_if_empty)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Stream and objects of the flow, with the columns of each field; asked for by the OpenLineage provider."""
        return operator_lineage(self.opened)

    def _check_systems(self, flow: Any) -> None:
        wanted = {"source": self.source_system, "target": self.target_system}
        found = {"source": flow.source_system, "target": flow.target}
        for role, system in wanted.items():
            if system and system != found[role]:
                raise Misconfigured(
                    f"{type(self).__name__} takes flows with {role} {system}, and that of {flow.flow} is "
                    f"{found[role]}; use FlowOperator, which takes any"
                )


class BrightpearlToSalesforceOperator(FlowOperator):
    """``FlowOperator`` for flows from Brightpearl to Salesforce; it refuses any other.

    Parameters are those of ``FlowOperator``: ``flow``, ``mappings``, ``source_conn_id``, ``target_conn_id``, ``ids``,
    ``start``, ``end``, ``full_resync`` (all templated) and ``skip_if_empty``.
    """

    source_system = "brightpearl"
    target_system = "salesforce"


class BrightpearlToInforOperator(FlowOperator):
    """``FlowOperator`` for flows from Brightpearl to Infor M3; it refuses any other.

    Parameters are those of ``FlowOperator``: ``flow``, ``mappings``, ``source_conn_id``, ``target_conn_id``, ``ids``,
    ``start``, ``end``, ``full_resync`` (all templated) and ``skip_if_empty``.
    """

    source_system = "brightpearl"
    target_system = "infor"


def _run_name(context: Any) -> str:
    """The run's name in the ledger: no other task that runs the flow, nor the flow's own DAG, has the same."""
    instance = context["ti"]
    mapped = f"[{instance.map_index}]" if getattr(instance, "map_index", -1) >= 0 else ""
    return f"{instance.dag_id}.{instance.task_id}{mapped}/{context['run_id']}"


def _value(rendered: Any) -> Any:
    """A templated value; None where an empty param was rendered as text."""
    return None if isinstance(rendered, str) and rendered.strip() in NOTHING else rendered


def _switch(value: Any) -> bool:
    # any other text is true to Python, and a typo must not make a run read everything
    if not isinstance(value, str):
        return bool(value)
    if value.strip().lower() not in _SWITCH:
        raise Misconfigured(f"full_resync: {value!r} must be one of True, False")
    return _SWITCH[value.strip().lower()]
