"""Opens the merge of a flow whose records are edited on both sides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.conflicts import FieldConflict
from airflow_provider_brightpearl.core.merge import Fields, Rule, Value, differ, newer_side
from airflow_provider_brightpearl.core.ports.stores import Binding, Intent, Staging
from airflow_provider_brightpearl.core.ports.target import AdaptsValues, Held, HoldsRows
from airflow_provider_brightpearl.core.reports import TransformReport
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.two_way import rule_of, target_deletions
from airflow_provider_brightpearl.mapping.forms import Forms
from airflow_provider_brightpearl.mapping.mapped import read_mapped, read_versions
from airflow_provider_brightpearl.pipeline.backward_links import BackwardLinks
from airflow_provider_brightpearl.pipeline.batch import Place
from airflow_provider_brightpearl.pipeline.links import CLOCKS, ForwardLinks, Link, Unseen, formed, instant
from airflow_provider_brightpearl.pipeline.two_way import TwoWay
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems.registry import find_system, stream_schema

_decode: Any = msgspec.json.Decoder(float_hook=Decimal).decode


def open_two_way(wiring: Wiring, mapped: TransformReport, staging: Staging) -> TwoWay | None:
    """The merge and links of one part, None for a flow whose target nobody edits, as far as the flow files say.

    Raises:
        Misconfigured: the target does not show its rows by their ids.
    """
    flow, now = wiring.flow, wiring.environment.now
    if flow.reverse:
        there = wiring.other_way(flow.reverse.of)
        schema = stream_schema(flow.source)
        kept = find_system(there.flow.target).keeps_keys
        written = _as_written(there)
        back = BackwardLinks(
            flow, there.flow, flow.reverse, there.crosswalk, staging, mapped,
            schema.author, next(iter(schema.version), ""), written, kept,
        )  # fmt: skip
        return TwoWay(
            there.flow,
            flow.reverse.fields,
            back,
            there.bases,
            partial(_mapped_now, there),
            there.conflicts,
            now,
            _emptied(flow),
            flow.reverse.goes_one_way,
        )
    if flow.authority is None:
        return None
    others = _reverses(wiring)
    pairs = _pairs(others)
    if not pairs:
        return None
    return TwoWay(
        flow,
        pairs,
        ForwardLinks(
            flow,
            [(each, wiring.other_way(each.flow).intents) for each in others],
            [wiring.other_way(each.flow).crosswalk for each in others],
            _as_written(wiring),
            partial(_ended, wiring),
            _not_run_since_restored(wiring, others),
        ),
        wiring.bases,
        partial(_held_by_target, wiring, pairs),
        wiring.conflicts,
        now,
        _emptied(flow),
        keeps_keys=find_system(flow.target).keeps_keys,
    )


def _not_run_since_restored(wiring: Wiring, others: Sequence[FlowSpec]) -> dict[str, datetime]:
    """When a backup was taken into use, by those of the other flows that had run and have not been through since."""
    restored = wiring.intents.restored()
    if restored is None:
        return {}
    there = {each.flow: wiring.other_way(each.flow) for each in others}
    return {
        flow: restored
        for flow, ports in there.items()
        if ports.ledger.runs(flow, 1, ports.pair) and not ports.ledger.watermark(flow, ports.pair)
    }


def _reverses(wiring: Wiring) -> list[FlowSpec]:
    """The flows of the other direction that bring fields of this one back."""
    flows = load_flows(wiring.environment.mappings)[0]
    return [each for each in flows if each.reverse and each.reverse.of == wiring.flow.flow]


def partners(wiring: Wiring) -> list[str]:
    """The flows of the other direction that bring changes of this one's target back; none if nobody edits it."""
    flow = wiring.flow
    if flow.reverse:
        return [flow.reverse.of] if flow.reverse.fields else []
    return [each.flow for each in _reverses(wiring) if each.reverse and each.reverse.fields]


def _pairs(others: Sequence[FlowSpec]) -> dict[str, str]:
    """The fields (``Account.Phone``) that are edited on both sides."""
    return {place: place for each in others if each.reverse for place in each.reverse.fields.values()}


