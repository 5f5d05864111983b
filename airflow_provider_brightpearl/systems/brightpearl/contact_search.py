"""Finds contacts that Brightpearl has already: by the flow's rules, or by names what was written and not recorded.

That is after a lost answer, and after a backup of the state was restored.
"""

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
        without_email = [each for each in people if each.open and not each.id and not _email(each)]
        doubtful = [each for each in without_email if self._in_doubt(each)]
        self._take_namesakes(doubtful, list(self._created_since(doubtful)) if doubtful else [])
        self._take_namesakes(forgotten := self._forgotten(without_email), list(self._named(forgotten)))

    def _forgotten(self, people: Sequence[Whole]) -> list[Whole]:
        """Those whom Brightpearl may have got from a state that was replaced by a backup."""
        new = self.matcher.new_ones(people)
        return [
            each
            for each in people
            if each.open
            and not each.id
            and each.key not in new
            and self.intent_log.may_be_forgotten(each.created_at, each.key)
        ]

    def _take_namesakes(self, people: Sequence[Whole], rows: Sequence[Mapping[str, Any]]) -> None:
        """Gives each of the people the row of the same names that has no email and is nobody else's."""
        taken = self.taken({str(row["contactId"]) for row in rows})
        for each in people:
            alike = [
                str(row["contactId"])
                for row in rows
                if not row["primaryEmail"] and _names(row) == _names(_values(each))
            ]
            free = [id for id in dict.fromkeys(alike) if id not in taken]
            twins = sum(_names(_values(other)) == _names(_values(each)) for other in people)
            # of equal people any is as good as the other; more than there are people is a question
            self._take(each, free if len(free) > twins else free[:1])
            taken.add(each.id)

    def _named(self, people: Sequence[Whole]) -> Iterator[dict[str, Any]]:
        """The contacts of the names that these people have, ten searches in a call."""
        by_rule: dict[tuple[str, ...], list[Whole]] = {}
        for each in people:
            given = zip(_NAMES, _names(_values(each)), strict=True)
            by_rule.setdefault(tuple(name for name, value in given if value), []).append(each)
        by_rule.pop((), None)
        for rule, some in by_rule.items():
            for _, rows in self.matcher.fitting(
                rule, [(each, self.matcher.values(rule, each)) for each in some]
            ):
                yield from rows

    def _in_doubt(self, each: Whole) -> bool:
        return self.intent_log.known[each.key].state is IntentState.IN_DOUBT

    def _take(self, each: Whole, ids: Sequence[str]) -> None:
        if len(ids) > 1:
            each.ask(
                f"Brightpearl has {len(ids)} contacts of this name, and no email tells which of them this is: "
                f"`brightpearl match {self.matcher.flow.flow} --record … --to ID` says it, --new that it is none",
                "primaryEmail",
                ", ".join(ids[:10]),
            )
        elif ids:
            each.id, each.created = ids[0], self._in_doubt(each)

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
