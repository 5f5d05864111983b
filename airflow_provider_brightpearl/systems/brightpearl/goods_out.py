"""Goods-out notes: what leaves a warehouse for an order, row by row, with carrier, tracking and shipping.

Brightpearl has no key of ours on a note, so a new one is an intent. After a lost answer it is looked for among the
notes of its order by warehouse and pieces. Nothing of a note can be changed once it is shipped, so it is shipped last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.stores import Intent, IntentState
from airflow_provider_brightpearl.systems.brightpearl.fields import at, nested
from airflow_provider_brightpearl.systems.brightpearl.messages import (
    Message,
    Once,
    State,
    min_calls,
    note_missing,
    read,
    send_all,
    send_once,
)
from airflow_provider_brightpearl.systems.brightpearl.objects import GOODS_OUT
from airflow_provider_brightpearl.systems.brightpearl.reading import read_there, refused_search
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Row, Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import digest_of

_OF_ORDER = "warehouse-service/order/{}/goods-note/goods-out"
_NOTE = "warehouse-service/goods-note/goods-out/{}"
NOTES_A_CALL = 500
# how far the clocks of Brightpearl and of the workers may differ
_CLOCKS = timedelta(minutes=10)
# set with the note, and by no other call
_FIXED = ("orderId", "warehouseId", "releaseDate")
# set by its last event
_SHIPPED = ("shippedOn", "shippedById")


class GoodsOutWriter(Writer):
    """Writes goods-out notes with their rows."""

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls: notes created or read, details set, shipped.

        Of those that are older than the flow's state, the notes of their orders are read as well.
        """
        notes = [whole_of(self.flow, record) for record in records]
        new = [note for note in notes if not note.id]
        details = sum(bool(_details(note)) for note in new)
        shipped = sum(_shipped_on(note) is not None for note in new)
        old = (note for note in new if self.intent_log.may_be_written(note.created_at))
        orders = {_head(note).get("orderId") for note in old}
        return min_calls(len(orders), len(new), details, shipped) + ceil(
            (len(notes) - len(new)) / NOTES_A_CALL
        )

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of all rows of these notes."""
        notes = [whole_of(self.flow, record) for record in records]
        _refuse_bad(notes)
        self._identify([note for note in notes if note.open])
        self._create([note for note in notes if note.open and not note.id])
        self._read([note for note in notes if note.open and note.id and not note.sent])
        for note in notes:
            if note.open and note.there:
                _refuse_changes(note)
        self._send([(note, _details_message(note)) for note in notes if note.open and _details(note)])
        self._send([(note, _shipping(note)) for note in notes if note.open and _to_ship(note)])
        yield [result for note in notes for result in _results(note)]

    # which note it is

    def _identify(self, notes: Sequence[Whole]) -> None:
        # what an earlier call of this run left in doubt is not waited for
        self.intent_log.known.clear()
        self.intent_log.load({note.key: _digest(note) for note in notes if note.key})
        self.intent_log.wait_until_quiet()
        doubtful = []
        for note in notes:
            intent = self.intent_log.known.get(note.key)
            if note.id or intent is None:
                continue
            if intent.state is IntentState.DONE:
                note.id, note.created = intent.target_id, True
            elif note.parts and note.head is not None and self._may_be_there(note, intent):
                doubtful.append(note)
        self._find(doubtful)

    def _may_be_there(self, note: Whole, intent: Intent) -> bool:
        """Whether its answer was lost, or the state that knew of it."""
        return intent.state is IntentState.IN_DOUBT or self.intent_log.may_be_written(
            note.created_at, note.key
        )

    def _find(self, notes: Sequence[Whole]) -> None:
        """Looks for notes in doubt among those of their orders; each note that is found is taken once."""
        orders = list(dict.fromkeys(_head(note)["orderId"] for note in notes))
        answers = read(self.client, [_OF_ORDER.format(order) + "/" for order in orders])
        there = dict(zip(orders, answers, strict=True))
        taken = self.taken({found for answer in answers for found in answer.value or {}})
        for note in notes:
            if refused_search(note, there[_head(note)["orderId"]], "orderId"):
                continue
            known = self.intent_log.known[note.key]
            alike = [
                found
                for found, stored in (there[_head(note)["orderId"]].value or {}).items()
                if found not in taken and _is(note, stored, known)
            ]
            twins = sum(_alike(other, note) for other in notes)
            if len(alike) > twins:
                note.refuse(
                    f"Brightpearl has several notes like this one: {', '.join(sorted(alike))}; delete all but one"
                )
            elif alike:
                note.id, note.created = min(alike, key=int), True
                taken.add(note.id)
        found = [note for note in notes if note.id and note.open]
        fresh = [note for note in found if self.intent_log.known[note.key].state is not IntentState.IN_DOUBT]
        self.intent_log.begin({note.key: _digest(note) for note in fresh})
        self.intent_log.confirm({note.key: note.id for note in found})

    def _create(self, notes: Sequence[Whole]) -> None:
        new = {}
        for note in notes:
            if note.head is None:
                note.refuse("the goods-out note of this row is not in Brightpearl yet", passing=True)
            elif not note.parts:
                note.refuse("a goods-out note needs rows")
            else:
                new[note.key] = note
        writes = [Once(key, _digest(note), _new_note(note)) for key, note in new.items()]
        for pairs in send_once(self.client, self.intent_log, self.pending, writes):
            for sent, answer in pairs:
                note = new[sent.key]
                note.unanswered = answer.state in (State.UNKNOWN, State.UNREACHED)
                if answer.state is State.REFUSED:
                    note.refuse(answer.reason)
                elif answer.done:
                    note.id, note.created, note.sent = answer.made, True, True

    def _read(self, notes: Sequence[Whole]) -> None:
        """Reads the notes that were there before."""
        read_there(self.client, _OF_ORDER.format("*"), "", notes, batch=NOTES_A_CALL)
        for note in notes:
            if note.there is None:
                note.refuse(f"Brightpearl no longer has goods-out note {note.id}")

    def _send(self, changes: Sequence[tuple[Whole, Message]]) -> None:
        """Sends one message a note; what is lost is found by the next reading."""
        for place, answer in send_all(self.client, [message for _, message in changes], repeatable=False):
            note, _ = changes[place]
            if answer.state is State.REFUSED:
                note.refuse(answer.reason)
            note.unanswered |= note_missing(self.pending, note.key or note.id, answer)


def _head(note: Whole) -> Mapping[str, Any]:
    return note.head.values if note.head else {}


def _digest(note: Whole) -> str:
    return digest_of(row.change for row in note.rows)


def _refuse_bad(notes: Sequence[Whole]) -> None:
    for note in notes:
        rows: set[int] = set()
        for row in note.parts if note.open else ():
            if row.values["orderRowId"] in rows:
                note.refuse("another row of this note has the same order row: add them up", row, "orderRowId")
            rows.add(row.values["orderRowId"])
            if row.values["quantity"] != int(row.values["quantity"]) or row.values["quantity"] < 1:
                note.refuse("has to be a whole number above 0", row, "quantity")


def _content(note: Whole) -> dict[int, int]:
    """Pieces by order row."""
    return {row.values["orderRowId"]: int(row.values["quantity"]) for row in note.parts}


def _stored_content(stored: Mapping[str, Any]) -> dict[int, int]:
    rows = (stored.get("orderRows") or {}).items()
    return {int(row): sum(int(part["quantity"]) for part in parts) for row, parts in rows}


def _is(note: Whole, stored: Mapping[str, Any], intent: Intent) -> bool:
    """Whether a note in Brightpearl can be the one whose answer was lost."""
    created = datetime.fromisoformat(stored["createdOn"])
    late = intent.changed_at is None or created >= intent.changed_at - _CLOCKS
    same_warehouse = int(stored["warehouseId"]) == _head(note)["warehouseId"]
    references = {str(at(stored, "shipping/reference") or ""), str(_head(note).get("reference") or "")} - {""}
    same = same_warehouse and len(references) < 2 and _stored_content(stored) == _content(note)
    # what nobody has begun is there only if the state was lost, however long ago
    return same and (late or intent.state is not IntentState.IN_DOUBT)


def _alike(one: Whole, other: Whole) -> bool:
    places = ((_head(note)["orderId"], _head(note)["warehouseId"], _content(note)) for note in (one, other))
    return next(places) == next(places)


def _new_note(note: Whole) -> Message:
    values = _head(note)
    products = [
        {
            "productId": row.values["productId"],
            "salesOrderRowId": row.values["orderRowId"],
            "quantity": int(row.values["quantity"]),
        }
        for row in note.parts
    ]
    warehouse: dict[str, Any] = {
        "warehouseId": values["warehouseId"],
        "transfer": False,
        "products": products,
    }
    if values.get("releaseDate"):
        warehouse["releaseDate"] = values["releaseDate"]
    body: dict[str, Any] = {"warehouses": [warehouse], "priority": bool(values.get("priority"))}
    if values.get("shippingMethodId") is not None:
        body["shippingMethodId"] = values["shippingMethodId"]
    return Message("POST", _OF_ORDER.format(values["orderId"]), body)


def _details(note: Whole) -> dict[str, Any]:
    """The details of a note that a further call sets: those that differ from what it has."""
    if note.head is None:
        return {}
    first = ("priority", "shippingMethodId") if note.sent else ()
    return {
        name: value
        for name, value in (note.head.values if note.sent else note.head.changeable()).items()
        if value is not None
        and name not in (*_FIXED, *_SHIPPED, *first)
        and not GOODS_OUT.fields[name].same(value, at(note.there, GOODS_OUT.fields[name].path))
    }


def _details_message(note: Whole) -> Message:
    # all that are mapped, so that Brightpearl keeps none of an older state
    values = {name: value for name, value in _head(note).items() if name not in (*_FIXED, *_SHIPPED)}
    return Message("PUT", _NOTE.format(note.id), nested(GOODS_OUT.fields, values))


def _shipped_on(note: Whole) -> str | None:
    return _head(note).get("shippedOn")


def _to_ship(note: Whole) -> bool:
    return _shipped_on(note) is not None and not at(note.there, "status/shipped")


def _shipping(note: Whole) -> Message:
    event: dict[str, Any] = {"eventCode": "SHW", "occured": _shipped_on(note)}
    if (owner := _head(note).get("shippedById")) is not None:
        event["eventOwnerId"] = owner
    return Message("POST", f"{_NOTE.format(note.id)}/event", {"events": [event]})


def _refuse_changes(note: Whole) -> None:
    """Refuses what Brightpearl does not change on a note that is there."""
    shipped = bool(at(note.there, "status/shipped"))
    for name in _FIXED[:2]:
        ours, theirs = _head(note).get(name), at(note.there, name)
        if ours is not None and ours != int(theirs):
            note.refuse(f"Brightpearl does not change it on a note: {note.id} has {theirs}", note.head, name)
    stored = _stored_content(note.there or {})
    for row in note.parts:
        if stored.get(row.values["orderRowId"]) != row.values["quantity"]:
            note.refuse(
                f"Brightpearl changes no rows of a note: delete {note.id} there, then sync this record again",
                row,
            )
    if note.gone:
        note.refuse(
            f"Brightpearl changes no rows of a note: delete {note.id} there, then sync this record again"
        )
    if shipped and (changed := next(iter(_details(note)), None)):
        note.refuse(f"note {note.id} is shipped: a change of it was not sent", note.head, changed)


def _results(note: Whole) -> Iterator[RowResult]:
    if note.refusal is not None:
        yield note.refusal
    elif not note.unanswered:
        for row in note.rows:
            yield row.written(_target_id(note, row), created=note.created and not row.bound_to)


def _target_id(note: Whole, row: Row) -> str:
    return note.id if row is note.head else f"{note.id}{SEPARATOR}{row.values['orderRowId']}"
