"""What people are told when a run fails or rejects records, as text; and its way out by e-mail.

An alert is help, not part of the run: whatever goes wrong here is logged and never fails a task.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl import settings

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary

log = logging.getLogger(__name__)

REASONS_SHOWN = 5
COUNTS = ("records", "extracted", "created", "updated", "unchanged", "rejected", "parked")


@dataclass(frozen=True, slots=True)
class Alert:
    """One message: a subject and lines of plain text."""

    subject: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join((self.subject, *self.lines))


def failure(context: Mapping[str, Any]) -> Alert:
    """The alert of a failed task: flow, window, what was counted so far, the reason and where the log is."""
    instance = context["ti"]
    flow = getattr(context.get("task"), "flow", instance.dag_id)
    reason = str(context.get("exception") or "the task ended without saying why")
    return Alert(
        f"{flow}: {instance.task_id} failed",
        (*reason.splitlines(), *_where(context), *_count_lines(_pull(instance, "gate") or {})),
    )


def rejections(summary: RunSummary, context: Mapping[str, Any]) -> Alert:
    """The alert of a run that went through but left records behind: how many, why, and where the log is."""
    counts = summary.counts
    return Alert(
        f"{summary.flow}: {counts.rejected} of {counts.extracted} records rejected",
        (
            *_count_lines(asdict(counts)),
            *(f"{number} x {reason}" for reason, number in summary.reasons[:REASONS_SHOWN]),
            *summary.warnings,
            *_where(context),
        ),
    )


def warnings(summary: RunSummary, context: Mapping[str, Any]) -> Alert:
    """The alert of a run in which all went through, but something has to be looked at."""
    lines = (*summary.warnings, *_count_lines(asdict(summary.counts)), *_where(context))
    return Alert(f"{summary.flow}: please check", lines)


def send(alert: Alert, addresses: Iterable[str] | None = None) -> None:
    """Logs an alert and mails it to the addresses, by default those configured; never raises."""
    log.warning("%s", alert.text)
    recipients = settings.alert_addresses() if addresses is None else list(addresses)
    if not recipients:
        return
    try:
        from airflow.utils.email import send_email

        send_email(recipients, alert.subject, f"<pre>{html.escape(alert.text)}</pre>")
    except Exception as error:
        log.warning("the alert was not mailed to %s: %s", ", ".join(recipients), error)


def _where(context: Mapping[str, Any]) -> list[str]:
    instance = context["ti"]
    run = _pull(instance, "extract", "run") or {}
    lines = [f"run: {instance.run_id}, try {instance.try_number}"]
    if run.get("selection"):
        lines.append(f"window: {window_text(run['selection'])}")
    link = getattr(instance, "log_url", None)
    return [*lines, f"log: {link}"] if link else lines


def window_text(selection: Mapping[str, Any]) -> str:
    """A run's selection, as it travels between tasks, for people."""
    if selection.get("ids"):
        return f"ids: {len(selection['ids'])}"
    window = selection.get("window")
    if not window:
        return "full resync"
    return f"{window['start'] or 'the beginning'} to {window['end']}"


def _count_lines(counts: Mapping[str, Any]) -> list[str]:
    shown = {name: counts[name] for name in COUNTS if name in counts}
    return ["counts: " + ", ".join(f"{name} {number}" for name, number in shown.items())] if shown else []


def _pull(instance: Any, task_id: str, key: str = "return_value") -> Any:
    try:
        return instance.xcom_pull(task_ids=task_id, key=key)
    except Exception as error:
        log.debug("XCom %s of %s cannot be read: %s", key, task_id, error)
        return None
