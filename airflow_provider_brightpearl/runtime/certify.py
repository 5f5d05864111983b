"""Certifies what a comparison of both systems of a flow found."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec.structs import replace

from airflow_provider_brightpearl.core.certificate import (
    SideList,
    SideTotals,
    Statement,
    Unsettled,
    differing_ids,
    reasons_open,
)
from airflow_provider_brightpearl.core.certificate_check import fingerprint
from airflow_provider_brightpearl.core.compare import Comparison, Entry
from airflow_provider_brightpearl.core.ports.sides import Sides
from airflow_provider_brightpearl.core.ports.target import TrustsCrosswalk
from airflow_provider_brightpearl.core.reports import Certified, ReconcileReport
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.flow.identity import compared_fields
from airflow_provider_brightpearl.pipeline.settle import ENDED_WELL
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.certificates import Certificates
from airflow_provider_brightpearl.stores.files import as_path

_id = msgspec.json.Decoder(list[str])


def open_certificates(wiring: Wiring) -> Certificates:
    """The certificates of a flow's pair of instances."""
    environment = wiring.environment
    chosen = environment.certificates
    # retention removes nothing there but the folders of runs
    folder = chosen() if chosen else as_path(environment.staging()) / "certificates"
    return Certificates(environment.state(), folder, wiring.pair)


def last_month(now: datetime) -> Window:
    """The calendar month before an instant, in UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Window((first - timedelta(days=1)).replace(day=1), first)


class Certifier:
    """Takes down what both sides answer while they are compared, and writes the certificate of it.

    Args:
        wiring: the flow as it is compared.
        asked_end: the end of the period as it was asked for, None where the flow's own period is compared.
    """

    def __init__(self, wiring: Wiring, asked_end: datetime | None) -> None:
        self._wiring = wiring
        self._asked_end = asked_end
        self._folder = TemporaryDirectory(prefix="certificate-")
        self._lists = {side: SideList(side) for side in ("discarded", "source", "target")}
        # records whose letters are set aside, and the first entry of each, that of the source before the target's
        self._aside = wiring.desk.discarded(wiring.pair, wiring.flow.flow)
        self._aside_entries: dict[str, Entry] = {}
        self._found = Comparison()
        self._unsettled = Unsettled()
        self._store = open_certificates(wiring)

    def __enter__(self) -> Certifier:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def watch(self, side: str, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries of a side, taken down as they pass."""
        with self._file(side).open("wb") as file:
            for entry in entries:
                file.write(self._lists[side].add(entry))
                if entry.id in self._aside and (side == "source" or entry.id not in self._aside_entries):
                    self._aside_entries[entry.id] = entry
                yield entry

    def compared(self, found: Comparison, sides: Sides) -> None:
        """Takes what was found, and looks for what waits."""
        self._found = found
        flow = self._wiring.flow
        linking = self._wiring.other_way(flow.reverse.of) if flow.reverse else self._wiring
        conflicts = len(linking.conflicts.listed(linking.flow.flow, open_only=True))
        aside = {*self._aside_entries, *sides.listed(self._aside)}
        with self._file("discarded").open("wb") as file:
            for name in sorted(aside):
                file.write(self._lists["discarded"].add(self._aside_entries.get(name, Entry(name))))
        unsettled = self._store.unsettled(flow.flow, sides.listed, conflicts)
        self._unsettled = replace(unsettled, discarded=len(aside))

    def issue(self, report: ReconcileReport, watermark: datetime) -> Certified:
        """Writes the certificate and its row.

        Args:
            report: what the comparison found.
            watermark: how far the flow has read, aware.

        Raises:
            Misconfigured: a file is in its way, or the key that signs it is none.
        """
        environment, flow = self._wiring.environment, self._wiring.flow
        key = environment.signing_key()
        public = key.public_key if key else ""
        spec, target = flow.reconcile, self._wiring.target()
        constants = tuple(sorted(str(each["id"]) for each in flow.constants if "id" in each))
        not_asked = target.note if isinstance(target, TrustsCrosswalk) and target.trusts_crosswalk else ""
        reasons = reasons_open(report, self._unsettled, constants, self._asked_end, not_asked)
        last = self._wiring.ledger.runs(flow.flow, 1, self._wiring.pair, ENDED_WELL)
        found = self._found

        def statement(number: int, previous: str) -> Statement:
            return Statement(
                flow=flow.flow,
                pair=self._wiring.pair,
                number=number,
                previous=previous,
                state="open" if reasons else "closed",
                reasons=reasons,
                period_start=report.period.start,
                period_end=report.period.end,
                compared_at=report.started_at,
                read_until=watermark,
                run=report.run,
                last_run=last[0].run if last else "",
                mapping_version=self._wiring.version,
                amounts=bool(spec and spec.amount),
                tolerance=f"{spec.tolerance:f}" if spec else "0",
                fields=tuple(compared_fields(flow)),
                source=self._totals("source"),
                target=self._totals("target"),
                discarded=self._totals("discarded"),
                matched=found.matched,
                differing=found.differing.count,
                missing=found.missing.count,
                extra=found.extra.count,
                repeated=found.repeated.count,
                differences=differing_ids(found),
                findings=report.counts,
                constants=constants,
                note=report.note,
                signed_by=fingerprint(public) if public else "",
                public_key=public,
            )

        issued = self._store.issue(flow.flow, statement, self._merged(), key)
        return Certified(issued.number, issued.state, reasons, issued.path, issued.digest, issued.signed_by)

    def _totals(self, side: str) -> SideTotals:
        flow = self._wiring.flow
        source, _, target = self._wiring.pair.partition(">")
        system, instance = (flow.target, target) if side == "target" else (flow.source_system, source)
        return self._lists[side].totals(system, instance)

    def _merged(self) -> Path:
        """The lines of both sides and of what is discarded, by id."""
        path = self._file("all")
        with (
            self._file("discarded").open("rb") as discarded,
            self._file("source").open("rb") as source,
            self._file("target").open("rb") as target,
            path.open("wb") as file,
        ):
            file.writelines(heapq.merge(discarded, source, target, key=lambda line: _id.decode(line)[:2]))
        return path

    def _file(self, name: str) -> Path:
        return Path(self._folder.name) / name
