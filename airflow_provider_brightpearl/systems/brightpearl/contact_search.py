"""Finds contacts that Brightpearl has already: by the flow's rules, or after a lost answer by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_brightpearl.core.ports.matching import LinkedRows
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient, period
from airflow_provider_brightpearl.systems.brightpearl.match import CONTACTS, Matcher
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole
from airflow_provider_brightpearl.systems.intent_log import IntentLog

_COLUMNS = ("contactId", "primaryEmail", "firstName", "lastName", "companyName")
_NAMES = _COLUMNS[2:]
# how far the clocks of Brightpearl and of the workers may differ
_CLOCKS = timedelta(minutes=10)


class ContactFinder:
    """Gives new contacts the id of the one that Brightpearl has already; what is not certain is asked.

    Args:
        client: calls.
        flow: has the rules.
        intent_log: says which contacts are in doubt, and since when.
        linked: what is known of the contacts that Brightpearl has.
        taken: gives those of some contacts that other records have.
    """

    def __init__(
        self,
        client: BrightpearlClient,
        flow: FlowSpec,
        intent_log: IntentLog,
        linked: LinkedRows,
        taken: Callable[[set[str]], set[str]],
    ) -> None:
        self.client = client
        self.taken = taken
        self.intent_log = intent_log
        self.matcher = Matcher(client, flow, CONTACTS, linked)

    def find(self, people: Sequence[Whole]) -> None:
        """Sets ``id`` of those that are found, one call per ten searches."""
        # a contact whose answer was lost may have come to be since the first look
        self.matcher.linked.unfound.difference_update(each.key for each in people if self._in_doubt(each))
        self.matcher.find(people)
        for each in people:
            each.created = bool(each.id) and self._in_doubt(each)
        doubtful = [
            each for each in people if each.open and not each.id and not _email(each) and self._in_doubt(each)
        ]
        created = list(self._created_since(doubtful)) if doubtful else []
        taken = self.taken({str(row["contactId"]) for row in created})
        for each in doubtful:
            alike = [
                str(row["contactId"])
                for row in created
                if not row["primaryEmail"] and _names(row) == _names(_values(each))
            ]
            free = [id for id in alike if id not in taken]
            twins = sum(_names(_values(other)) == _names(_values(each)) for other in doubtful)
            # of equal people any is as good as the other; more than there are people is a question
            self._take(each, free if len(free) > twins else free[:1])
            taken.add(each.id)

    def _in_doubt(self, each: Whole) -> bool:
        return self.intent_log.known[each.key].state is IntentState.IN_DOUBT

    def _take(self, each: Whole, ids: Sequence[str]) -> None:
        if len(ids) > 1:
            each.ask(
                f"Brightpearl has {len(ids)} contacts of this name that were created when the answer was lost: "
                f"`brightpearl match {self.matcher.flow.flow} --record … --to ID` says which of them it is",
                "primaryEmail",
                ", ".join(ids[:10]),
            )
        elif ids:
            each.id, each.created = ids[0], True

    def _created_since(self, people: Iterable[Whole]) -> Iterator[dict[str, Any]]:
        """The contacts that were created since the first of these was sent."""
        known = [self.intent_log.known[each.key].changed_at for each in people]
        first = min((moment for moment in known if moment is not None), default=None)
        filters = {"createdOn": period(first and first - _CLOCKS, self.intent_log.now() + _CLOCKS)}
        yield from self.client.search(CONTACTS.search, columns=_COLUMNS, filters=filters, sort="contactId")


def _email(each: Whole) -> str:
    return str(_values(each).get("primaryEmail") or "").strip()


def _values(each: Whole) -> Mapping[str, Any]:
    return each.head.values if each.head else {}


def _names(values: Mapping[str, Any]) -> list[str]:
    return [str(values.get(name) or "").strip() for name in _NAMES]
