"""Delivers webhooks: templates, id sets, and the two retry policies (reference, section 5.2).

When and how often the vendor retries is not published, so both are settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..delivery_queue import DeliveryQueue
from ..outgoing import send
from ..settings import float_setting, int_setting, list_setting
from . import id_sets

if TYPE_CHECKING:
    from .account import Account

Record = dict[str, Any]
ACCOUNT_CODE, VERSION = "acmetest", "4.105.2"
LOG = "webhook-delivery"


@dataclass(slots=True)
class Delivery:
    """One request to a subscriber, with the ids that it announces."""

    hook: Record
    event: str  # such as product.modified.on-hand-modified
    raised_on: str
    ids: dict[int, None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # of a simulation, which replace our own
    attempt: int = 0

    @property
    def has_body(self) -> bool:
        """True for the methods that have one."""
        return self.hook["httpMethod"] in ("POST", "PUT")

    def body(self) -> bytes | None:
        """The body of the request."""
        return self.rendered(str(self.hook.get("bodyTemplate") or "")).encode() if self.has_body else None

    def joins(self, known: Delivery) -> bool:
        """Add the ids to a delivery that still waits for its first attempt, if it is of the same kind."""
        same = (known.hook["id"], known.event) == (self.hook["id"], self.event)
        if not same or not known.hook["idSetAccepted"] or known.attempt or known.variables:
            return False
        known.ids.update(self.ids)
        return True

    def rendered(self, template: str, encode: Callable[[str], str] = str) -> str:
        """A template with the variables of this event."""
        resource, _, rest = self.event.partition(".")
        lifecycle, _, specifier = rest.partition(".")
        values = {
            "account-code": ACCOUNT_CODE,
            "resource-type": resource,
            "resource-id": id_sets.compact(sorted(self.ids)),
            "lifecycle-event": lifecycle,
            "resource-specifier": specifier,
            "full-event": self.event,
            "raised-on": self.raised_on,
            "brightpearl-version": VERSION,
            **self.variables,
        }
        for name, value in values.items():
            template = template.replace(f"${{{name}}}", encode(value))
        return template


class Webhooks:
    """The deliveries of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._queue = DeliveryQueue[Delivery](self._deliver)

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        self._queue.clear()

    def raise_event(self, event: str, id: int) -> None:
        """Announce an event of one record to its subscribers."""
        hooks = self._account.collections.get("webhook")
        if hooks is None or not hooks.changed or not self._account.settings["webhooks"]:
            return
        delay = float_setting(self._account.settings, "webhook_delay_seconds")
        for hook in hooks:
            if f"{event}.".startswith(f"{hook['subscribeTo']}."):
                one = Delivery(dict(hook), event, self._account.stamp(), {id: None})
                self._queue.put_or_merge(one, delay, one.joins)

    def simulate(self, hook: Record, event: str, ids: Iterable[int], variables: dict[str, str]) -> None:
        """Announce an event that did not happen."""
        groups = [list(ids)] if hook["idSetAccepted"] else [[id] for id in ids]
        for group in groups:
            one = Delivery(hook, event, self._account.stamp(), dict.fromkeys(group), variables)
            self._queue.put(one, 0)

    def _deliver(self, one: Delivery) -> float | None:
        one.attempt += 1
        settings = self._account.settings
        status = send(
            str(one.hook["httpMethod"]),
            one.rendered(str(one.hook["uriTemplate"]), lambda value: quote(value, safe=",-")),
            one.body(),
            {"Content-Type": str(one.hook["contentType"])} if one.has_body else {},
            list_setting(settings, "webhook_hosts"),
            float_setting(settings, "webhook_timeout_seconds"),
        )
        self._account.collections[LOG].add(_entry(one, status, self._account.stamp()))
        if _retries(one, status) and one.attempt < int_setting(settings, "webhook_attempts"):
            return float_setting(settings, "webhook_retry_seconds")
        return None


def _retries(one: Delivery, status: int) -> bool:
    """QoS 0: only after a 503; QoS 1: after any failure but a 4xx."""
    if 200 <= status < 300:
        return False
    if one.hook.get("qualityOfService") == 1:
        return not 400 <= status < 500
    return status == 503


def _entry(one: Delivery, status: int, at: str) -> Record:
    return {
        "webhookId": one.hook["id"],
        "event": one.event,
        "ids": id_sets.compact(sorted(one.ids)),
        "attempt": one.attempt,
        "status": status,
        "at": at,
    }
