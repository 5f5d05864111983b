"""The rows that two flows of one entity link, as the flow that runs sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

import msgspec

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.merge import Fields, Value
from airflow_provider_brightpearl.core.ports.stores import Binding, Crosswalk, Staging
from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.two_way import ReverseSpec
from airflow_provider_brightpearl.pipeline.batch import Batch, Place

_decode: Any = msgspec.json.Decoder(float_hook=Decimal).decode
_WRITTEN = (RowOutcome.CREATED, RowOutcome.UPDATED)


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the linking flow: its object and key, its id in that flow's target, and our values in its form.

    ``source_id`` is the record of the flow that runs; ``changed_at`` (aware) and ``changed_by`` are when and by whom
    that was changed last, None and empty where it is not known. ``unwritten``: the
    linking flow has not written this row, which the other one linked.
    """

    source_id: str
    place: Place
    target_id: str
    ours: Fields
    changed_at: datetime | None = None
    changed_by: str = ""
    unwritten: bool = False


class Links(Protocol):
    """The links of one part, in one direction."""

    forward: bool

    def adopted(self, batch: Batch) -> Iterator[Binding]:
        """Bindings of rows that are not bound, and that the flow of the other direction has linked."""
        ...

    def of(self, batch: Batch, records: Sequence[RecordChange]) -> dict[str, list[Link]]:
        """The linked rows of each record that is linked already."""
        ...

    def first(self, batch: Batch, results: Sequence[RowResult]) -> Iterator[Link]:
        """Links rows that are confirmed for the first time, and gives the links."""
        ...


@dataclass
class ForwardLinks:
    """The linking flow runs: its own rows are the links.

    Args:
        flow: the linking flow.
    """

    flow: FlowSpec
    forward: bool = True
    _new: dict[Place, Fields] = field(default_factory=dict)

    def adopted(self, batch: Batch) -> Iterator[Binding]:
        return iter(())

    def of(self, batch: Batch, records: Sequence[RecordChange]) -> dict[str, list[Link]]:
        found: dict[str, list[Link]] = {}
        for record in records:
            changed_at = instant(batch.readings[record.source_id].source_version)
            for change in record.changes:
                left_out = self.flow.objects[change.object].sent_on_create
                ours = {
                    name: value for name, value in _decode(change.payload).items() if name not in left_out
                }
                place = (change.object, change.key)
                if change.target_id is None:
                    self._new[place] = ours
                else:
                    unwritten = not batch.bound[change.object][change.key].fingerprint
                    link = Link(
                        record.source_id, place, change.target_id, ours, changed_at, unwritten=unwritten
                    )
                    found.setdefault(record.source_id, []).append(link)
        return found

    def first(self, batch: Batch, results: Sequence[RowResult]) -> Iterator[Link]:
        for each in results:
            ours = self._new.pop((each.object, each.key), None)
            if ours is not None and each.outcome in _WRITTEN:
                yield Link(each.source_id, (each.object, each.key), each.target_id, ours)


@dataclass
class BackwardLinks:
    """The flow of the other direction runs: its records hold rows of the linking flow's target.

    Args:
        flow: the flow that runs.
        linking: the linking flow.
        reverse: what the flow that runs declares.
        crosswalk: that of the linking flow.
        staging: the run's files.
        raw: the part's records as they came.
        author: the field of a record that says who changed it last, empty where it has none.
    """

    flow: FlowSpec
    linking: FlowSpec
    reverse: ReverseSpec
    crosswalk: Crosswalk
    staging: Staging
    raw: PartRef
    author: str = ""
    forward: bool = False
    _records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _linked: dict[str, list[Binding]] = field(default_factory=dict)

    def adopted(self, batch: Batch) -> Iterator[Binding]:
        roots = {binding.target_id: binding for binding in self._of_targets(list(batch.rows))}
        everything = self.crosswalk.of_records(self.linking.flow, [each.source_id for each in roots.values()])
        for each in everything:
            self._linked.setdefault(each.source_id, []).append(each)
        self._linked = {name: self._linked[each.source_id] for name, each in roots.items()}
        root = self.flow.root
        for source_id, rows in batch.rows.items():
            link, row = roots.get(source_id), rows[0]
            if link and row.object == root and row.key not in batch.bound[root]:
                yield Binding(self.flow.flow, root, row.key, source_id, link.source_id, "", "", "")

    def _of_targets(self, source_ids: Sequence[str]) -> list[Binding]:
        found = self.crosswalk.of_targets(self.linking.root, source_ids)
        return [each for each in found if each.flow == self.linking.flow]

    def of(self, batch: Batch, records: Sequence[RecordChange]) -> dict[str, list[Link]]:
        self._read(batch, [record.source_id for record in records])
        found = {name: list(self._links(batch, name)) for name in self._records if name in self._linked}
        return {name: links for name, links in found.items() if links}

    def _read(self, batch: Batch, source_ids: Iterable[str]) -> None:
        """Reads the records as they came, of those that are to be written."""
        places = {batch.rows[name][0].pos: name for name in source_ids}
        for pos, line in enumerate(self.staging.read_lines(self.raw)):
            if pos in places:
                self._records[places[pos]] = _decode(line)

    def _links(self, batch: Batch, source_id: str) -> Iterator[Link]:
        record = self._records[source_id]
        changed_at = instant(batch.readings[source_id].source_version)
        for each in self._linked[source_id]:
            path = self.reverse.objects.get(each.object)
            # another row may stand at this place by now
            if path and at(record, path) == each.target_id:
                place = (each.object, each.key)
                ours = self._ours(record, each.object, path)
                changed_by = str(_holder(record, path).get(self.author) or "")
                yield Link(source_id, place, each.target_id, ours, changed_at, changed_by)

    def _ours(self, record: Mapping[str, Any], object_name: str, path: str) -> dict[str, Value]:
        holder = _holder(record, path)
        return {name: holder.get(name) for name in self._names.get(object_name, ())} if holder else {}

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The fields of the linking flow that both flows write, by object."""
        found: dict[str, list[str]] = {}
        for place in sorted(set(self.reverse.fields.values())):
            name, _, each = place.partition(".")
            found.setdefault(name, []).append(each)
        return found

    def first(self, batch: Batch, results: Sequence[RowResult]) -> Iterator[Link]:
        bindings: list[Binding] = []
        for each in results:
            if (
                each.object != self.flow.root
                or each.outcome not in _WRITTEN
                or each.source_id in self._linked
            ):
                continue
            record = self._records[each.source_id]
            for name, path in self.reverse.objects.items():
                if target_id := at(record, path):
                    key = each.target_id
                    bindings.append(
                        Binding(self.linking.flow, name, key, key, target_id, "", batch.run, batch.run)
                    )
                    yield Link(each.source_id, (name, key), target_id, self._ours(record, name, path))
        self.crosswalk.bind(bindings)


def _holder(record: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """What holds the row's id at a path, with its fields beside it; empty where there is nothing."""
    beside = path.rpartition(".")[0]
    holder = at(record, beside) if beside else record
    return holder if isinstance(holder, Mapping) else {}


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
