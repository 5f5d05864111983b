"""The five stages of any flow as Airflow operators: thin, they build the ports and call the stage.

What passes between tasks is small and plain (names, counts, digests); records stay in staging files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_brightpearl import alerts, settings
from airflow_provider_brightpearl.compat import AirflowSkipException, BaseOperator
from airflow_provider_brightpearl.operators import run_words
from airflow_provider_brightpearl.operators.retry import plain_reason

Plain = dict[str, Any]


class StageOperator(BaseOperator):
    """One stage of one flow.

    Args:
        flow: name of the flow.
        mappings: folder of the flow files.
        source_conn_id: connection of the source, None for the system's default.
        target_conn_id: connection of the target, likewise.
    """

    ui_fgcolor = "#1b1f24"

    def __init__(
        self,
        *,
        flow: str,
        mappings: str,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow = flow
        self.mappings = mappings
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id

    def execute(self, context: Any) -> Any:
        # imported by the worker only: the ports pull in DuckDB, requests and SQLAlchemy
        from airflow_provider_brightpearl.operators import failures
        from airflow_provider_brightpearl.operators.wiring import Wiring

        with plain_reason(self.log):
            wiring = Wiring.of(self.flow, self.mappings, self.source_conn_id, self.target_conn_id)
            with failures.noted(wiring, context, getattr(self, "facts", None)):
                return self.stage(wiring, context)

    def stage(self, wiring: Any, context: Any) -> Any:
        raise NotImplementedError


class ExtractOperator(StageOperator):
    """Reads the records of the window into staging; gives the parts, and as XCom ``facts`` the facts."""

    template_fields = ("flow", "source_conn_id", "target_conn_id")
    ui_color = "#dbe9f6"

    def stage(self, wiring: Any, context: Any) -> list[Plain]:
        from airflow_provider_brightpearl.operators import stages

        parts, facts = stages.extract(wiring, context)
        context["ti"].xcom_push(key="facts", value=facts)
        return parts


class TransformOperator(StageOperator):
    """Maps one raw part to the target's fields, or a list of them one after the other."""

    template_fields = ("flow", "source_conn_id", "target_conn_id", "part", "facts")
    ui_color = "#e3f2df"

    def __init__(self, *, part: Plain | list[Plain], facts: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part
        self.facts = facts

    def stage(self, wiring: Any, context: Any) -> Plain | list[Plain]:
        from airflow_provider_brightpearl.operators import stages

        return _each(self.part, lambda part: stages.transform(wiring, part, self.facts))


class GateOperator(StageOperator):
    """Judges all mapped parts; above the flow's threshold nothing is loaded."""

    template_fields = ("flow", "source_conn_id", "target_conn_id", "mapped", "facts")
    ui_color = "#fdf0d0"

    def __init__(self, *, mapped: list[Plain], facts: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapped = mapped
        self.facts = facts

    def stage(self, wiring: Any, context: Any) -> Plain | None:
        from airflow_provider_brightpearl.operators import stages

        mapped = _all(self.mapped)
        return stages.gate(wiring, mapped, self.facts) if mapped else None


class LoadOperator(StageOperator):
    """Writes one mapped part to the target, or a list of them: what passed the gate and has changed."""

    template_fields = ("flow", "source_conn_id", "target_conn_id", "mapped", "verdict", "facts")
    ui_color = "#ece3f4"

    def __init__(self, *, mapped: Plain | list[Plain], verdict: Plain, facts: Plain, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapped = mapped
        self.verdict = verdict
        self.facts = facts

    def stage(self, wiring: Any, context: Any) -> Plain | list[Plain]:
        from airflow_provider_brightpearl.operators import stages

        return _each(self.mapped, lambda part: stages.load(wiring, part, self.verdict, self.facts))


class SettleOperator(StageOperator):
    """Proves that counts and money add up, then writes ledger, dead letters and watermark.

    Ends as skipped where the source had nothing new, so that no asset event goes out.
    """

    template_fields = ("flow", "source_conn_id", "target_conn_id", "parts", "mapped", "loads", "facts")
    ui_color = "#d6ece8"

    def __init__(
        self,
        *,
        parts: list[Plain],
        mapped: list[Plain],
        loads: list[Plain],
        facts: Plain,
        gate_task_id: str = "gate",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.parts = parts
        self.mapped = mapped
        self.loads = loads
        self.facts = facts
        self.gate_task_id = gate_task_id

    def stage(self, wiring: Any, context: Any) -> Plain:
        from airflow_provider_brightpearl.operators import stages

        parts = _all(self.parts)
        # no template field: where the gate was skipped, Airflow 3 would log that there is none as an error
        verdict = context["ti"].xcom_pull(task_ids=self.gate_task_id) if parts else None
        summary = stages.settle(wiring, parts, _all(self.mapped), verdict, _all(self.loads), self.facts)
        self.log.info("%s", run_words.summary(summary))
        self._tell(summary, context)
        removed = stages.sweep_staging()
        if removed:
            self.log.info("%s staging folders of old runs removed", removed)
        if not parts:
            context["ti"].xcom_push(key="return_value", value=summary)
            raise AirflowSkipException("nothing new in this window")
        return summary

    def _tell(self, summary: Plain, context: Any) -> None:
        if summary["rejected"] and settings.switch("alert_on_rejections"):
            alerts.send(alerts.rejections(summary, context))
        elif summary.get("warnings"):
            alerts.send(alerts.warnings(summary, context))


def _all(values: Any) -> list[Plain]:
    # a slice, since Airflow 3 reads on until it hits an error, and logs it
    return list(values[:]) if values else []


def _each(parts: Plain | list[Plain], stage: Callable[[Plain], Plain]) -> Plain | list[Plain]:
    return [stage(part) for part in parts] if isinstance(parts, list) else stage(parts)
