"""Records that their source has merged: the survivor takes the link over, and two linked ones are a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.ports.matching import LinkedRows
from airflow_provider_brightpearl.core.ports.stores import Binding, Crosswalk, DeadLetters, Staging
from airflow_provider_brightpearl.core.records import PartRef, Rejection, Stage
from airflow_provider_brightpearl.core.reports import run_of
from airflow_provider_brightpearl.pipeline.batch import Batch


@dataclass(frozen=True)
class SourceMerges:
    """The merged records of a part, of a flow whose target has rows that people enter too.

    Args:
        batch: the part, with what is bound.
        column: of the stream, that holds the survivor's id in a record that was merged.
        id_column: of the stream.
        version: of the mapping.
        linked: which rows records are linked to.
        crosswalk: what is bound.
        letters: where the questions go.
    """

    batch: Batch
    column: str
    id_column: str
    version: str
    linked: LinkedRows
    crosswalk: Crosswalk
    letters: DeadLetters

    def settle(self, staging: Staging, raw: PartRef) -> None:
        """Moves the links of merged records to their survivors, and asks where both are linked."""
        merged = self._merged(staging, raw)
        if not merged:
            return
        survivors = [survivor for survivor, _ in merged.values()]
        rows = self.linked.rows_of(self.batch.flow.root, [*merged, *survivors])
        for loser, (survivor, line) in merged.items():
            if loser not in rows:
                continue
            if survivor in rows:
                if rows[survivor] != rows[loser]:
                    self._ask(loser, survivor, rows, line)
            elif survivor in self.batch.rows:
                self._move(loser, survivor)

    def _merged(self, staging: Staging, raw: PartRef) -> dict[str, tuple[str, bytes]]:
        """The survivor of each merged record, with the record as it came."""
        found: dict[str, tuple[str, bytes]] = {}
        decode = _decoder(self.id_column, self.column).decode
        for line in staging.read_lines(raw):
            record = decode(line)
            if isinstance(record.survivor, str) and record.survivor:
                found[str(record.id)] = (record.survivor, line)
        return found

    def _ask(self, loser: str, survivor: str, rows: Mapping[str, str], line: bytes) -> None:
        flow = self.batch.flow
        root, source = flow.root, flow.source_system
        reason = (
            f"{source} has merged this record into {survivor}, and both are linked to a {root} of {flow.target}: merge "
            "those there as well, then discard this letter"
        )
        value = f"{rows[loser]} is this record, {rows[survivor]} is {survivor}"
        if loser in self.batch.rows:
            place = (root, self.batch.rows[loser][0].key)
            self.batch.reject(loser, reason, place, field=self.column, value=value, review=True)
            return
        rejection = Rejection(loser, Stage.LOAD, reason, root, "", self.column, value, review=True)
        self.letters.keep(flow.flow, run_of(self.batch.run), self.version, [(rejection, line)])

    def _move(self, loser: str, survivor: str) -> None:
        """Gives the survivor what the merged record was bound to; its other rows are found at their places."""
        flow, first = self.batch.flow, self.batch.rows[survivor][0]
        known = self.crosswalk.of_records(flow.flow, [loser])
        if loser in self.batch.rows:
            reason = (
                f"{flow.source_system} has merged this record into {survivor}, which takes its place: leave merged "
                f"records out by where: of {flow.root}"
            )
            self.batch.reject(loser, reason, (flow.root, self.batch.rows[loser][0].key), field=self.column)
        for each in known:
            if each.object == flow.root:
                new = Binding(
                    flow.flow, flow.root, first.key, survivor, each.target_id, "", "", self.batch.run
                )
                self.crosswalk.unbind(known)
                self.crosswalk.bind([new])
                for gone in known:
                    self.batch.bound[gone.object].pop(gone.key, None)
                self.batch.take_bound([new])


@cache
def _decoder(id_column: str, column: str) -> Any:
    fields = [
        ("id", str | int | None, msgspec.field(name=id_column, default=None)),
        ("survivor", Any, msgspec.field(name=column, default=None)),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Merged", fields))
