"""Compares both systems of a flow and repairs what differs, as two Airflow operators."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl import alerts
from airflow_provider_brightpearl.compat import AirflowSkipException
from airflow_provider_brightpearl.operators.request import request_of
from airflow_provider_brightpearl.operators.retry import plain_reason
from airflow_provider_brightpearl.operators.sync import StageOperator

Plain = dict[str, Any]


class _ReconcileOperator(StageOperator):
    """A task of a reconciliation: no run of the flow, so a failure is no row of its ledger."""

    def execute(self, context: Any) -> Any:
        from airflow_provider_brightpearl.operators.wiring import Wiring

        with plain_reason(self.log):
            wiring = Wiring.of(self.flow, self.mappings, self.source_conn_id, self.target_conn_id)
            return self.stage(wiring, context)


class CompareOperator(_ReconcileOperator):
    """Compares ids, counts and sums of both systems; gives what differs, and keeps it in the state database.

    Params of the DAG: ``from``, ``to`` (creation of the records), ``everything``, ``max_repair``, and ``flows``,
    which leaves out the flows that it does not name. Fails where more differs than is repaired.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id")
    ui_color = "#dbe9f6"

    def stage(self, wiring: Any, context: Any) -> Plain:
        from airflow_provider_brightpearl.operators import reconciling

        params = context.get("params") or {}
        if params.get("flows") and self.flow not in params["flows"]:
            raise AirflowSkipException("this run is for other flows")
        asked = request_of(context)
        found = reconciling.compare(
            wiring,
            str(context["run_id"]),
            start=asked.start,
            end=asked.end,
            everything=asked.everything,
            max_repair=params.get("max_repair"),
        )
        if found is None:
            raise AirflowSkipException("the flow has not run yet, so there is nothing to compare")
        self._tell(wiring, found, context)
        reconciling.refuse_much(found)
        return found

    def _tell(self, wiring: Any, found: Plain, context: Any) -> None:
        from airflow_provider_brightpearl.operators import reconcile_words

        page = _page(wiring, found)
        self.log.info("%s\npage: %s", "\n".join(reconcile_words.summary(found)), page)
        if found["state"] == "to look at":
            alerts.send(_alert(found, context))


class RepairOperator(_ReconcileOperator):
    """Writes again what is missing or differs, by the flow's own stages, and takes out what was deleted.

    Args:
        found: what ``CompareOperator`` gave.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id", "found")
    ui_color = "#ece3f4"

    def __init__(self, *, found: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = found

    def stage(self, wiring: Any, context: Any) -> Plain:
        from airflow_provider_brightpearl.operators import reconcile_words, reconciling

        if not any(self.found[name] for name in ("repair", "remove", "forget")):
            raise AirflowSkipException("there is nothing to repair")
        found = reconciling.repair(wiring, self.found)
        page = _page(wiring, found)
        self.log.info("%s\npage: %s", "\n".join(reconcile_words.summary(found)), page)
        alerts.send(_alert(found, context))
        return found


def _page(wiring: Any, found: Plain) -> str:
    from airflow_provider_brightpearl.operators.reconcile_words import write_page

    staging = wiring.staging(found["run"])
    with staging.create("reconcile/reconciliation.html") as path:
        write_page(path, found)
    return str(staging.folder / "reconcile/reconciliation.html")


def _alert(found: Plain, context: Any) -> alerts.Alert:
    from airflow_provider_brightpearl.operators.reconcile_words import summary

    lines = summary(found)
    link = getattr(context["ti"], "log_url", None)
    return alerts.Alert(f"{found['flow']}: {found['state']}", (*lines, *([f"log: {link}"] if link else [])))
