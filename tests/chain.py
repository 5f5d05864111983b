"""The five stages of a flow in a row, as the operators run them, over ports given by a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.ports import Bindings, DeadLetters, Gate, Ledger, Sink, Source
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.run import RunFacts
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Request, RunKind, Selection, plan
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.lookups import LookupTable
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.extract import extract
from airflow_provider_brightpearl.pipeline.gate import judge
from airflow_provider_brightpearl.pipeline.load import load
from airflow_provider_brightpearl.pipeline.settle import Stores, refuse, settle
from airflow_provider_brightpearl.pipeline.transform import transform
from airflow_provider_brightpearl.stores.staging import FileStaging
from tests.fakes import MemoryBindings, MemoryLedger, MemoryLetters, PassingGate

NOW = datetime(2026, 4, 1, tzinfo=UTC)
Plain = dict[str, Any]


@dataclass
class Chain:
    """The stages of one flow with everything that stays between its runs."""

    flow: FlowSpec
    schema: StreamSchema
    folder: Path
    lookups: Mapping[str, LookupTable] = field(default_factory=dict)
    bindings: Bindings = field(default_factory=MemoryBindings)
    letters: DeadLetters = field(default_factory=MemoryLetters)
    ledger: Ledger = field(default_factory=MemoryLedger)
    gate: Gate = field(default_factory=PassingGate)
    version: str = "v1"
    runs: int = 0

    def start(self, run: str = "") -> None:
        """Begins a run: every staged file goes below its own folder."""
        self.runs += 1
        self.run = run or f"run {self.runs}"
        self.staging = FileStaging(str(self.folder), self.flow.flow, self.run)

    def select(self, request: Request | None, now: datetime) -> Selection:
        return plan(
            request or Request(RunKind.MANUAL),
            self.flow.window.policy,
            self.ledger.watermark(self.flow.flow),
            now,
        )

    def extract(self, source: Source, selection: Selection) -> list[Plain]:
        parts = extract(self.flow, selection, source, self.letters, self.staging, self.version)
        system = self.flow.source_system
        calls = Calls({system: source.calls}, {system: source.fewest_calls})
        self.facts = RunFacts(self.run, RunKind.MANUAL, selection, self.version, NOW, calls)
        return through_xcom(parts)

    def transform(self, part: Plain) -> Plain:
        def open_mapper(folders: Any) -> Mapper:
            return Mapper(self.flow, self.schema, self.lookups, self.bindings, folders)

        return through_xcom(transform(self.flow, part, open_mapper, self.staging))

    def judge(self, mapped: list[Plain]) -> Plain:
        verdict = through_xcom(judge(self.flow, mapped, self.gate, self.staging))
        if verdict["closed"]:
            raise refuse(self.flow, self.facts, mapped, verdict, self.stores, NOW)
        return verdict

    def load(self, mapped: Plain, verdict: Plain, sink: Sink) -> Plain:
        return through_xcom(
            load(
                self.flow,
                self.run,
                mapped,
                verdict,
                sink,
                self.bindings,
                self.letters,
                self.staging,
                sweep=self.facts.selection.sweep,
            )
        )

    def settle(
        self, parts: list[Plain], mapped: list[Plain], verdict: Plain | None, loads: list[Plain]
    ) -> Plain:
        return through_xcom(settle(self.flow, self.facts, parts, mapped, verdict, loads, self.stores, NOW))

    @property
    def stores(self) -> Stores:
        return Stores(self.ledger, self.letters, self.staging)

    def go(
        self, source: Source, sink: Sink, request: Request | None = None, now: datetime = NOW, run: str = ""
    ) -> Plain:
        """A whole run; gives its summary."""
        self.start(run)
        parts = self.extract(source, self.select(request, now))
        mapped = [self.transform(part) for part in parts]
        verdict = self.judge(mapped) if mapped else None
        loads = [self.load(each, verdict, sink) for each in mapped] if verdict else []
        return self.settle(parts, mapped, verdict, loads)


def through_xcom(value: Any) -> Any:
    """What is left of a value that passes from task to task."""
    return json.loads(json.dumps(value))
