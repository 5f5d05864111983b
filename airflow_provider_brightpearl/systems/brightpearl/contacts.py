"""Contacts with their addresses: found again by exact email, created with a POST, changed by what differs.

Brightpearl has no key of ours on a contact, so a new one is an intent. An address cannot be changed: a changed one
is created, and the contact is pointed to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import ceil
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS
from airflow_provider_brightpearl.systems.brightpearl.contact_search import ContactFinder
from airflow_provider_brightpearl.systems.brightpearl.custom_fields import custom_fields
from airflow_provider_brightpearl.systems.brightpearl.fields import at, nested
from airflow_provider_brightpearl.systems.brightpearl.match import CONTACTS, Matcher
from airflow_provider_brightpearl.systems.brightpearl.messages import (
    Message,
    Once,
    State,
    min_calls,
    note_missing,
    send_all,
    send_once,
)
from airflow_provider_brightpearl.systems.brightpearl.objects import ADDRESS, CONTACT, SLOTS
from airflow_provider_brightpearl.systems.brightpearl.reading import Odd, read_there
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Row, Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import digest_of

_CONTACT = "contact-service/contact"
_ADDRESS = "contact-service/postal-address"
_DEFAULT = "DEF"
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class ContactWriter(Writer):
    """Writes contacts of one flow, as many at once as one call reads."""

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls: a search per new email, addresses, contacts, custom fields; or a read and a patch."""
        everyone = [whole_of(self.flow, record) for record in records]
        new = [each for each in everyone if not each.id and each.refusal is None]
        searches = Matcher(self.client, self.flow, CONTACTS, self.linked).min_searches(new)
        places = sum(len({_place(row) for row in each.of_kind("Address")}) for each in new)
        custom = sum(bool(each.head and each.head.custom) for each in new)
        changed = len(everyone) - len(new)
        return min_calls(searches, places, len(new), custom, changed) + ceil(changed / MAX_IDS)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of all rows of these contacts, of which there are at most as many as one call reads."""
        people = [whole_of(self.flow, record) for record in records]
        for each in people:
            _check_addresses(each)
        self._identify(people)
        self._read([each for each in people if each.id and each.open])
        self._find([each for each in people if not each.id and each.open])
        self._create([each for each in people if not each.id and each.open])
        self._change([each for each in people if each.there and each.open])
        yield [result for each in people for result in self._results(each)]

    def _identify(self, people: Sequence[Whole]) -> None:
        """Takes the ids that are known from earlier writes."""
        # what an earlier call of this run left in doubt is not waited for
        self.intent_log.known.clear()
        self.intent_log.load({each.key: _digest(each) for each in people if each.key})
        self.intent_log.wait_until_quiet()
        for each in people:
            intent = self.intent_log.known.get(each.key)
            if not each.id and intent and intent.state is IntentState.DONE:
                each.id, each.created = intent.target_id, True
        self.release_taken(people)

    def _find(self, people: Sequence[Whole]) -> None:
        """Takes over contacts that Brightpearl has already, and remembers them as ours."""
        ContactFinder(self.client, self.flow, self.intent_log, self.linked, self.taken).find(people)
        found = [each for each in people if each.id and each.open]
        self.intent_log.begin({each.key: _digest(each) for each in found if not each.created})
        self.intent_log.confirm({each.key: each.id for each in found})
        self._read(found)

    def _read(self, people: Sequence[Whole]) -> None:
        """Reads the contacts as they are now.

        One that Brightpearl no longer has is created anew, unless its row is bound: then a person has to decide.
        """
        custom = any(each.head and each.head.custom for each in people)
        params = {"includeOptional": "customFields"} if custom else None
        read_there(self.client, _CONTACT, "contactId", people, params=params)
        for each in people:
            if each.there is None and each.open:
                if each.head is None or each.head.bound_to:
                    each.refuse(f"Brightpearl no longer has contact {each.id}")
                each.id, each.created = "", False

    # new contacts

    def _create(self, people: Sequence[Whole]) -> None:
        for each in people:
            if each.head is None:
                each.refuse("the contact of this address is not in Brightpearl yet", passing=True)
            elif not any(row.values["type"] == _DEFAULT for row in each.parts):
                each.refuse(
                    f"a contact needs an Address of type {_DEFAULT}, its default address, with a country: "
                    "complete the address at the source"
                )
        ids = self._addresses([(each, each.parts) for each in people if each.open])
        new = {each.key: each for each in people if each.open}
        writes = [Once(key, _digest(each), _post(each, ids[each.source_id])) for key, each in new.items()]
        for pairs in send_once(self.client, self.intent_log, self.pending, writes):
            for sent, answer in pairs:
                each = new[sent.key]
                each.unanswered = answer.state in (State.UNKNOWN, State.UNREACHED)
                if answer.state is State.REFUSED:
                    each.refuse(answer.reason)
                elif answer.done:
                    each.id, each.created, each.sent = answer.made, True, True
        self._send([(each, custom_fields(each, _CONTACT)) for each in new.values() if each.open])

    def _addresses(self, wanted: Sequence[tuple[Whole, Sequence[Row]]]) -> dict[str, dict[str, int]]:
        """Creates addresses and returns their ids by record and slot; equal ones of one contact are one.

        An address without a contact shows nowhere, so after a lost answer it is simply created again.
        """
        for each, parts in wanted:
            for row in parts:
                if row.values.get("countryIsoCode") in (None, ""):
                    each.refuse("is missing", row, "countryIsoCode")
        wanted = [(each, parts) for each, parts in wanted if each.open]
        rows = {(each.source_id, _place(row)): (each, row) for each, parts in wanted for row in parts}
        places = list(rows)
        sent = [Message("POST", _ADDRESS, nested(ADDRESS.fields, row.values)) for _, row in rows.values()]
        made: dict[tuple[str, str], int] = {}
        for number, answer in send_all(self.client, sent, repeatable=True):
            each, row = rows[places[number]]
            if answer.done:
                made[places[number]] = int(answer.value)
            elif answer.state is State.REFUSED:
                # which field it is, Brightpearl says in words
                named = (name for name in row.values if name != "type" and name in answer.reason)
                each.refuse(answer.reason, row, next(named, ""))
            else:
                each.unanswered = True
                self.pending.unreached.append(each.key)
        ids: dict[str, dict[str, int]] = defaultdict(dict)
        for each, parts in wanted:
            mine = {row.values["type"]: made.get((each.source_id, _place(row))) for row in parts}
            ids[each.source_id] = {slot: address for slot, address in mine.items() if address is not None}
        return ids

    # existing ones

    def _change(self, people: Sequence[Whole]) -> None:
        moved = self._moved(people)
        ids = self._addresses([(each, moved[each.source_id]) for each in people if each.open])
        sent = []
        for each in filter(lambda each: each.open, people):
            operations = [*_operations(each), *_pointed(each, ids[each.source_id])]
            patch = [Message("PATCH", f"{_CONTACT}/{each.id}", operations)] if operations else []
            sent.append((each, [*patch, *custom_fields(each, _CONTACT)]))
        self._send([pair for pair in sent if pair[0].open])

    def _moved(self, people: Sequence[Whole]) -> dict[str, list[Row]]:
        """The address rows that differ from what is at their place, by record, completed by what it has."""
        placed = [(each, row, _slots(each).get(row.values["type"])) for each in people for row in each.parts]
        # an address that cannot be read is replaced
        asked = [int(address) for *_, address in placed if address]
        raw = self.client.get_records(_ADDRESS, asked, set_aside=Odd())
        there = {record["addressId"]: record for record in map(_decode, raw)}
        moved: dict[str, list[Row]] = {each.source_id: [] for each in people}
        for each, row, address in placed:
            if _differs(row, current := there.get(address)):
                whole = _completed(row, current or {})
                if not whole.values.get("countryIsoCode"):
                    reason = "is missing: Brightpearl takes no address without a country"
                    each.refuse(reason, row, "countryIsoCode")
                moved[each.source_id].append(whole)
        return moved

    def _send(self, changes: Sequence[tuple[Whole, Sequence[Message]]]) -> None:
        """Sends the changes of contacts; each is harmless to repeat, so a lost one is found by the next reading."""
        flat = [(each, message) for each, messages in changes for message in messages]
        for place, answer in send_all(self.client, [message for _, message in flat], repeatable=True):
            each, _ = flat[place]
            each.touched = True
            if answer.state is State.REFUSED:
                each.refuse(answer.reason)
            each.unanswered |= note_missing(self.pending, each.key or each.id, answer)

    def _results(self, each: Whole) -> Iterator[RowResult]:
        if each.refusal is not None:
            yield each.refusal
        elif not each.unanswered:
            yield from each.removals()
            for row in each.rows:
                own = each.id if row is each.head else f"{each.id}{SEPARATOR}{row.values['type']}"
                yield each.written(row, own)


def _digest(each: Whole) -> str:
    return digest_of(row.change for row in each.rows)


def _place(row: Row) -> str:
    """An address's content, by which equal ones are recognised."""
    return msgspec.json.encode(nested(ADDRESS.fields, row.values)).decode()


