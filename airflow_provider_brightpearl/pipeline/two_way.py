"""Two flows of one entity: what a part would write is merged with what the other side holds now.

Links and bases are those of the flow with ``authority`` (the linking flow), whichever of both runs. Rows are compared
in the form of its target: what it would write, what its target holds, what its mapping makes of its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as dataclass_replace
from datetime import datetime
from functools import cached_property

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change, RecordChange, RowResult
from airflow_provider_brightpearl.core.events import EventOutcome, RecordEvent
from airflow_provider_brightpearl.core.merge import Fields, Merged, Rule, candidates, merge, normal
from airflow_provider_brightpearl.core.ports.matching import Match
from airflow_provider_brightpearl.core.ports.stores import MERGED, Bases, Binding, Conflicts
from airflow_provider_brightpearl.core.ports.target import Held
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.records import Stage
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.two_way import rule_of
from airflow_provider_brightpearl.pipeline.batch import Batch, Place
from airflow_provider_brightpearl.pipeline.found_conflicts import FoundConflict, FoundConflicts
from airflow_provider_brightpearl.pipeline.links import Link, Links, Unseen
from airflow_provider_brightpearl.pipeline.merged_removals import merged_removals

# a field as it stands in the text: written again, every digit is kept
_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

# rows of one record that an event names
_NAMED = 20


@dataclass
class TwoWay:
    """The merge of one part.

    Args:
        linking: the flow with ``authority``.
        pairs: fields that both flows write, as ``Object.field``: of the flow that runs, and of the linking flow.
        links: the rows that are linked, in the direction that runs.
        bases: the last agreed values of the linking flow's rows.
        held: what the other side holds of links, in few calls; one that it no longer has is left out, and one that
            cannot be read or mapped is unseen, so that its record is refused until it can.
        store: keeps the conflicts.
        now: the clock, aware.
        emptied: objects of the flow that runs whose fields the target empties where the source has nothing.
        one_way: whether a field of an object is written by the flow that runs alone.
        keeps_keys: whether rows of the linking flow's target hold its key, so that a linked row has to be written once.
    """

    linking: FlowSpec
    pairs: Mapping[str, str]
    links: Links
    bases: Bases
    held: Callable[[Sequence[Link]], Mapping[Place, Held | Unseen]]
    store: Conflicts
    now: Callable[[], datetime]
    emptied: frozenset[str] = frozenset()
    one_way: Callable[[str, str], bool] = lambda _name, _field: False
    keeps_keys: bool = True
    conflicts: FoundConflicts = field(init=False)
    _agreed: dict[str, dict[Place, Fields]] = field(default_factory=dict)
    _seen: dict[Place, Fields] = field(default_factory=dict)
    # fields that were compared, by record: those over which no person has to decide, and the others as Object.field
    _settled: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    _undecided: dict[str, set[str]] = field(default_factory=dict)
    # fields over which a person has to decide since an earlier run
    _waiting: dict[Place, set[str]] = field(default_factory=dict)
    # by record, the fields that both sides changed, and whose value here does not count
    _lost: dict[str, set[str]] = field(default_factory=dict)
    _linked: list[Link] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conflicts = FoundConflicts(self.linking, self.links.forward)

    def adopt(self, batch: Batch) -> None:
        """Takes rows for bound that the flow of the other direction has linked."""
        for each in self.links.adopted(batch):
            batch.bound[each.object][each.key] = each
        self._linked += self.links.catch_up(batch)

    def linked_or_new(self, batch: Batch, records: Sequence[RecordChange]) -> list[RecordChange]:
        """The records without those that the other direction has made, or may have made: they wait for their link."""
        root = batch.flow.root
        new = [each.source_id for each in records if _is_new(each, root)]
        waiting = self.links.unlinked(batch, new)
        for name, each in waiting.items():
            row = batch.rows[name][0]
            batch.reject(
                name, each.reason, (row.object, row.key), waits_for=each.waits_for, passing=not each.waits_for
            )
        return [each for each in records if each.source_id not in waiting]

    def take_over(self, batch: Batch, matches: Sequence[Match]) -> None:
        """Takes rows for bound that the target has already, so that their first write is merged too.

        Rows of which a person has said so are among them. A question rejects its record.
        """
        known = [bound for rows in batch.rows.values() if (bound := batch.own(rows[0])) and bound.answered]
        for each in matches:
            if each.question:
                more = {"field": each.rule, "value": each.candidates, "review": True}
                batch.reject(each.source_id, each.question, (each.object, each.key), **more)
            elif each.target_id:
                place = (batch.flow.flow, each.object, each.key, each.source_id, each.target_id)
                batch.bound[each.object][each.key] = Binding(*place, "", "", "")
                known.append(batch.bound[each.object][each.key])
        self._linked += self.links.taken_over(batch, known)

    def merged(
        self, batch: Batch, records: Sequence[RecordChange]
    ) -> tuple[list[RecordChange], list[Binding]]:
        """The changes with only the fields to write, and the bindings of rows of which nothing is to be written."""
        linked = self.links.of(batch, records)
        wanted = self._wanted(batch, [link for mine in linked.values() for link in mine], records)
        # before anything is written: a repeat would find both sides equal
        self.store.record(self.conflicts.kept(batch.flow.flow, batch.run, self.now()))
        changes: list[RecordChange] = []
        settled: list[Binding] = []
        for record in records:
            if record.source_id in batch.rejected:
                continue
            mine = linked.get(record.source_id, ())
            self._keep_open(batch, record)
            places = {f"{link.place[0]}.{name}" for link in mine for name in wanted[link.place]}
            reduced = [
                (change, self._reduced(batch.flow, change, places) if mine else self._unlinked(change))
                for change in record.changes
            ]
            reduced = [(before, after or _moved(batch, before)) for before, after in reduced]
            # rows of the linking flow name the first one by its key, and need not write it again
            if not self.links.forward:
                reduced = _with_first(batch, record.source_id, reduced)
            kept = tuple(after for _, after in reduced if after)
            # a new row that has nothing to write is left out: what is sent with new rows alone changes no linked record
            settled += [
                _unwritten(batch, before) for before, after in reduced if after is None and before.target_id
            ]
            removals = record.removals
            if removals and mine and not self.links.forward:
                # a part that is empty here may have been edited there
                lost = self._lost.get(record.source_id, set())
                removals, stay = merged_removals(batch, record, self.pairs, self.emptied, places, lost)
                settled += stay
            if kept or removals:
                changes.append(replace(record, changes=kept, removals=removals))
        # before they are written: a repeat would find nothing to write
        self.links.outdate([each.source_id for each in changes if each.source_id in linked])
        return changes, settled

    def _keep_open(self, batch: Batch, record: RecordChange) -> None:
        """Lets the next reading compare rows again over which a person has to decide: they are not as the target's."""
        places = self._undecided.get(record.source_id, set())
        for change in record.changes if places else ():
            named = (self._linking_place(change.object, name) for name in _raw_fields(change.payload))
            if not places.isdisjoint(named):
                batch.fingerprints[change.object][change.key] = ""

    def link(self, batch: Batch, results: Sequence[RowResult]) -> None:
        """Links rows that are confirmed for the first time, before they are bound: a crash must not part both."""
        for link in self.links.first(batch, results):
            self._linked.append(link)
            if self.pairs:
                self._agreed.setdefault(link.source_id, {})[link.place] = link.ours
                self._seen.pop(link.place, None)

    def keep(self, batch: Batch) -> None:
        """Keeps what both sides agree on by now, of records that went through, and closes the conflicts over it."""
        agreed = (of_record for name, of_record in self._agreed.items() if name not in batch.rejected)
        bases = {place: base for each in agreed for place, base in each.items()}
        self.bases.agree(self.linking.flow, batch.flow.flow, bases, self._seen)
        settled = (places for name, places in self._settled.items() if name not in batch.rejected)
        self.store.close(self.linking.flow, {each for places in settled for each in places}, self.now())

    def events(self, batch: Batch) -> Iterator[RecordEvent]:
        """Events of the records of which both sides had changed a field, and of those that are linked now."""
        at = self.now()
        fields: dict[tuple[str, str], list[str]] = {}
        for found in self.conflicts.rows:
            fields.setdefault((found.link.source_id, found.link.place[0]), []).append(found.conflict.field)
        for (source_id, name), both in fields.items():
            note = f"both sides changed {', '.join(both)}"
            yield RecordEvent(source_id, batch.run, Stage.LOAD, EventOutcome.CONFLICT, at, name, note=note)
        if self.links.forward:
            return
        linked: dict[tuple[str, str], list[str]] = {}
        for link in self._linked:
            linked.setdefault((link.source_id, link.place[0]), []).append(link.target_id)
        # one event for all rows of an object
        for (source_id, name), ids in linked.items():
            several = (
                f"{counted(len(ids), 'row')}: {', '.join(ids[:_NAMED])}{', …' if len(ids) > _NAMED else ''}; "
            )
            note = f"{several if len(ids) > 1 else ''}of {self.linking.flow}"
            where = (at, name, ids[0] if len(ids) == 1 else "", note)
            yield RecordEvent(source_id, batch.run, Stage.LOAD, EventOutcome.LINKED, *where)

    def _wanted(
        self, batch: Batch, links: Sequence[Link], records: Sequence[RecordChange]
    ) -> dict[Place, set[str]]:
        """The fields to write of each link, once both sides are compared."""
        keys: dict[str, list[str]] = {}
        for link in links:
            keys.setdefault(link.place[0], []).append(link.place[1])
        known = {name: self.bases.of(self.linking.flow, name, some) for name, some in keys.items()}
        bases = {(name, key): base for name, some in known.items() for key, base in some.items()}
        if not self.links.forward:
            mapped = {each.source_id: each.changes for each in records}
            links = [self._as_mapped(each, mapped[each.source_id], bases.get(each.place)) for each in links]
        for each in self.store.listed(self.linking.flow, open_only=True) if links else ():
            self._waiting.setdefault((each.object, each.key), set()).add(each.field)
        open_ones = [
            link
            for link in links
            if link.place in self._waiting or self._shared(link, candidates(bases.get(link.place), link.ours))
        ]
        held: dict[Place, Held] = {}
        seen = self.held(open_ones) if open_ones else {}
        for link in open_ones:
            theirs = seen.get(link.place)
            if isinstance(theirs, Unseen):
                # what it holds is not empty because nobody could look
                first = batch.rows[link.source_id][0]
                batch.reject(link.source_id, theirs.reason, (first.object, first.key), passing=True)
            elif theirs:
                held[link.place] = theirs
        return {
            link.place: self._merge(link, bases.get(link.place), held.get(link.place))
            for link in links
            if link.source_id not in batch.rejected
        }

    def _merge(self, link: Link, base: Fields | None, held: Held | None) -> set[str]:
        name = link.place[0]
        shared = {each: link.ours[each] for each in self._shared(link, link.ours)}
        alone = {each: value for each, value in link.ours.items() if f"{name}.{each}" not in self._paired}
        # what the other side no longer has was deleted or merged there, and changed in no field
        theirs = held or Held(link.target_id, dict(base or {}))

        def rule(each: str) -> Rule:
            if link.joined and base is None:
                return Rule.SOURCE
            return rule_of(self.linking, f"{name}.{each}", forward=self.links.forward)

        found: Merged = merge(base, shared, theirs.fields, rule, link.changed_at, theirs.changed_at)
        self.conflicts.rows += [FoundConflict(link, each, theirs) for each in found.conflicts]
        undecided = {each.field for each in found.conflicts if each.winner is None}
        lost = (f"{name}.{each.field}" for each in found.conflicts if each.winner is not Rule.SOURCE)
        self._lost.setdefault(link.source_id, set()).update(lost)
        # also where both sides went back to what was agreed
        waiting = {each: shared[each] for each in self._waiting.get(link.place, set()) & shared.keys()}
        same = waiting.keys() - set(candidates(theirs.fields, waiting))
        # one over which a person was to decide is open until the flow of the side whose value counts has written it
        carried = {each.field for each in found.conflicts if each.winner is Rule.TARGET} & waiting.keys()
        decided = {*candidates(base, shared), *same} - undecided - carried
        settled = {(*link.place, each) for each in decided}
        self._settled.setdefault(link.source_id, set()).update(settled)
        if undecided:
            self._undecided.setdefault(link.source_id, set()).update(f"{name}.{each}" for each in undecided)
        # only what follows from this comparison: a run of the other flow may have agreed on other fields meanwhile
        before, after = base or {}, {**found.base, **alone}
        self._seen[link.place] = before
        self._agreed.setdefault(link.source_id, {})[link.place] = {
            each: value
            for each, value in after.items()
            if base is None or each not in before or value != before[each]
        }
        if link.rewrite:
            # what nobody brings back may differ although nothing has changed here
            return {*found.write, *alone}
        if link.unwritten and base is not None and not self.keeps_keys:
            # what the target has in other fields of a row of its own stays until it changes here
            return {*found.write, *candidates(base, {each: alone[each] for each in alone if each in base})}
        return {*found.write, *candidates(base, alone)}

    def _shared(self, link: Link, names: Iterable[str]) -> list[str]:
        """Those of the fields that both flows write, without empty ones that the target leaves as they are."""
        places = {name: f"{link.place[0]}.{name}" for name in names}
        return [
            name
            for name, place in places.items()
            if place in self._paired and (place in self._emptied or normal(link.ours[name]) is not None)
        ]

    @cached_property
    def _paired(self) -> frozenset[str]:
        return frozenset(self.pairs.values())

    def _as_mapped(self, link: Link, changes: Sequence[Change], base: Fields | None) -> Link:
        """The link without the values that the flow that runs maps to nothing, as a weight of zero.

        One that is as it was agreed stays: an account that bears its person's name has not lost its company.
        """
        given: dict[str, set[bool]] = {}
        for change in changes:
            for name, value in _raw_fields(change.payload).items():
                theirs = self.pairs.get(f"{change.object}.{name}", "")
                given.setdefault(theirs, set()).add(bytes(value) == b"null")
        nothing = {place for place, empty in given.items() if empty == {True}}
        changed = candidates(base, link.ours)
        return dataclass_replace(
            link,
            ours={
                name: None if name in changed and f"{link.place[0]}.{name}" in nothing else value
                for name, value in link.ours.items()
            },
        )

    @cached_property
    def _emptied(self) -> frozenset[str]:
        return frozenset(
            theirs for mine, theirs in self.pairs.items() if mine.partition(".")[0] in self.emptied
        )

    def _reduced(self, flow: FlowSpec, change: Change, places: set[str]) -> Change | None:
        """The change with the fields to write, and those that are sent with a new row; None where there is none."""
        name = change.object
        # what a linked record has got since is new on both sides
        if change.target_id is None and self.links.forward:
            return change
        fields = _raw_fields(change.payload)
        kept = {
            each
            for each, value in fields.items()
            if self._linking_place(name, each) in places
            or (self.one_way(name, each) and (name in self.emptied or bytes(value) != b"null"))
        }
        if not kept:
            return None
        kept |= flow.objects[name].sent_on_create & fields.keys()
        if len(kept) == len(fields):
            return change
        payload = {each: value for each, value in fields.items() if each in kept}
        return replace(change, payload=msgspec.json.encode(payload).decode())

    def _unlinked(self, change: Change) -> Change | None:
        """The change of a row that is bound and not linked, without empty fields: on first sight they claim nothing."""
        if change.target_id is None or self.links.forward or not self.pairs:
            return change
        fields = _raw_fields(change.payload)
        claims = {name: value for name, value in fields.items() if bytes(value) != b"null"}
        if len(claims) == len(fields):
            return change
        return replace(change, payload=msgspec.json.encode(claims).decode()) if claims else None

    def _linking_place(self, object_name: str, name: str) -> str:
        place = f"{object_name}.{name}"
        return self.pairs.get(place, place if self.links.forward else "")


