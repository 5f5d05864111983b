"""Verifies the state database against both systems of each flow, by samples or whole. Writes nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import SourceInventory
from airflow_provider_brightpearl.core.ports.stores import DETACHED, Binding
from airflow_provider_brightpearl.core.ports.target import Target, TrustsCrosswalk
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.progress import logged_progress
from airflow_provider_brightpearl.runtime.two_way import stray_bases
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.state_check import (
    Finding,
    check_database,
    check_links,
    sample_letters,
    sample_links,
)

log = logging.getLogger(__name__)

# links of a flow that are looked up together, where all are
_CHUNK = 2_000


@dataclass(slots=True)
class StateReport:
    """What a check of the state found.

    ``checked`` counts the links and letters that were looked up, by flow, ``calls`` those made, by system;
    ``not_asked`` says of which flows a system was not asked, and why.
    """

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    not_asked: dict[str, str] = field(default_factory=dict)


def check_state(environment: Environment, wirings: Sequence[Wiring], sample: int | None = 20) -> StateReport:
    """Checks the database, and of each flow links and letters against its systems.

    Args:
        environment: names the state database.
        wirings: the flows, opened to read only.
        sample: links of each object, and letters, that are looked up; None for all.

    Raises:
        SyncError: a system, or the state database, does not answer as it should.
    """
    report = StateReport()
    report.findings += check_database(environment.state(), environment.now())
    for wiring in wirings:
        flow = wiring.flow
        if wiring.ledger.watermark(flow.flow, wiring.pair) is None:
            report.not_asked[flow.flow] = "it has not run yet"
            continue
        with logged_progress(f"{flow.flow} state check") as progress:
            before = len(report.findings)
            report.findings += check_links(environment.state(), wiring.pair, flow.flow, flow.root)
            _check_systems(wiring, sample, report)
            progress.result = counted(len(report.findings) - before, "finding")
    return report


def _check_systems(wiring: Wiring, sample: int | None, report: StateReport) -> None:
    flow = wiring.flow
    try:
        source, target = wiring.inventory(), wiring.target()
    except Misconfigured as error:
        report.not_asked[flow.flow] = str(error)
        return
    asked = None if isinstance(target, TrustsCrosswalk) and target.trusts_crosswalk else target
    if asked is None:
        report.not_asked[flow.flow] = target.note or f"{flow.target} cannot be asked for its rows"
    before = (source.calls, target.calls)
    try:
        for some in _links(wiring, sample):
            report.checked[flow.flow] += len(some)
            report.findings += _check_source(wiring, source, some)
            if asked:
                report.findings += _check_target(wiring, asked, some)
                report.findings += _check_bases(wiring, some)
        letters = sample_letters(wiring.environment.state(), wiring.pair, flow.flow, sample)
        report.checked[flow.flow] += len(letters)
        report.findings += _check_letters(wiring, source, letters)
    finally:
        report.calls[flow.source_system] += source.calls - before[0]
        report.calls[flow.target] += target.calls - before[1]


def _links(wiring: Wiring, sample: int | None) -> Iterator[list[Binding]]:
    names, flow = list(wiring.flow.objects), wiring.flow.flow
    if sample is not None:
        yield sample_links(wiring.environment.state(), wiring.pair, flow, names, sample)
        return
    for name in names:
        rows = (row for row in wiring.crosswalk.roots(flow, name) if row.fingerprint != DETACHED)
        yield from chunked(rows, _CHUNK)


def _check_source(wiring: Wiring, source: SourceInventory, links: Sequence[Binding]) -> Iterator[Finding]:
    flow = wiring.flow
    own = {str(each["id"]) for each in flow.constants if "id" in each}
    records = {row.source_id for row in links if row.object == flow.root} - own
    for name in sorted(source.deleted_ids(sorted(records))):
        yield Finding(
            "links", flow.flow, f"record {name} is linked, and {flow.source_system} does not have it",
            f"`brightpearl reconcile {flow.flow}` finds it; `reconcile.deleted` says what becomes of its rows",
        )  # fmt: skip


def _check_target(wiring: Wiring, target: Target, links: Sequence[Binding]) -> Iterator[Finding]:
    flow = wiring.flow
    roots = {row.key: row for row in links if row.object == flow.root}
    bound = {key: row.target_id for key, row in roots.items()}
    found = {row.key: row.target_id for row in target.read(list(roots), [], bound)} if roots else {}
    wrong = [row for key, row in roots.items() if found.get(key) != row.target_id]
    there = target.existing_ids(flow.root, [row.target_id for row in wrong]) if wrong else set()
    unlink = "delete its row in bp_binding, then "
    find = f"{unlink}`brightpearl state rebuild {flow.flow} --merge`"
    for row in wrong:
        link = f"record {row.source_id} is linked to {row.object} {row.target_id} of {flow.target}"
        if other := found.get(row.key):
            yield Finding("links", flow.flow, f"{link}: its key {row.key} is that of {other}", find)
        elif row.target_id in there:
            yield Finding("links", flow.flow, f"{link}, which does not carry the key {row.key}", find)
        else:
            remedy = "the DAG brightpearl_reconcile writes it again, or says why not"
            yield Finding("links", flow.flow, f"{link}, which does not exist", remedy)
    for name in flow.objects:
        parts = [row for row in links if row.object == name and name != flow.root]
        there = target.existing_ids(name, [row.target_id for row in parts]) if parts else set()
        for row in parts:
            if row.target_id not in there:
                part = f"{name} {row.target_id} of record {row.source_id}"
                write = f"{unlink}`brightpearl run {flow.flow} --ids {row.source_id}`"
                yield Finding(
                    "links", flow.flow, f"{part} is linked, and {flow.target} does not have it", write
                )


def _check_bases(wiring: Wiring, links: Sequence[Binding]) -> Iterator[Finding]:
    flow = wiring.flow
    for row, name in stray_bases(wiring, links):
        yield Finding(
            "bases",
            flow.flow,
            f"{row.object}.{name} of record {row.source_id}: neither side holds what both last agreed on",
            f"run {flow.flow} and the flow of the other direction; `brightpearl conflicts` lists what they decided",
        )


def _check_letters(wiring: Wiring, source: SourceInventory, letters: Sequence[str]) -> Iterator[Finding]:
    flow = wiring.flow
    for name in sorted(source.deleted_ids(letters)):
        yield Finding(
            "dead letters", flow.flow, f"the letter of record {name} waits, and {flow.source_system} does not have it",
            "it is closed as gone after gone_after_days; discard it if that is too long",
        )  # fmt: skip