def stray_bases(wiring: Wiring, rows: Sequence[Binding]) -> list[tuple[Binding, str]]:
    """Linked rows and their fields of which neither side holds what both last agreed on.

    Args:
        wiring: a flow; one without ``authority`` has no such fields.
        rows: of its objects.

    Raises:
        SyncError: a system does not answer as it should.
    """
    changed = _changed_there(wiring, rows)
    links = [Link(row.source_id, (row.object, row.key), row.target_id, {}) for row, _, _ in changed]
    ours = _mapped_now(wiring, links) if links else {}
    return [
        (row, name)
        for row, name, agreed in changed
        if isinstance(mine := ours.get((row.object, row.key)), Held)
        and name in mine.fields
        and differ(agreed, mine.fields[name])
    ]


def left_to_partners(wiring: Wiring, source_ids: Sequence[str], names: Collection[str]) -> set[str]:
    """Those of the records whose first row has one of these fields changed in the target since both sides agreed.

    The flow of the other direction has to bring it. A flow without ``authority`` has none.

    Raises:
        SyncError: the target does not answer as it should.
    """
    root = wiring.flow.root
    rows = [each for each in wiring.crosswalk.of_records(wiring.flow.flow, source_ids) if each.object == root]
    return {row.source_id for row, name, _ in _changed_there(wiring, rows) if name in names}


def _changed_there(wiring: Wiring, rows: Sequence[Binding]) -> list[tuple[Binding, str, Value]]:
    """Fields that the target has changed since both sides agreed: row, name, and what was agreed on."""
    flow = wiring.flow
    pairs = _pairs(_reverses(wiring)) if flow.authority else {}
    known = {(row.object, row.key): row for row in rows if row.object in flow.objects}
    bases: dict[Place, Fields] = {}
    for name in {name for name, _ in known} if pairs else ():
        found = wiring.bases.of(flow.flow, name, [key for each, key in known if each == name])
        bases |= {(name, key): base for key, base in found.items()}
    if not bases:
        return []
    links = [Link(known[place].source_id, place, known[place].target_id, {}) for place in bases]
    theirs = _held_by_target(wiring, pairs, links)
    return [
        (known[place], name, agreed)
        for place, base in sorted(bases.items())
        for name, agreed in base.items()
        if f"{place[0]}.{name}" in pairs
        and place in theirs
        and differ(agreed, theirs[place].fields.get(name))
    ]


def close_unpaired(wiring: Wiring) -> None:
    """Closes conflicts that a person was to decide, and whose field no flow brings back any more."""
    flow = wiring.flow.flow
    waiting = wiring.conflicts.listed(flow, open_only=True)
    if not waiting:
        return
    pairs = _pairs(_reverses(wiring))
    left = {
        (each.object, each.key, each.field) for each in waiting if f"{each.object}.{each.field}" not in pairs
    }
    wiring.conflicts.close(flow, left, wiring.environment.now())


def decided_records(wiring: Wiring) -> list[str]:
    """Records of conflicts that were left to a person, and that ``authority`` decides for this flow's source by now.

    Nothing has changed them since, so that no window holds them. Those with a dead letter wait for that.
    """
    flow, forward = wiring.flow, wiring.flow.authority is not None
    linking = wiring.other_way(flow.reverse.of) if flow.reverse and flow.reverse.fields else wiring
    if linking.flow.authority is None:
        return []
    keys: dict[str, list[str]] = {}
    for each in linking.conflicts.listed(linking.flow.flow, open_only=True):
        if _counts_for(linking.flow, each, forward=forward) is Rule.SOURCE:
            keys.setdefault(each.object, []).append(each.key)
    crosswalk, name = linking.crosswalk, linking.flow.flow
    found = {record for each in keys for record in crosswalk.source_ids(name, each, keys[each]).values()}
    if not forward:
        rows = crosswalk.of_records(name, sorted(found))
        found = {row.target_id for row in rows if row.object == linking.flow.root}
    return sorted(found - wiring.letters.waiting(flow.flow, sorted(found)))


