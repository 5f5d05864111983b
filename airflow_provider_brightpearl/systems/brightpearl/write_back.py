"""Writes back to Brightpearl what became of its records: custom fields, and notes of orders.

Ten messages go into one call that counts as one request. Setting a custom field again is harmless; a note has no
key, so after a lost answer it is looked for by its text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Message, Reply
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient, MessageAnswer

_GROUP = 10
_NOTES = "order-service/order-note-search"
_CODE = re.compile(r"PCF_[A-Z0-9_]+")
_INTEGER = re.compile(r"-?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BAD_PATCH = "CMNC-044"
# custom fields of these types take any text
TEXT_TYPES = ("TEXT", "TEXT_AREA")
_NOTE_COLUMNS = ("orderId", "noteId", "noteText")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream takes write-backs: resource, where its custom fields are listed, whether it has notes."""

    resource: str
    metadata: str
    notes: bool = False


_ORDER = Place("order-service/order", "order-service/sale/custom-field-meta-data", notes=True)
PLACES: Mapping[str, Place] = {
    "sales_orders": _ORDER,
    "sales_credits": _ORDER,
    "contacts": Place("contact-service/contact", "contact-service/customer/custom-field-meta-data"),
    "products": Place("product-service/product", "product-service/product/custom-field-meta-data"),
}


def misfit(stream: str, fields: Sequence[str], note: bool) -> str:
    """Why a stream does not take such a write-back, or an empty text."""
    place = PLACES.get(stream)
    if place is None:
        return f"records of brightpearl.{stream} have no custom fields; those of {', '.join(PLACES)} do"
    if note and not place.notes:
        return f"note: records of brightpearl.{stream} have no notes"
    unknown = [name for name in fields if not _CODE.fullmatch(name)]
    return f"fields.{unknown[0]}: is not the code of a custom field, such as PCF_ORDERNO" if unknown else ""


class BrightpearlWriteBack:
    """Writes back to one stream of an account."""

    def __init__(self, client: BrightpearlClient, stream: str) -> None:
        self.client = client
        self.place = PLACES[stream]

    @property
    def calls(self) -> int:
        return self.client.calls

    def min_calls(self, messages: int) -> int:
        return ceil(messages / _GROUP)

    def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
        yield from chunked(range(len(messages)), _GROUP)

    def send(self, messages: Sequence[Message]) -> list[Reply]:
        """One call; replies in the order of the messages."""
        sent = [self._sent(str(place), message) for place, message in enumerate(messages)]
        harmless = not any(message.note for message in messages)
        by_label = {each.label: each for each in self.client.multi_message(sent, repeatable=harmless)}
        answers = [by_label.get(str(place), MessageAnswer("", 0)) for place in range(len(messages))]
        replies = [_reply(*pair) for pair in zip(messages, answers, strict=True)]
        # some accounts answer a value of the wrong type with a bare 500
        bad = [
            place
            for place, each in enumerate(answers)
            if _error(each)[0] == _BAD_PATCH or (each.status == 500 and messages[place].fields)
        ]
        types = custom_field_types(self.client, self.place.metadata) if bad else {}
        for place in bad:
            replies[place] = _judged(messages[place], types, replies[place], _error(answers[place])[0])
        return replies

    def _sent(self, label: str, message: Message) -> dict[str, Any]:
        record = f"/{self.place.resource}/{message.source_id}"
        if message.note:
            body: Any = {"text": message.note, "isPublic": False}
            return {"label": label, "uri": f"{record}/note", "httpMethod": "POST", "body": body}
        body = [{"op": "add", "path": f"/{name}", "value": text} for name, text in message.fields.items()]
        return {"label": label, "uri": f"{record}/custom-field", "httpMethod": "PATCH", "body": body}

    def find_notes(self, messages: Sequence[Message]) -> list[bool]:
        """Whether each of these notes exists on its order, compared by text."""
        existing: set[tuple[str, str]] = set()
        for group in idset.batches(sorted({int(message.source_id) for message in messages}), MAX_IDS, 1500):
            rows = self.client.search(
                _NOTES, columns=_NOTE_COLUMNS, filters={"orderId": idset.compress(group)}, sort="noteId"
            )
            existing |= {(str(row["orderId"]), _plain(row["noteText"])) for row in rows}
        return [(message.source_id, _plain(message.note)) in existing for message in messages]


def custom_field_types(client: BrightpearlClient, metadata: str) -> dict[str, str]:
    """Type of each custom field of an account by its code, such as ``TEXT``; one call."""
    return {str(each.get("code")): str(each.get("customFieldType", "")) for each in client.get_list(metadata)}


def _judged(message: Message, types: Mapping[str, str], reply: Reply, code: str) -> Reply:
    """The reply to fields that were not taken: a missing one stops all until it exists, a wrong one is refused."""
    missing = sorted(message.fields.keys() - types.keys())
    if missing:
        reason = f"custom field {', '.join(missing)} does not exist: create it in Brightpearl, of type text"
        return Reply(IntentState.DUE, reason, stops=True)
    wrong = [
        f"{name} is of type {types[name]} and does not take {text!r}"
        for name, text in message.fields.items()
        if not _fits(text, types[name])
    ]
    if wrong:
        return Reply(IntentState.REFUSED, f"custom field {', '.join(wrong)}: make it a text field")
    return Reply(IntentState.REFUSED, reply.reason) if code == _BAD_PATCH and message.fields else reply


def _fits(text: str, kind: str) -> bool:
    """Whether a custom field of a type may take a text."""
    if kind == "INTEGER":
        return _INTEGER.fullmatch(text) is not None
    if kind == "DATE":
        return _DATE.match(text) is not None
    if kind == "YES_NO":
        return text.lower() in ("true", "false")
    return kind != "SELECT"


def _reply(message: Message, answer: MessageAnswer) -> Reply:
    code, message_text = _error(answer)
    reason = f"{code} {message_text}".strip() or f"status {answer.status}"
    if 200 <= answer.status < 300:
        return Reply(IntentState.DONE)
    if answer.status == 404:
        return Reply(IntentState.REFUSED, reason)
    if answer.status >= 500 and message.note and code != _BAD_PATCH:
        # a 5xx does not show whether the note was added
        return Reply(IntentState.IN_DOUBT, reason)
    return Reply(IntentState.DUE, reason if answer.status else "not processed")


def _error(answer: MessageAnswer) -> tuple[str, str]:
    """Code and message of a refusal; empty where there is none."""
    errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return "", ""
    return str(errors[0].get("code", "")), str(errors[0].get("message", ""))


def _plain(text: str | None) -> str:
    return " ".join(html.unescape(text or "").split())