def _post(each: Whole, addresses: Mapping[str, int]) -> Message:
    body = nested(CONTACT.fields, each.head.values) if each.head else {}
    return Message("POST", _CONTACT, {**body, "postAddressIds": dict(addresses)})


def _check_addresses(each: Whole) -> None:
    """Refuses a contact with an address whose type is unknown or not its own."""
    types: set[str] = set()
    for row in each.parts:
        if (kind := row.values.get("type")) not in SLOTS:
            each.refuse(f"must be one of {', '.join(SLOTS)}", row, "type")
        elif kind in types:
            each.refuse("another address of this contact has this type", row, "type")
        types.add(str(kind))


def _slots(each: Whole) -> Mapping[str, int]:
    """The ids of a contact's addresses by type."""
    return (each.there or {}).get("postAddressIds") or {}


def _operations(each: Whole) -> Iterator[dict[str, Any]]:
    """The operations that bring a contact's fields to the mapped values."""
    for name, value in (each.head.changeable() if each.head else {}).items():
        known = CONTACT.fields.get(name)
        if known is None or known.same(value, current := at(each.there, known.path)):
            continue
        if value is None:
            yield {"op": "remove", "path": known.patch}
        else:
            yield {"op": "add" if current is None else "replace", "path": known.patch, "value": value}


