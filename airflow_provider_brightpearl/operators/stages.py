"""The stages of a flow as the tasks of its DAG: thin, they open the ports and call the stage.

What passes between tasks is small and plain (names, counts, digests); records stay in staging files. Use
``sync_dag`` to make such a DAG, or ``FlowOperator`` to run a whole flow in one task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_brightpearl import alerts, settings
from airflow_provider_brightpearl.compat import AirflowSkipException
from airflow_provider_brightpearl.lineage import operator_lineage
from airflow_provider_brightpearl.links import (
    GateReportLink,
    RunSummaryLink,
    TargetLink,
    keep_link,
    keep_page,
)
from airflow_provider_brightpearl.notifications import announce, notifiers_of
from airflow_provider_brightpearl.operators.pausing import BUSY_PAUSE, PausingOperator
from airflow_provider_brightpearl.operators.request import request_of

Plain = dict[str, Any]

GATE_PAGE = "gate/expectations.html"
SUMMARY_PAGE = "run/summary.html"


class StageOperator(PausingOperator):
    """One stage of one flow; where deferring is the rule, it waits for a quota that opens late without a worker.

    Args:
        flow: name of the flow.
        mappings: folder of the flow files, None for the configured one.
        source_conn_id: connection of the source, None for the system's usual one.
        target_conn_id: connection of the target, likewise.
        on_alert: notifiers that get what this task has to say, besides mail; those of its failures if left out.
    """

    ui_fgcolor = "#1b1f24"
    waits_for_parts = True

    def __init__(
        self,
        *,
        flow: str,
        mappings: str | None,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        on_alert: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # the ports of the flow, once a worker has opened them
        self.opened: Any = None
        self.on_alert = list(on_alert) or notifiers_of(self.on_failure_callback)
        self.flow = flow
        self.mappings = mappings
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id

    def work(self, context: Any, state: Plain) -> Any:
        # imported by the worker only: the ports pull in DuckDB, requests and SQLAlchemy
        from airflow_provider_brightpearl.environment import airflow_environment
        from airflow_provider_brightpearl.runtime.wiring import Wiring

        # what links of this try lead to
        self.link_addresses: dict[str, str] = {}
        environment = replace(
            airflow_environment(self.mappings),
            lease_wait=timedelta(seconds=BUSY_PAUSE),
            sits_out=self.sits_out,
        )
        wiring = Wiring.of(self.flow, environment, self.source_conn_id, self.target_conn_id)
        self.opened = wiring
        # a stage that goes on begins anew, as after any retry
        with self.pausing(dict):
            return self.stage(wiring, context)

    def came_further(self, since: datetime) -> bool:
        """Whether records of the flow were written after an instant."""
        return bool(self.opened and self.opened.events.wrote_since(self.flow, since))

    def waits_as(self, context: Any) -> tuple[str, Sequence[str]]:
        """The flow, and those after which it comes."""
        return self.flow, self.opened.flow.after if self.opened else ()

    def stage(self, wiring: Any, context: Any) -> Any:
        raise NotImplementedError


class ExtractOperator(StageOperator):
    """Reads the records of the window into staging; returns the parts, and as XCom ``run`` what is fixed of the run."""

    template_fields = ("flow", "source_conn_id", "target_conn_id")
    ui_color = "#dbe9f6"

    def stage(self, wiring: Any, context: Any) -> list[Plain]:
        from airflow_provider_brightpearl.runtime import run

        report = run.extract(wiring, request_of(context), str(context["run_id"])).as_dict()
        context["ti"].xcom_push(key="run", value=report["run"])
        parts: list[Plain] = report["parts"]
        return parts


class TransformOperator(StageOperator):
    """Maps one raw part to the target's fields, or a list of them one after the other."""

    template_fields = ("flow", "source_conn_id", "target_conn_id", "part", "run")
    # what Airflow 3 calls one of several side by side
    name_of_part = "part {{ ti.map_index + 1 }}, {{ '{:,}'.format(task.part['records']) }} records"
    ui_color = "#e3f2df"

    def __init__(self, *, part: Plain | list[Plain], run: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part
        self.run = run

    def stage(self, wiring: Any, context: Any) -> Plain | list[Plain]:
        import msgspec

        from airflow_provider_brightpearl.core.records import RawPart
        from airflow_provider_brightpearl.core.reports import RunInfo
        from airflow_provider_brightpearl.runtime import run

        info = RunInfo.from_dict(self.run)
        return _each(
            self.part, lambda part: run.transform(wiring, info, msgspec.convert(part, RawPart)).as_dict()
        )


class GateOperator(StageOperator):
    """Judges all mapped parts; above the flow's threshold nothing is loaded."""

    template_fields = ("flow", "source_conn_id", "target_conn_id", "mapped", "run")
    operator_extra_links = (GateReportLink(),)
    ui_color = "#fdf0d0"

    def __init__(self, *, mapped: list[Plain], run: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapped = mapped
        self.run = run

    def stage(self, wiring: Any, context: Any) -> Plain | None:
        from airflow_provider_brightpearl.core.reports import RunInfo, TransformReport
        from airflow_provider_brightpearl.runtime import run

        mapped = [TransformReport.from_dict(each) for each in _all(self.mapped)]
        if not mapped:
            return None
        info = RunInfo.from_dict(self.run)
        try:
            return run.gate(wiring, info, mapped).as_dict()
        finally:
            # above all where the gate has closed
            keep_page(self, context, GateReportLink, wiring.staging(info.run).folder, GATE_PAGE)


class LoadOperator(StageOperator):
    """Writes one mapped part to the target, or a list of them: what passed the gate and has changed."""

    template_fields = ("flow", "source_conn_id", "target_conn_id", "mapped", "gate", "run")
    name_of_part = "part {{ ti.map_index + 1 }}, {{ '{:,}'.format(task.mapped['records']) }} records"
    operator_extra_links = (TargetLink(),)
    ui_color = "#ece3f4"

    def __init__(self, *, mapped: Plain | list[Plain], gate: Plain, run: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapped = mapped
        self.gate = gate
        self.run = run

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Stream and objects of the flow, with the columns of each field; asked for by the OpenLineage provider."""
        return operator_lineage(self.opened)

    def stage(self, wiring: Any, context: Any) -> Plain | list[Plain]:
        from airflow_provider_brightpearl.core.reports import GateReport, RunInfo, TransformReport
        from airflow_provider_brightpearl.runtime import run

        if not self.mapped:
            return []  # nothing new in the window; the gate had nothing to judge
        info, judged = RunInfo.from_dict(self.run), GateReport.from_dict(self.gate)

        def load(part: Plain) -> Plain:
            report = run.load(wiring, info, TransformReport.from_dict(part), judged)
            keep_link(self, context, TargetLink, report.page)
            return report.as_dict()

        return _each(self.mapped, load)


class SettleOperator(StageOperator):
    """Proves that counts and money add up, then writes ledger, dead letters and watermark together.

    Ends as skipped where the source had nothing new, so that no asset event goes out.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id", "parts", "mapped", "loads", "run")
    operator_extra_links = (RunSummaryLink(),)
    ui_color = "#d6ece8"

    def __init__(
        self,
        *,
        parts: list[Plain],
        mapped: list[Plain],
        loads: list[Plain],
        run: Plain,
        gate_task_id: str = "gate",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.parts = parts
        self.mapped = mapped
        self.loads = loads
        self.run = run
        self.gate_task_id = gate_task_id

    def stage(self, wiring: Any, context: Any) -> Plain:
        return finish_run(self, wiring, self._settled(wiring, context), context)

    def _settled(self, wiring: Any, context: Any) -> Any:
        import msgspec

        from airflow_provider_brightpearl.core.records import RawPart
        from airflow_provider_brightpearl.core.reports import GateReport, LoadReport, RunInfo, TransformReport
        from airflow_provider_brightpearl.runtime import run

        parts = [msgspec.convert(each, RawPart) for each in _all(self.parts)]
        # no template field: where the gate was skipped, Airflow 3 would log that there is none as an error
        judged = context["ti"].xcom_pull(task_ids=self.gate_task_id) if parts else None
        return run.settle(
            wiring,
            RunInfo.from_dict(self.run),
            parts,
            [TransformReport.from_dict(each) for each in _all(self.mapped)],
            GateReport.from_dict(judged) if judged else None,
            [LoadReport.from_dict(each) for each in _all(self.loads)],
        )


class WriteBackOperator(StageOperator):
    """Writes back to the source what became of its records, once the run is settled.

    Where the source does not take it now, Airflow tries again; the run stays settled, and the next one delivers what
    is still due. Ends as skipped where nothing was due.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id", "summary", "run")
    operator_extra_links = (RunSummaryLink(),)
    ui_color = "#dff0ec"
    # the next run delivers what is due, and would wait for this one
    waits_for_parts = False

    def __init__(self, *, summary: Plain, run: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summary = summary
        self.run = run

    def stage(self, wiring: Any, context: Any) -> Plain:
        from airflow_provider_brightpearl.core.reports import RunInfo, RunSummary, WriteBackReport
        from airflow_provider_brightpearl.runtime import run

        settled = RunSummary.from_dict(self.summary)
        summary, error = run.write_back(wiring, RunInfo.from_dict(self.run), settled)
        _show(self, wiring, summary, context)
        report = summary.write_back or WriteBackReport()
        # what was given up is reported now: another try does not meet it again
        if report.given_up or (report.warnings and error is None):
            announce(
                alerts.warnings(replace(summary, warnings=report.warnings), context), context, self.on_alert
            )
        if error:
            raise error
        return _returned(summary, context, "nothing to write back", skip=not report.tried)


def finish_run(
    task: StageOperator, wiring: Any, summary: Any, context: Any, *, skip_if_empty: bool = True
) -> Plain:
    """Logs what a run did and sends what people have to know of it.

    Returns:
        The summary, for XCom.

    Raises:
        AirflowSkipException: the run found nothing new, and ``skip_if_empty`` is on; the summary is in XCom.
    """
    _show(task, wiring, summary, context)
    _announce_outcome(summary, context, task.on_alert)
    empty = not summary.counts.extracted
    return _returned(summary, context, "nothing new in this window", skip=skip_if_empty and empty)


def _show(task: StageOperator, wiring: Any, summary: Any, context: Any) -> None:
    """Logs what a run did, and keeps it as a page with a link."""
    from airflow_provider_brightpearl.runtime.run_summary import summary_lines, write_page

    task.log.info("%s", "\n".join(summary_lines(summary)))
    staging = wiring.staging(summary.run)
    with staging.create(SUMMARY_PAGE) as path:
        write_page(path, summary)
    keep_page(task, context, RunSummaryLink, staging.folder, SUMMARY_PAGE)


def _returned(summary: Any, context: Any, reason: str, *, skip: bool) -> Plain:
    """The summary for XCom, also where the task ends as skipped."""
    if skip:
        context["ti"].xcom_push(key="return_value", value=summary.as_dict())
        raise AirflowSkipException(reason)
    return dict(summary.as_dict())


def _announce_outcome(summary: Any, context: Any, notifiers: Sequence[Any]) -> None:
    if summary.news:
        announce(alerts.quarantine(summary, context), context, notifiers)
        return
    counts = summary.counts
    # a gate that stays closed was announced: its records are no news until the reminder
    known = bool(summary.quarantine)
    rejected = not known and counts.rejected and settings.switch("alert_on_rejections")
    parked = counts.parked and settings.switch("alert_on_parked")
    if rejected or parked:
        announce(alerts.rejections(summary, context), context, notifiers)
    elif summary.warnings:
        announce(alerts.warnings(summary, context), context, notifiers)


def _all(values: Any) -> list[Plain]:
    # a slice, since Airflow 3 reads on until it hits an error, and logs it
    return list(values[:]) if values else []


def _each(parts: Plain | list[Plain], stage: Callable[[Plain], Plain]) -> Plain | list[Plain]:
    return [stage(part) for part in parts] if isinstance(parts, list) else stage(parts)
