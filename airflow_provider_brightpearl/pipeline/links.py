"""The rows that two flows of one entity link, as the flow that runs sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.beginning import may_be_written
from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.merge import Fields
from airflow_provider_brightpearl.core.ports.stores import (
    DETACHED,
    MERGED,
    OUTDATED,
    Binding,
    Crosswalk,
    Intent,
    Intents,
    IntentState,
)
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.forms import Forms
from airflow_provider_brightpearl.pipeline.batch import Batch, Place

decode: Any = msgspec.json.Decoder(float_hook=Decimal).decode
# how far the clocks of a system and of the workers may differ, and how long a call may take
CLOCKS = timedelta(minutes=15)
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the linking flow: its object and key, its id in that flow's target, and our values in its form.

    ``source_id`` is the record of the flow that runs; ``changed_at`` (aware) and ``changed_by`` are when and by whom
    that was changed last, None and empty where it is not known. ``unwritten``: the
    linking flow has not written this row, which the other one linked. ``joined``: this run has linked it to a record
    that was linked already, so that its values are the newest. ``rewrite``: a repair asks for all of its fields.
    """

    source_id: str
    place: Place
    target_id: str
    ours: Fields
    changed_at: datetime | None = None
    changed_by: str = ""
    unwritten: bool = False
    joined: bool = False
    rewrite: bool = False


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A new record that the flow of the other direction has made, or may have made, and has not linked yet.

    ``waits_for`` is the row of that flow; None where only another look can tell.
    """

    reason: str
    waits_for: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why what the other side holds of a row cannot be told for now, as a sentence; one that is gone is no such row."""

    reason: str


class Links(Protocol):
    """The links of one part, in one direction."""

    forward: bool

    def unlinked(self, batch: Batch, source_ids: Sequence[str]) -> dict[str, Unlinked]:
        """Those of these new records that are rows of the other direction: created anew, they would be there twice."""
        ...

    def adopted(self, batch: Batch) -> Iterator[Binding]:
        """Bindings of rows that are not bound, and that the flow of the other direction has linked."""
        ...

    def catch_up(self, batch: Batch) -> Iterator[Link]:
        """Links what is bound and not linked, as of before there were links or after they were lost."""
        ...

    def of(self, batch: Batch, records: Sequence[RecordChange]) -> dict[str, list[Link]]:
        """The linked rows of each record that is linked already."""
        ...

    def first(self, batch: Batch, results: Sequence[RowResult]) -> Iterator[Link]:
        """Links rows that are confirmed for the first time, and gives the links."""
        ...

    def taken_over(self, batch: Batch, rows: Sequence[Binding]) -> Iterator[Link]:
        """Links rows that the target has already, before they are written for the first time."""
        ...

    def outdate(self, source_ids: Sequence[str]) -> None:
        """Lets the flow of the other direction compare these records anew.

        They are written now: an edit back to what that flow has read last would be no change to it.
        """
        ...