def _pointed(each: Whole, ids: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The operations that point a contact to other addresses; the place of a removed one is emptied."""
    slots = _slots(each)
    for slot, address in ids.items():
        yield {
            "op": "replace" if slot in slots else "add",
            "path": f"/postAddressIds/{slot}",
            "value": address,
        }
    sent = {row.values["type"] for row in each.parts}
    for gone in each.gone:
        slot = gone.target_id.partition(SEPARATOR)[2]
        if slot == _DEFAULT and slot not in sent:
            each.refuse(f"a contact keeps its default address: map another one to type {_DEFAULT}")
        elif slot in slots and slot not in sent:
            yield {"op": "remove", "path": f"/postAddressIds/{slot}"}


def _differs(row: Row, there: Mapping[str, Any] | None) -> bool:
    ours = row.changeable()
    return there is None or any(
        not known.same(ours.get(name), there.get(known.path))
        for name, known in ADDRESS.fields.items()
        if known.path and name in ours
    )


def _completed(row: Row, there: Mapping[str, Any]) -> Row:
    """The row of an address that takes the place of another, with what that has in fields that are left alone."""
    current = {name: there[known.path] for name, known in ADDRESS.fields.items() if there.get(known.path)}
    return replace(row, values={**row.values, **current, **row.changeable()})
