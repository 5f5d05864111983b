"""The links of two flows, as the flow sees them that names the linking one in ``reverse``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.merge import Fields
from airflow_provider_brightpearl.core.ports.stores import DETACHED, Binding, Crosswalk, Staging
from airflow_provider_brightpearl.core.reports import TransformReport
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.two_way import ReverseSpec
from airflow_provider_brightpearl.mapping.forms import Forms
from airflow_provider_brightpearl.mapping.mapped import read_entries
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.links import (
    Link,
    Unlinked,
    at,
    decode,
    formed,
    instant,
    outdate,
)

# a target that names a row with its record has both in the row's id, as in 100231|5001
_SEPARATOR = "|"


class _Row(NamedTuple):
    """A row of this flow, and its id in this flow's target."""

    source_id: str
    object: str
    key: str
    target_id: str

    @classmethod
    def of(cls, result: RowResult) -> _Row:
        return cls(result.source_id, result.object, result.key, result.target_id)


@dataclass
class BackwardLinks:
    """The flow of the other direction runs: its records hold rows of the linking flow's target.

    The linking flow's key of a linked row is the id that this flow's row has in its target.

    Args:
        flow: the flow that runs.
        linking: the linking flow.
        reverse: what the flow that runs declares.
        crosswalk: that of the linking flow.
        staging: the run's files.
        mapped: the part.
        author: the field of a record that says who changed it last, empty where it has none.
        version: likewise, when.
        as_written: as for ``ForwardLinks``.
        keeps_keys: whether records hold the linking flow's key.
    """

    flow: FlowSpec
    linking: FlowSpec
    reverse: ReverseSpec
    crosswalk: Crosswalk
    staging: Staging
    mapped: TransformReport
    author: str = ""
    version: str = ""
    as_written: Callable[[str, str], str] = lambda _, payload: payload
    keeps_keys: bool = True
    forward: bool = False
    # by record: as it came, what is linked of it, and the id of its first row in this flow's target
    _records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _linked: dict[str, list[Binding]] = field(default_factory=dict)
    _roots: dict[str, str] = field(default_factory=dict)
    # what this run has linked to records that were linked already, by object and id
    _joined: set[tuple[str, str]] = field(default_factory=set)
    # by object and key, the entry of the record that a row comes from
    _entries: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def unlinked(self, batch: Batch, source_ids: Sequence[str]) -> dict[str, Unlinked]:
        flow, root = self.linking.flow, self.linking.root
        path = self.reverse.paths.get(root) if self.keeps_keys else None
        key_field = self.linking.objects[root].key_field
        self._read(batch, source_ids)
        found: dict[str, Unlinked] = {}
        for name in source_ids if path else ():
            record = self._records[name]
            key = _value(_holder(record, path or ""), key_field)
            if key and name not in self._linked:
                reason = (
                    f"{key_field} {key} says that {flow} has created this record, and its next run links it"
                )
                found[name] = Unlinked(reason, (flow, root, str(at(record, path or ""))))
        return found

    def adopted(self, batch: Batch) -> Iterator[Binding]:
        roots = {binding.target_id: binding for binding in self._of_targets(list(batch.rows))}
        everything = self.crosswalk.of_records(self.linking.flow, [each.source_id for each in roots.values()])
        of_root: dict[str, list[Binding]] = {}
        for each in everything:
            of_root.setdefault(each.source_id, []).append(each)
        self._linked = {name: of_root[each.source_id] for name, each in roots.items()}
        root = self.flow.root
        for source_id, rows in batch.rows.items():
            link, row = roots.get(source_id), rows[0]
            known = batch.bound[root].get(row.key)
            if link and link.fingerprint == DETACHED and row.object == root:
                new = known or Binding(self.flow.flow, root, row.key, source_id, link.source_id, "", "", "")
                yield replace(new, fingerprint=DETACHED)
            elif link and row.object == root and known is None:
                yield Binding(self.flow.flow, root, row.key, source_id, link.source_id, "", "", "")

    def _of_targets(self, source_ids: Sequence[str]) -> list[Binding]:
        found = self.crosswalk.of_targets(self.linking.root, source_ids)
        return [each for each in found if each.flow == self.linking.flow]

    def catch_up(self, batch: Batch) -> Iterator[Link]:
        # where fields are merged, a row is linked when it is written, and merged from then on
        if self.reverse.fields:
            return self._joined_later(batch)
        rows = list(self._unlinked(batch))
        self._read(batch, [row.source_id for row in rows])
        return self._link(batch, rows)

    def _joined_later(self, batch: Batch) -> Iterator[Link]:
        """Links what linked records have got since, as an account its first contact: nothing is agreed of it yet."""
        lacking = {
            source_id: set(self.reverse.paths) - {each.object for each in links}
            for source_id, links in self._linked.items()
        }
        self._read(batch, [source_id for source_id, names in lacking.items() if names])
        found = [
            (source_id, name, str(theirs))
            for source_id, names in lacking.items()
            for name in sorted(names)
            if (theirs := at(self._records[source_id], self.reverse.paths[name]))
        ]
        by_object: dict[str, list[str]] = {}
        for _, name, theirs in found:
            by_object.setdefault(name, []).append(theirs)
        taken = {
            (each.object, each.target_id)
            for name, some in by_object.items()
            for each in self.crosswalk.of_targets(name, some)
            if each.flow == self.linking.flow
        }
        for source_id, name, theirs in found:
            first = next(each for each in self._linked[source_id] if each.object == self.linking.root)
            if (name, theirs) in taken or first.fingerprint == DETACHED:
                continue
            place = (self.linking.flow, name, first.key, first.source_id, theirs)
            new = Binding(*place, "", batch.run, batch.run)
            self.crosswalk.bind([new])
            self._linked[source_id].append(new)
            self._joined.add((name, theirs))
            ours = self._ours(self._records[source_id], name, self.reverse.paths[name])
            yield Link(source_id, (name, new.key), theirs, ours)

    def taken_over(self, batch: Batch, rows: Sequence[Binding]) -> Iterator[Link]:
        self._read(batch, [row.source_id for row in rows])
        return self._link(batch, [_Row(row.source_id, row.object, row.key, row.target_id) for row in rows])

    def _unlinked(self, batch: Batch) -> Iterator[_Row]:
        """The bound rows of the part that are not linked."""
        several = {each.object for each in self.reverse.rows.values()}
        for source_id, rows in batch.rows.items():
            linked = {each.key for each in self._linked.get(source_id, ())}
            for each in rows:
                bound = batch.own(each)
                if bound and (each.object == self.flow.root or each.object in several):
                    row = _Row(source_id, each.object, each.key, bound.target_id)
                    if self._own_id(batch, row) not in linked:
                        yield row

    def outdate(self, source_ids: Sequence[str]) -> None:
        names = [self._linked[name][0].source_id for name in source_ids if self._linked.get(name)]
        outdate(self.crosswalk, self.linking.flow, names)

    def of(self, batch: Batch, records: Sequence[RecordChange]) -> dict[str, list[Link]]:
        self._read(batch, [record.source_id for record in records])
        if not self.reverse.fields:
            return {}
        names = (record.source_id for record in records if record.source_id in self._linked)
        found = {name: list(self._links(batch, name)) for name in names}
        return {name: links for name, links in found.items() if links}

    def _read(self, batch: Batch, source_ids: Iterable[str]) -> None:
        """Reads these records as they came."""
        places = {batch.rows[name][0].pos: name for name in source_ids if name not in self._records}
        for pos, line in enumerate(self.staging.read_lines(self.mapped.raw)) if places else ():
            if pos in places:
                self._records[places[pos]] = decode(line)

    def _links(self, batch: Batch, source_id: str) -> Iterator[Link]:
        record = self._records[source_id]
        changed_at = instant(batch.readings[source_id].source_version)
        for each in self._linked[source_id]:
            path = self.reverse.paths.get(each.object)
            # another row may stand at this place by now
            if path and at(record, path) == each.target_id:
                place, ours = (each.object, each.key), self._ours(record, each.object, path)
                changed_by = str(_holder(record, path).get(self.author) or "")
                # a row beside the first one has a stamp of its own
                own = instant(str(_holder(record, path).get(self.version) or ""))
                latest = max((when for when in (changed_at, own) if when), default=None)
                joined = (each.object, each.target_id) in self._joined
                yield Link(source_id, place, each.target_id, ours, latest, changed_by, joined=joined)

    def _ours(self, record: Mapping[str, Any], object_name: str, path: str) -> Fields:
        holder, names = _holder(record, path), self._names.get(object_name, ())
        row = {**holder, **{name: _value(holder, name) for name in names}}
        return formed(self._forms, self.as_written, object_name, row, names) if holder else {}

    @cached_property
    def _forms(self) -> Forms:
        return Forms(self.linking)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The fields of the linking flow that both flows write, by object."""
        found: dict[str, list[str]] = {}
        for place in sorted(set(self.reverse.fields.values())):
            name, _, each = place.partition(".")
            found.setdefault(name, []).append(each)
        return found

    def first(self, batch: Batch, results: Sequence[RowResult]) -> Iterator[Link]:
        self._unlink(batch, [_Row.of(each) for each in results if each.removed])
        yield from self._link(batch, [_Row.of(each) for each in results if each.stands])

    def _link(self, batch: Batch, rows: Iterable[_Row]) -> Iterator[Link]:
        """Links these rows, as far as they are not linked; gives the new links with their records."""
        new: list[tuple[str, Binding]] = []
        stale: list[Binding] = []
        for row in rows:
            if row.object == self.flow.root:
                self._roots[row.source_id] = row.target_id
            for each in self._wanted(batch, row):
                mine = self._linked.setdefault(row.source_id, [])
                known = [
                    link for link in mine if (link.object, link.target_id) == (each.object, each.target_id)
                ]
                # what was created anew has another id; what the linking flow has written itself stays its own
                outdated = [link for link in known if link.only_linked and link.key != each.key]
                self._linked[row.source_id] = [link for link in mine if link not in outdated]
                stale += outdated
                if len(known) == len(outdated):
                    self._linked[row.source_id].append(each)
                    new.append((row.source_id, each))
        self.crosswalk.unbind(stale)
        self.crosswalk.bind([each for _, each in new])
        for source_id, each in new:
            path = self.reverse.paths.get(each.object)
            ours = self._ours(self._records[source_id], each.object, path) if path else {}
            yield Link(source_id, (each.object, each.key), each.target_id, ours)

    def _wanted(self, batch: Batch, row: _Row) -> Iterator[Binding]:
        """The links that a row of this flow should have."""
        record = self._records[row.source_id]
        found: list[tuple[str, Any]] = []
        # where fields are merged, a record is linked as a whole: what joins it later has no base
        if row.object == self.flow.root and not (self.reverse.fields and self._linked.get(row.source_id)):
            found = [(name, at(record, path)) for name, path in self.reverse.paths.items()]
        for name, link in self.reverse.rows.items():
            if link.object == row.object:
                found.append((name, at(self._entry(record, row), link.id)))
        root, own = self._root_id(batch, row.source_id), self._own_id(batch, row)
        for name, theirs in found:
            if root and theirs is not None and theirs != "":
                yield Binding(self.linking.flow, name, own, root, str(theirs), "", batch.run, batch.run)

    def _entry(self, record: Mapping[str, Any], row: _Row) -> Any:
        """The entry of a record that a row comes from."""
        if row.object not in self._entries:
            with self.staging.local(self.mapped.objects[row.object]) as path:
                self._entries[row.object] = read_entries(path)
        rows, place = at(record, self.flow.objects[row.object].rows or ""), self._entries[row.object][row.key]
        return rows[int(place) - 1] if isinstance(rows, list) else rows[place]

    def _unlink(self, batch: Batch, rows: Iterable[_Row]) -> None:
        """Removes the links of rows that this flow has removed from its target."""
        stale: list[Binding] = []
        for row in rows:
            names = {name for name, link in self.reverse.rows.items() if link.object == row.object}
            own, mine = self._own_id(batch, row), self._linked.get(row.source_id, [])
            stale += [each for each in mine if each.only_linked and each.object in names and each.key == own]
        self.crosswalk.unbind(stale)

    def _root_id(self, batch: Batch, source_id: str) -> str:
        """The id of a record's first row in this flow's target, empty where it is not bound."""
        if source_id not in self._roots:
            first = batch.rows[source_id][0]
            bound = batch.bound[first.object].get(first.key)
            self._roots[source_id] = bound.target_id if bound else ""
        return self._roots[source_id]

    def _own_id(self, batch: Batch, row: _Row) -> str:
        """The id of a row in this flow's target, without that of its record."""
        return row.target_id.removeprefix(f"{self._root_id(batch, row.source_id)}{_SEPARATOR}")


def _value(holder: Mapping[str, Any], name: str) -> Any:
    """A field of a row, also one of those that users have added, which some systems' records hold apart."""
    if name in holder:
        return holder[name]
    added = holder.get("custom")
    return added.get(name) if isinstance(added, Mapping) else None


def _holder(record: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """What holds the row's id at a path, with its fields beside it; empty where there is nothing."""
    beside = path.rpartition(".")[0]
    holder = at(record, beside) if beside else record
    return holder if isinstance(holder, Mapping) else {}
