"""A notifier that tells what became of a run, for any callback of a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_brightpearl import alerts
from airflow_provider_brightpearl.compat import BaseNotifier


class SyncNotifier(BaseNotifier):
    """Logs and mails what failed: flow, window, counts, reason, and the link to the task's log.

    The default ``on_failure_callback`` of every flow; ``[brightpearl] alert_email`` says whom it writes to.

    Args:
        to: addresses instead of those configured.
    """

    template_fields: Sequence[str] = ("to",)

    def __init__(self, to: str | Sequence[str] | None = None) -> None:
        super().__init__()
        self.to = [to] if isinstance(to, str) else to

    def notify(self, context: Any) -> None:
        alerts.send(alerts.failure(context), self.to)

    async def async_notify(self, context: Any) -> None:
        self.notify(context)
