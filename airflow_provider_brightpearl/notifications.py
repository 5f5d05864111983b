"""How alerts reach people: the log, mail, and any notifier of Airflow, such as that of Slack or PagerDuty.

Every alert goes through ``announce``. A notifier finds it in its context: ``{{ alert.subject }}`` and
``{{ alert.text }}``. An alert is help, not part of the run: one that cannot be sent is logged and fails no task.
"""

from __future__ import annotations

import copy
import html
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_brightpearl import alerts, compat, settings
from airflow_provider_brightpearl.compat import BaseNotifier
from airflow_provider_brightpearl.extra import Extra

log = logging.getLogger(__name__)

Notify = Callable[[Any], None]


class SyncNotifier(BaseNotifier):
    """Announces a failed task: reason, records, connection, what to do, window, counts and the link to its log.

    The default ``on_failure_callback`` of every flow; it can be used in any DAG.

    Args:
        to: addresses instead of those of ``[brightpearl] alert_email``. (templated)
        notifiers: further notifiers that get the alert, or functions of the context.
    """

    template_fields: Sequence[str] = ("to",)

    def __init__(self, to: str | Sequence[str] | None = None, notifiers: Iterable[Notify] = ()) -> None:
        super().__init__()
        self.to = [to] if isinstance(to, str) else to
        self.notifiers = list(notifiers)

    def notify(self, context: Any) -> None:
        announce(alerts.failure(context), context, self.notifiers, self.to)

    async def async_notify(self, context: Any) -> None:
        self.notify(context)


class AlertMail(BaseNotifier):
    """Mails the alert in the context; without one, that of the failed task.

    By ``SmtpNotifier``, if the SMTP provider is installed and its connection (``[email] email_conn_id``, else
    ``smtp_default``) exists; otherwise by Airflow's own email backend (``[email]``, ``[smtp]``).

    Args:
        to: addresses. (templated)
    """

    template_fields: Sequence[str] = ("to",)

    def __init__(self, to: str | Sequence[str]) -> None:
        super().__init__()
        self.to = [to] if isinstance(to, str) else list(to)

    def notify(self, context: Any) -> None:
        alert = context.get("alert") or alerts.failure(context)
        body = f"<pre>{html.escape(alert.text)}</pre>"
        notifier = _smtp_notifier(self.to)
        if notifier is None:
            from airflow.utils.email import send_email

            send_email(self.to, alert.subject, body)
            return
        # rendered by now: what came from outside must not be taken for a template
        notifier.subject, notifier.html_content = alert.subject, body
        notifier.notify(context)

    async def async_notify(self, context: Any) -> None:
        self.notify(context)


def announce(
    alert: alerts.Alert,
    context: Any,
    notifiers: Iterable[Notify] = (),
    to: Sequence[str] | None = None,
) -> None:
    """Logs an alert and sends it; never raises.

    Args:
        alert: the message.
        context: of the task; its ``alert`` is set.
        notifiers: what sends it, besides mail.
        to: addresses that it is mailed to; those configured if None.
    """
    from airflow_provider_brightpearl.systems.http.secrets import redacted

    log.warning("%s", alert.text)
    addresses = settings.alert_addresses() if to is None else list(to)
    context["alert"] = alert
    channels: list[Notify] = [*notifiers, *([AlertMail(addresses)] if addresses else [])]
    for notifier in channels:
        try:
            # a notifier renders its templates into itself, and the next alert is another one
            copy.copy(notifier)(context)
        except Exception as error:
            name = type(notifier).__name__
            problem = redacted(str(error))
            log.warning("%s did not send the alert %r: %s", name, alert.subject, problem)


def notifiers_of(callbacks: Any) -> list[Notify]:
    """The notifiers that get the failures of a task, by its ``on_failure_callback``."""
    found = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    return [notifier for each in found if isinstance(each, SyncNotifier) for notifier in each.notifiers]


def _smtp_notifier(to: Sequence[str]) -> Any:
    """Airflow's notifier for mail, None where its provider or connection is missing."""
    try:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    except ImportError:
        return None
    notifier = SmtpNotifier(to=list(to), from_email=None)
    try:
        connection = compat.BaseHook.get_connection(notifier.smtp_conn_id)
    except compat.AirflowNotFoundException:
        return None
    # the provider of Airflow 2.11.0 asks its hook before that has its connection
    notifier.from_email = notifier.from_email or Extra.of(connection).text("from_email")
    return notifier