def _counts_for(linking: FlowSpec, each: FieldConflict, *, forward: bool) -> Rule:
    """Whose value counts as the flow goes that runs, by what both sides held when the conflict was seen last."""
    rule = rule_of(linking, f"{each.object}.{each.field}", forward=forward)
    if rule is not Rule.NEWEST:
        return rule
    return newer_side(*((each.source_at, each.target_at) if forward else (each.target_at, each.source_at)))


def _ended(wiring: Wiring, other: FlowSpec, doubts: Sequence[Intent]) -> set[str]:
    """The keys of doubts that the other flow will not settle: it has read on, and their record is none of its own."""
    there = wiring.other_way(other.flow)
    read = there.ledger.watermark(other.flow, there.pair)
    old = [each.key for each in doubts if read and each.changed_at and each.changed_at + CLOCKS < read]
    left = sorted({*old} - there.letters.waiting(other.flow, old))
    # as after a run of single records, a record that is still there may not have been read again
    found = _mapped_now(there, [Link(key, (other.root, key), "", {}) for key in left]) if left else {}
    return {key for key in left if (other.root, key) not in found}


def _emptied(flow: FlowSpec) -> frozenset[str]:
    """The objects of a flow whose fields an empty value empties."""
    empties = find_system(flow.target).empties
    return frozenset(name for name in flow.objects if empties(flow.target_object(name)))


def deletions_of(wiring: Wiring) -> dict[str, str]:
    """What becomes of records whose row the target has deleted, by flow of the folder; others are sent again."""
    return target_deletions(load_flows(wiring.environment.mappings)[0])


def _as_written(wiring: Wiring) -> Callable[[str, str], str]:
    """How the target takes the JSON fields of a row."""
    target = wiring.target()
    return target.as_written if isinstance(target, AdaptsValues) else lambda _, payload: payload


def _held_by_target(wiring: Wiring, pairs: Mapping[str, str], links: Sequence[Link]) -> dict[Place, Held]:
    """What the target holds of rows that it may have changed."""
    target = wiring.target()
    if not isinstance(target, HoldsRows):
        raise Misconfigured(
            f"{wiring.flow.flow}.yaml: authority: {wiring.flow.target} does not show its rows by id"
        )
    found: dict[Place, Held] = {}
    forms, as_written = Forms(wiring.flow), _as_written(wiring)
    for name in wiring.flow.objects:
        places = {link.target_id: link.place for link in links if link.place[0] == name}
        fields = [place.partition(".")[2] for place in pairs if place.partition(".")[0] == name]
        for held in target.held(name, list(places), forms.beside(name, fields)) if places else ():
            values = formed(forms, as_written, name, held.fields, fields)
            found[places[held.target_id]] = replace(held, fields=values)
    return found


def _mapped_now(wiring: Wiring, links: Sequence[Link]) -> dict[Place, Held | Unseen]:
    """What the linking flow would write of its records as they are now."""
    ids = list(dict.fromkeys(link.place[1] for link in links))
    wanted = {link.place: link.target_id for link in links}
    records: list[bytes] = []
    unseen: dict[str, str] = {}
    for source_id, record in wiring.source().read_ids(ids):
        if isinstance(record, bytes):
            records.append(record)
        elif not (record.gone or record.foreign):
            unseen[source_id] = record.reason
    with wiring.mapped_now(records) as (result, mapped):
        unseen |= {each.source_id: each.reason for _, each in result.rejections}
        versions = {
            name: version for name, _, version, _ in read_versions(mapped / f"{wiring.flow.root}.parquet")
        }
        found: dict[Place, Held | Unseen] = {}
        as_written = _as_written(wiring)
        for name in {each for each, _ in wanted}:
            for row in read_mapped(mapped / f"{name}.parquet", name):
                if (place := (name, row.key)) in wanted:
                    changed_at: datetime | None = instant(versions.get(row.source_id, ""))
                    found[place] = Held(wanted[place], _decode(as_written(name, row.payload)), changed_at)
    flow = wiring.flow
    for place in wanted.keys() - found.keys():
        if (why := unseen.get(place[1])) is not None:
            found[place] = Unseen(
                f"{flow.source_system} {place[1]}, with which this record is merged, cannot be compared now, as "
                f"{flow.flow} cannot read or map it: {why}; this record is tried again by each run until that is mended"
            )
    return found
