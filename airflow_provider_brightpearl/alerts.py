"""What people are told when a run fails or rejects records, as text; and its way out by e-mail.

An alert is help, not part of the run: whatever goes wrong here is logged and never fails a task.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.core.window import in_words

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


def rejections(summary: Mapping[str, Any], context: Mapping[str, Any]) -> Alert:
    """The alert of a run that went through but left records behind: how many, why, and where the log is."""
    instance = context["ti"]
    flow = getattr(context.get("task"), "flow", instance.dag_id)
    return Alert(
        f"{flow}: {summary['rejected']} of {summary['extracted']} records rejected",
        (
            *_count_lines(summary),
            *_reason_lines(summary["reasons"]),
            *summary.get("warnings", ()),
            *_where(context),
        ),
    )


def warnings(summary: Mapping[str, Any], context: Mapping[str, Any]) -> Alert:
    """The alert of a run in which all went through, but something has to be looked at."""
    instance = context["ti"]
    flow = getattr(context.get("task"), "flow", instance.dag_id)
    return Alert(f"{flow}: please check", (*summary["warnings"], *_count_lines(summary), *_where(context)))


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
    facts = _pull(instance, "extract", "facts") or {}
    lines = [f"run: {instance.run_id}, try {instance.try_number}"]
    if facts.get("selection"):
        lines.append(f"window: {window_text(facts['selection'])}")
    link = getattr(instance, "log_url", None)
    return [*lines, f"log: {link}"] if link else lines


def window_text(selection: Mapping[str, Any]) -> str:
    """A run's selection in words."""
    if selection.get("ids"):
        return f"{len(selection['ids'])} ids"
    window = selection.get("window")
    if not window:
        return "everything"
    return in_words(window)


def _count_lines(summary: Mapping[str, Any]) -> list[str]:
    counts = summary.get("counts") or {
        name: summary[name] for name in ("rejected", "parked") if name in summary
    }
    return ["counts: " + ", ".join(f"{name} {number}" for name, number in counts.items())] if counts else []


def _reason_lines(reasons: Iterable[Any]) -> list[str]:
    return [f"{number} x {reason}" for reason, number in list(reasons)[:REASONS_SHOWN]]


def _pull(instance: Any, task_id: str, key: str = "return_value") -> Any:
    try:
        return instance.xcom_pull(task_ids=task_id, key=key)
    except Exception as error:
        log.debug("XCom %s of %s cannot be read: %s", key, task_id, error)
        return None
