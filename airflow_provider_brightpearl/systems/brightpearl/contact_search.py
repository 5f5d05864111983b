"""Finds contacts that Brightpearl has already: by exact email, or after a lost answer by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient, period
from airflow_provider_brightpearl.systems.brightpearl.messages import Answer, read, rows_of
from airflow_provider_brightpearl.systems.brightpearl.reading import refused_search
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole
from airflow_provider_brightpearl.systems.intent_log import IntentLog

_SEARCH = "contact-service/contact-search"
_COLUMNS = ("contactId", "primaryEmail", "firstName", "lastName", "companyName")
_NAMES = _COLUMNS[2:]
# how far the clocks of Brightpearl and of the workers may differ
_CLOCKS = timedelta(minutes=10)


class ContactFinder:
    """Gives new contacts the id of the one that Brightpearl has already; several candidates are refused.

    Args:
        client: calls.
        intent_log: says which contacts are in doubt, and since when.
    """

    def __init__(self, client: BrightpearlClient, intent_log: IntentLog) -> None:
        self.client = client
        self.intent_log = intent_log

    def find(self, people: Sequence[Whole]) -> None:
        """Sets ``id`` of those that are found, one call per ten emails."""
        _refuse_same_email(people)
        asked = [each for each in people if each.open]
        named = [each for each in asked if _email(each)]
        by_email = self._by_email(list(dict.fromkeys(map(_email, named))))
        for each in named:
            found = by_email[_email(each)]
            if not refused_search(each, found, "primaryEmail"):
                rows = list(rows_of(found)) if _complete(found) else self._all(_email(each))
                mine = [row for row in rows if _same_email(row["primaryEmail"], each)]
                self._take(each, mine, f"email {_email(each)}")
        doubtful = [each for each in asked if not _email(each) and self._in_doubt(each)]
        created = list(self._created_since(doubtful)) if doubtful else []
        for each in doubtful:
            alike = [
                row for row in created if not row["primaryEmail"] and _names(row) == _names(_values(each))
            ]
            self._take(each, alike, "this name that were created when the answer was lost")

    def _in_doubt(self, each: Whole) -> bool:
        return self.intent_log.known[each.key].state is IntentState.IN_DOUBT

    def _take(self, each: Whole, found: Sequence[Mapping[str, Any]], what: str) -> None:
        ids = [str(row["contactId"]) for row in found]
        if len(ids) > 1:
            shown = ", ".join(ids[:10])
            each.refuse(
                f"Brightpearl has {len(ids)} contacts of {what}: {shown}; merge them there",
                name="primaryEmail",
            )
        elif ids:
            each.id, each.created = ids[0], self._in_doubt(each)

    def _by_email(self, emails: Sequence[str]) -> dict[str, Answer]:
        """Searches by email, which find parts of one, too."""
        columns = ",".join(_COLUMNS)
        paths = [f"{_SEARCH}?primaryEmail={quote(email, safe='')}&columns={columns}" for email in emails]
        return dict(zip(emails, read(self.client, paths), strict=True))

    def _all(self, email: str) -> list[dict[str, Any]]:
        filters = {"primaryEmail": email}
        return list(self.client.search(_SEARCH, columns=_COLUMNS, filters=filters, sort="contactId"))

    def _created_since(self, people: Iterable[Whole]) -> Iterator[dict[str, Any]]:
        """The contacts that were created since the first of these was sent."""
        known = [self.intent_log.known[each.key].changed_at for each in people]
        first = min((moment for moment in known if moment is not None), default=None)
        filters = {"createdOn": period(first and first - _CLOCKS, self.intent_log.now() + _CLOCKS)}
        yield from self.client.search(_SEARCH, columns=_COLUMNS, filters=filters, sort="contactId")


def _refuse_same_email(people: Sequence[Whole]) -> None:
    first: dict[str, str] = {}
    for each in people:
        if not (email := _email(each)):
            continue
        other = first.setdefault(email, each.source_id)
        if other != each.source_id:
            each.refuse(f"record {other} has the same email: one person is one contact", name="primaryEmail")


def _email(each: Whole) -> str:
    return str(_values(each).get("primaryEmail") or "").strip().casefold()


def _values(each: Whole) -> Mapping[str, Any]:
    return each.head.values if each.head else {}


def _names(values: Mapping[str, Any]) -> list[str]:
    return [str(values.get(name) or "").strip() for name in _NAMES]


def _complete(answer: Answer) -> bool:
    return not (answer.value or {"metaData": {}})["metaData"].get("morePagesAvailable")


def _same_email(theirs: Any, each: Whole) -> bool:
    return str(theirs or "").strip().casefold() == _email(each)
