"""Writes back to Salesforce what became of its records: fields of theirs, 200 records a call.

Setting a field again is harmless. Notes are not written: each kind of them that Salesforce has needs a feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import ceil

import msgspec

from airflow_provider_brightpearl.core.ports.source import Message, Reply
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.salesforce.answers import GONE, RowAnswer, is_passing
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.collections import COLLECTION_ROWS
from airflow_provider_brightpearl.systems.salesforce.streams.table import find_stream

_FIELD = re.compile(r"[A-Za-z]\w*", re.ASCII)
# every other message would fail too until a person adds the field or grants access to it
_OF_THE_ORG = ("INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INSUFFICIENT_ACCESS_OR_READONLY")


def misfit(stream: str, fields: Sequence[str], note: bool) -> str:
    """Why a stream does not take such a write-back, or an empty text."""
    if note:
        return f"note: records of salesforce.{stream} take no notes; set a field of theirs instead"
    wrong = [name for name in fields if not _FIELD.fullmatch(name) or name.casefold() == "id"]
    return (
        f"fields.{wrong[0]}: is not a field that can be set, such as Brightpearl_Status__c" if wrong else ""
    )


class SalesforceWriteBack:
    """Writes back to one stream of an org."""

    def __init__(self, client: SalesforceClient, stream: str) -> None:
        self.client = client
        self.object = find_stream(stream).shape.object

    @property
    def calls(self) -> int:
        return self.client.calls

    def min_calls(self, messages: int) -> int:
        return ceil(messages / COLLECTION_ROWS)

    def groups(self, messages: Sequence[Message]) -> Iterator[Sequence[int]]:
        """Groups of 200; a record that two messages name is in two groups, as a call takes it once."""
        group: dict[str, int] = {}
        for place, message in enumerate(messages):
            if message.source_id in group or len(group) == COLLECTION_ROWS:
                yield list(group.values())
                group = {}
            group[message.source_id] = place
        if group:
            yield list(group.values())

    def send(self, messages: Sequence[Message]) -> list[Reply]:
        """One call; replies in the order of the messages."""
        rows = [{"Id": message.source_id, **message.fields} for message in messages]
        answers = self.client.upsert(self.object, "Id", [msgspec.json.encode(row).decode() for row in rows])
        return [_reply(answer) for answer in answers]

    def find_notes(self, messages: Sequence[Message]) -> list[bool]:
        return [False] * len(messages)


def _reply(answer: RowAnswer) -> Reply:
    if answer.success:
        return Reply(IntentState.DONE)
    reason = f"{answer.code}: {answer.message}"
    if answer.code in _OF_THE_ORG:
        return Reply(IntentState.DUE, reason, stops=True)
    passing = is_passing(answer.code, answer.message) and answer.code not in GONE
    return Reply(IntentState.DUE if passing else IntentState.REFUSED, reason)