def _is_new(record: RecordChange, root: str) -> bool:
    return any(each.object == root and each.target_id is None for each in record.changes)


def _with_first(
    batch: Batch, source_id: str, reduced: Sequence[tuple[Change, Change | None]]
) -> list[tuple[Change, Change | None]]:
    """The changes with the first row, empty, where a new row goes with a bound one: the new one is found by it."""
    first = batch.rows[source_id][0]
    known = batch.own(first)
    if known is None or not reduced or all(after is None or after.target_id for _, after in reduced):
        return list(reduced)
    empty = Change(first.object, first.key, "{}", first.fingerprint, first.parent, known.target_id)
    changed = reduced[0][0] if reduced[0][0].object == first.object else empty
    others = reduced if changed is empty else reduced[1:]
    return [(changed, (None if changed is empty else reduced[0][1]) or empty), *others]


def _moved(batch: Batch, change: Change) -> Change | None:
    """An empty change of a row that the target has merged, by which its survivor gets the key; None for others."""
    known = batch.bound[change.object].get(change.key)
    return replace(change, payload="{}") if known and known.fingerprint == MERGED else None


def _unwritten(batch: Batch, change: Change) -> Binding:
    """The binding of a row of which nothing had to be written, as one of this reading."""
    fingerprint = batch.fingerprints[change.object][change.key]
    return replace(batch.bound[change.object][change.key], fingerprint=fingerprint)
