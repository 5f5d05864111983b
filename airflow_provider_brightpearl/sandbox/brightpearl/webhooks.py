"""Delivers webhooks: templates, id sets, and the two retry policies (reference, section 5.2).

When and how often the vendor retries is not published, so both are settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..deliveries import Deliveries, Delivery
from ..outgoing import Outgoing
from . import id_sets

if TYPE_CHECKING:
    from .account import Account

Record = dict[str, Any]
ACCOUNT_CODE, VERSION = "acmetest", "4.105.2"
LOG = "webhook-delivery"


@dataclass(slots=True)
class Webhook(Delivery):
    """One request to a subscriber, with the ids that it announces; its event is such as `order.modified`."""

    hook: Record
    raised_on: str
    ids: dict[int, None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # of a simulation, which replace our own

    def request(self) -> Outgoing:
        """The request, with the templates filled in; only POST and PUT have a body."""
        has_body = self.hook["httpMethod"] in ("POST", "PUT")
        return Outgoing(
            str(self.hook["httpMethod"]),
            self.rendered(str(self.hook["uriTemplate"]), lambda value: quote(value, safe=",-")),
            self.rendered(str(self.hook.get("bodyTemplate") or "")).encode() if has_body else None,
            {"Content-Type": str(self.hook["contentType"])} if has_body else {},
        )

    def joins(self, known: Webhook) -> bool:
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
        self._deliveries = Deliveries[Webhook](account.settings, "webhook", _retries, self._record)

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        self._deliveries.clear()

    def raise_event(self, event: str, id: int) -> None:
        """Announce an event of one record to its subscribers."""
        hooks = self._account.collections.get("webhook")
        if hooks is None or not hooks.changed or not self._account.settings["webhooks"]:
            return
        for hook in hooks:
            if f"{event}.".startswith(f"{hook['subscribeTo']}."):
                one = Webhook(dict(hook), self._account.stamp(), {id: None}, event=event)
                self._deliveries.put_or_merge(one, one.joins)

    def simulate(self, hook: Record, event: str, ids: Iterable[int], variables: dict[str, str]) -> None:
        """Announce an event that did not happen."""
        groups = [list(ids)] if hook["idSetAccepted"] else [[id] for id in ids]
        for group in groups:
            ids_of_call = dict.fromkeys(group)
            one = Webhook(hook, self._account.stamp(), ids_of_call, variables, event=event)
            self._deliveries.put(one, 0)

    def _record(self, one: Webhook, row: Record) -> None:
        ids = id_sets.compact(sorted(one.ids))
        known = {"webhookId": one.hook["id"], "event": one.event, "ids": ids, "at": self._account.stamp()}
        self._account.collections[LOG].add(known | row)


def _retries(one: Webhook, status: int) -> bool:
    """QoS 0: only after a 503; QoS 1: after any failure but a 4xx."""
    if 200 <= status < 300:
        return False
    if one.hook.get("qualityOfService") == 1:
        return not 400 <= status < 500
    return status == 503
