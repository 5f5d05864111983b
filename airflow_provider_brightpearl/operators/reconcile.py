"""Compares both systems of a flow and repairs what differs, as two Airflow operators."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl import alerts
from airflow_provider_brightpearl.compat import AirflowSkipException
from airflow_provider_brightpearl.links import ReconciliationLink, keep_page
from airflow_provider_brightpearl.notifications import announce
from airflow_provider_brightpearl.operators.request import check_conf
from airflow_provider_brightpearl.operators.stages import StageOperator

Plain = dict[str, Any]

_PAGE = "reconcile/reconciliation.html"


class CompareOperator(StageOperator):
    """Compares ids, counts and sums of both systems; returns what differs, and keeps it in the state database.

    Params of the DAG: ``from``, ``to`` (creation of the records), ``full_resync``, ``max_repair``, ``flows``, which
    leaves out the flows that it does not name, and ``certificate``: ``period`` certifies what is compared, ``month``
    compares and certifies the calendar month before (UTC). Fails where more differs than is repaired.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id")
    operator_extra_links = (ReconciliationLink(),)
    ui_color = "#dbe9f6"

    def stage(self, wiring: Any, context: Any) -> Plain:
        from airflow_provider_brightpearl.core.reports import ReconcileState
        from airflow_provider_brightpearl.runtime.certify import last_month
        from airflow_provider_brightpearl.runtime.reconcile import check_drift, compare
        from airflow_provider_brightpearl.runtime.request import request_from

        check_conf(context)
        params = context.get("params") or {}
        if params.get("flows") and self.flow not in params["flows"]:
            raise AirflowSkipException("this run is for other flows")
        asked = request_from(params)
        certificate = params.get("certificate")
        month = last_month(wiring.environment.now()) if certificate == "month" else None
        found = compare(
            wiring,
            str(context["run_id"]),
            start=month.start if month else asked.start,
            end=month.end if month else asked.end,
            full_resync=asked.full_resync and not month,
            max_repair=params.get("max_repair"),
            certificate=bool(certificate),
        )
        if found is None:
            raise AirflowSkipException("the flow has not run yet, so there is nothing to compare")
        _keep_page(self, wiring, found, context)
        if found.state is ReconcileState.NEEDS_REVIEW:
            announce(_alert(found, context), context, self.on_alert)
        check_drift(found)
        return dict(found.as_dict())


class RepairOperator(StageOperator):
    """Writes again what is missing or differs, by the flow's own stages, and removes rows of deleted records.

    Args:
        found: what ``CompareOperator`` returned.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id", "found")
    operator_extra_links = (ReconciliationLink(),)
    ui_color = "#ece3f4"

    def __init__(self, *, found: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = found

    def stage(self, wiring: Any, context: Any) -> Plain:
        from airflow_provider_brightpearl.core.reports import ReconcileReport
        from airflow_provider_brightpearl.runtime.reconcile import repair

        compared = ReconcileReport.from_dict(self.found)
        if not (compared.repair or compared.remove or compared.detach or compared.stale_bindings):
            raise AirflowSkipException("nothing to repair")
        found = repair(wiring, compared)
        _keep_page(self, wiring, found, context)
        announce(_alert(found, context), context, self.on_alert)
        return dict(found.as_dict())


def _keep_page(task: StageOperator, wiring: Any, found: Any, context: Any) -> None:
    from airflow_provider_brightpearl.runtime.reconcile_report import reconcile_lines, write_page

    staging = wiring.staging(found.run)
    with staging.create(_PAGE) as path:
        write_page(path, found)
    task.log.info("%s\npage: %s", "\n".join(reconcile_lines(found)), staging.folder / _PAGE)
    keep_page(task, context, ReconciliationLink, staging.folder, _PAGE)


def _alert(found: Any, context: Any) -> alerts.Alert:
    from airflow_provider_brightpearl.runtime.reconcile_report import reconcile_lines

    link = getattr(context["ti"], "log_url", None)
    lines = (*reconcile_lines(found), *([f"log: {link}"] if link else []))
    return alerts.Alert(f"{found.flow}: {found.state}", lines)