@dataclass
class ForwardLinks:
    """The linking flow runs: its own rows are the links.

    Args:
        flow: the linking flow.
        others: the flows of the other direction, with their intents.
        crosswalks: those of these flows.
        as_written: the JSON fields of a row of an object as its target takes them: a state that it does not know is
            none there.
        ended: the keys of those writes in doubt of a flow that it will not settle, as their record is gone.
        restored: when a backup of the state was taken into use, by those of the other flows that have not run since.
    """

    flow: FlowSpec
    others: Sequence[tuple[FlowSpec, Intents]] = ()
    crosswalks: Sequence[Crosswalk] = ()
    as_written: Callable[[str, str], str] = lambda _, payload: payload
    ended: Callable[[FlowSpec, Sequence[Intent]], Set[str]] = lambda *_: frozenset()
    restored: Mapping[str, datetime] = field(default_factory=dict)
    forward: bool = True
    _new: dict[Place, Fields] = field(default_factory=dict)

    def unlinked(self, batch: Batch, source_ids: Sequence[str]) -> dict[str, Unlinked]:
        found: dict[str, Unlinked] = {}
        for other, intents in self.others if source_ids else ():
            doubts = intents.unsettled(other.flow, [other.root])
            possible = {
                name: some
                for name in source_ids
                if (some := [each for each in doubts if _may_be(each, batch.created_at(name))])
            }
            asked = {each.key: each for some in possible.values() for each in some}
            over = self.ended(other, list(asked.values())) if asked else frozenset[str]()
            for name, some in possible.items():
                if any(each.key not in over for each in some):
                    found[name] = Unlinked(
                        f"{other.flow} has written to {other.target} when this record was created, without an answer: "
                        "its next run finds out whether it is the same one, or that it does not write that one any more"
                    )
            for name in intents.made(other.flow, other.root, source_ids):
                reason = f"{other.flow} has created this record, and links it in its next run"
                found[name] = Unlinked(reason, (other.flow, other.root, name))
            since = self.restored.get(other.flow)
            for name in source_ids if since else ():
                if may_be_written(since, batch.created_at(name)):
                    reason = (
                        f"the state was restored from a backup, which does not know what {other.flow} created later: "
                        "its next run finds out whether it has created this record"
                    )
                    found.setdefault(name, Unlinked(reason))
        return found

    def adopted(self, batch: Batch) -> Iterator[Binding]:
        return iter(())

    def catch_up(self, batch: Batch) -> Iterator[Link]:
        return iter(())

    def taken_over(self, batch: Batch, rows: Sequence[Binding]) -> Iterator[Link]:
        # a bound row of this flow is its own link
        return iter(())

    def outdate(self, source_ids: Sequence[str]) -> None:
        for (other, _), crosswalk in zip(self.others, self.crosswalks, strict=True):
            roots = [each for each in crosswalk.of_targets(other.root, source_ids) if each.flow == other.flow]
            outdate(crosswalk, other.flow, [each.source_id for each in roots])

    def of(self, batch: Batch, records: Sequence[RecordChange]) -> dict[str, list[Link]]:
        found: dict[str, list[Link]] = {}
        for record in records:
            changed_at = instant(batch.readings[record.source_id].source_version)
            for change in record.changes:
                left_out = self.flow.objects[change.object].sent_on_create
                written = decode(self.as_written(change.object, change.payload))
                ours = {name: value for name, value in written.items() if name not in left_out}
                place = (change.object, change.key)
                if change.target_id is None:
                    self._new[place] = ours
                else:
                    bound = batch.bound[change.object][change.key]
                    link = Link(
                        record.source_id, place, change.target_id, ours, changed_at,
                        unwritten=not bound.fingerprint, rewrite=bound.to_rewrite,
                    )  # fmt: skip
                    found.setdefault(record.source_id, []).append(link)
        return found

    def first(self, batch: Batch, results: Sequence[RowResult]) -> Iterator[Link]:
        for each in results:
            ours = self._new.pop((each.object, each.key), None)
            if ours is not None and each.stands:
                yield Link(each.source_id, (each.object, each.key), each.target_id, ours)


def _may_be(doubt: Intent, created_at: datetime | None) -> bool:
    """Whether a record may be what a write in doubt has made: it was created when that was sent, by either clock."""
    if doubt.state is not IntentState.IN_DOUBT:
        return False
    return created_at is None or doubt.changed_at is None or abs(created_at - doubt.changed_at) < CLOCKS


def formed(
    forms: Forms,
    as_written: Callable[[str, str], str],
    object_name: str,
    row: Mapping[str, Any],
    names: Iterable[str],
) -> Fields:
    """The values of a row of the linking flow's target in the form in which that flow would write them."""
    values = forms.of(object_name, row, forms.beside(object_name, names))
    # a state is known by its country
    written: Fields = decode(as_written(object_name, _encode(values).decode()))
    return {name: written.get(name) for name in names}


def outdate(crosswalk: Crosswalk, flow: str, source_ids: Sequence[str]) -> None:
    """Makes each row of these records differ from what it was, unless it is left alone."""
    kept = ("", DETACHED, MERGED, OUTDATED)
    rows = crosswalk.of_records(flow, source_ids) if source_ids else ()
    crosswalk.bind([replace(each, fingerprint=OUTDATED) for each in rows if each.fingerprint not in kept])


def at(record: Any, path: str) -> Any:
    """What stands at a path such as ``Contacts.0.Id`` of a record; None where there is nothing."""
    for step in path.split("."):
        if isinstance(record, list):
            record = record[int(step)] if step.isdigit() and int(step) < len(record) else None
        else:
            record = record.get(step) if isinstance(record, Mapping) else None
    return record


def instant(text: str) -> datetime | None:
    """The source's version as an instant, None where it is no instant with a time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
