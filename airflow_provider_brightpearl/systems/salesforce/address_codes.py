"""Codes of states and countries as an org takes them.

With state and country picklists an org refuses a state that its own lists do not have, and with it the whole record;
without them it has no fields for codes, only for text.
"""

from __future__ import annotations

import logging
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient

log = logging.getLogger(__name__)

_CODE = re.compile(r"(.*)(State|Country)Code")
_Fields = dict[str, msgspec.Raw]
_fields = msgspec.json.Decoder(_Fields).decode
_text = msgspec.json.Decoder(str | None).decode
_SHOWN = 10
_NULL = msgspec.Raw(b"null")


def text_field(name: str) -> str:
    """The text field beside a code: BillingState for BillingStateCode; empty where a field is no such code."""
    return name.removesuffix("Code") if _CODE.fullmatch(name) else ""


def has_picklists(described: Mapping[str, Any]) -> bool | None:
    """Whether an org has state and country picklists, by the describe of an object; None where it has no address."""
    names = {field["name"] for field in described["fields"]}
    if any(_CODE.fullmatch(name) for name in names):
        return True
    return False if any(name.endswith("Country") for name in names) else None


class AddressCodes:
    """The codes of one flow's addresses.

    The lists are those of the whole org, so one describe tells them; it is read when the first code is written.

    Args:
        client: calls to the org; ``calls`` counts those that the codes took.
        flow: its objects' fields whose names end with ``StateCode`` and ``CountryCode``.
    """

    def __init__(self, client: SalesforceClient, flow: FlowSpec) -> None:
        self.client = client
        self.flow = flow
        self._of = {
            name: codes
            for name, spec in flow.objects.items()
            if (codes := list(filter(text_field, spec.fields)))
        }
        self._picklists: bool | None = None
        self._states: dict[str, dict[str, str]] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()
        self.calls = 0

    @property
    def named(self) -> bool:
        """Whether the flow writes such codes."""
        return bool(self._of)

    def renamed(self, name: str) -> dict[str, str]:
        """Fields of an object that the org has under another name: the text fields of codes, without picklists."""
        codes = self._of.get(name, ())
        return {code: text_field(code) for code in codes} if codes and not self._has_picklists() else {}

    def valued(self, name: str, payload: str) -> str:
        """The JSON fields of an object's row, with codes of states that the org has, and null for others."""
        states = [code for code in self._of.get(name, ()) if code.endswith("StateCode")]
        if not states or not self._has_picklists():
            return payload
        fields = _fields(payload)
        changed: _Fields = {}
        for code in states:
            state = _text(fields.get(code, _NULL))
            country = fields.get(code.removesuffix("StateCode") + "CountryCode")
            # a row that is sent without country keeps the one that it has
            if state is None or country is None:
                continue
            found = self._state(state, _text(country))
            if found is None:
                self._left_out[name, f"{state!r} ({_text(country) or 'no country'})"] += 1
            if found != state:
                changed[code] = msgspec.Raw(msgspec.json.encode(found))
        return msgspec.json.encode({**fields, **changed}).decode() if changed else payload

    def written(self, record: RecordChange) -> RecordChange:
        """A record with its rows as the org takes them."""
        if not any(self._has_codes(change) for change in record.changes):
            return record
        return replace(record, changes=tuple(map(self._written, record.changes)))

    def _has_codes(self, change: Change) -> bool:
        return any(f'"{code}":' in change.payload for code in self._of.get(change.object, ()))

    def _written(self, change: Change) -> Change:
        if not (renamed := self.renamed(change.object)):
            return replace(change, payload=self.valued(change.object, change.payload))
        taken_once = self.flow.objects[change.object].sent_on_create if change.target_id else ()
        fields = {
            renamed.get(name, name): value
            for name, value in _fields(change.payload).items()
            if name not in taken_once
        }
        return replace(change, payload=msgspec.json.encode(fields).decode())

    def log_left_out(self) -> None:
        """Warns of the states that were left out since the last call, a line for each object."""
        for name in dict.fromkeys(name for name, _ in self._left_out):
            states = [state for owner, state in self._left_out if owner == name]
            log.warning(
                "%s: %s left empty, as the org's picklist has no %s%s",
                name, counted(sum(n for (owner, _), n in self._left_out.items() if owner == name), "state"),
                ", ".join(states[:_SHOWN]), " …" if states[_SHOWN:] else "",
            )  # fmt: skip
        self._left_out.clear()

    def _state(self, state: str, country: str | None) -> str | None:
        return self._states.get((country or "").upper(), {}).get(state.casefold())

    def _has_picklists(self) -> bool:
        if self._picklists is None:
            before, name = self.client.calls, next(iter(self._of))
            described = self.client.described(self.flow.target_object(name))
            self.calls = self.client.calls - before
            self._picklists = has_picklists(described) is not False
            self._states = _states(described)
        return self._picklists


def _states(described: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Codes by country and by every spelling: the code, the label, and the code of ISO 3166-2 for the label."""
    # its tables take a second to load, and most runs have no state to look up
    from airflow_provider_brightpearl.mapping.addresses import region

    fields = {field["name"]: field for field in described["fields"]}
    found: dict[str, dict[str, str]] = {}
    for field in fields.values():
        controller = fields.get(field.get("controllerName") or "")
        if not field["name"].endswith("StateCode") or controller is None:
            continue
        countries = [each["value"] for each in _choices(controller)]
        for choice in _choices(field):
            for country in _controlling(choice, countries):
                known = found.setdefault(country.upper(), {})
                code, label = choice["value"], choice.get("label") or choice["value"]
                for spelling in (region(label, country) or label, label, code):
                    known[spelling.casefold()] = code
        return found
    return found


def _choices(field: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The values of a picklist.

    Raises:
        SchemaMismatch: the describe does not list them, by which every state would count as unknown.
    """
    try:
        return list(field["picklistValues"])
    except KeyError:
        raise SchemaMismatch(
            f"the describe lists no picklistValues of {field['name']}",
            system=SYSTEM,
            operation="GET describe",
        ) from None


def _controlling(choice: Mapping[str, Any], countries: list[str]) -> Iterator[str]:
    """The countries that a state belongs to, by its bits, the first country's being the highest."""
    if not choice.get("active", True) or not choice.get("validFor"):
        return
    bits = b64decode(choice["validFor"])
    for place, country in enumerate(countries):
        if place // 8 < len(bits) and bits[place // 8] & (0x80 >> place % 8):
            yield country
