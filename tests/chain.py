"""One flow over ports in memory, run by the product's own stages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from airflow_provider_brightpearl.core.ports.gate import Gate
from airflow_provider_brightpearl.core.ports.notices import Notices
from airflow_provider_brightpearl.core.ports.source import Source, WriteBack
from airflow_provider_brightpearl.core.ports.stores import (
    Conflicts,
    Crosswalk,
    DeadLetters,
    Intents,
    Ledger,
    RecordEvents,
    Staging,
)
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.core.records import PartRef, RawPart
from airflow_provider_brightpearl.core.reports import (
    ExtractReport,
    GateReport,
    LoadReport,
    Report,
    RunInfo,
    RunSummary,
    TransformReport,
)
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.pipeline.write_back import Outbox
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.staging import FileStaging
from airflow_provider_brightpearl.systems.system import System
from tests.fakes import (
    MemoryConflicts,
    MemoryCrosswalk,
    MemoryIntents,
    MemoryLedger,
    MemoryLetters,
    MemoryNotices,
    MemoryRecordEvents,
    MemorySeenColumns,
    PassingGate,
)

NOW = datetime(2026, 4, 1, tzinfo=UTC)
R = TypeVar("R", bound=Report)


@dataclass
class Chain:
    """The stages of one flow with everything that stays between its runs; it replaces the flow's wiring."""

    flow: FlowSpec
    schema: StreamSchema
    folder: Path
    tables: Mapping[str, LookupTable] = field(default_factory=dict)
    crosswalk: Crosswalk = field(default_factory=MemoryCrosswalk)
    letters: DeadLetters = field(default_factory=MemoryLetters)
    ledger: Ledger = field(default_factory=MemoryLedger)
    events: RecordEvents = field(default_factory=MemoryRecordEvents)
    conflicts: Conflicts = field(default_factory=MemoryConflicts)
    notices: Notices = field(init=False)
    judge: Gate = field(default_factory=PassingGate)
    intents: Intents = field(default_factory=MemoryIntents)
    replies: WriteBack | None = None
    write_back_limit: int = 2_000
    version: str = "v1"
    runs: int = 0
    now: datetime = NOW
    queries_target: bool = False
    pair: str = "here:1>there:2"
    leases: None = None
    # nobody has set anything aside
    desk: Any = field(default_factory=lambda: SimpleNamespace(discarded=lambda *_: set()))
    target_client: Any = field(default_factory=lambda: SimpleNamespace(calls=0))

    def __post_init__(self) -> None:
        self.notices = MemoryNotices(lambda: self.now)
        self.seen_columns = MemorySeenColumns()

    # what stages ask of a wiring

    @property
    def environment(self) -> Environment:
        def nowhere(*_: Any) -> Any:
            raise AssertionError("no system is connected")

        return Environment(
            self.folder, nowhere, lambda: self.folder, nowhere, nowhere,
            write_back_limit=self.write_back_limit, now=lambda: self.now,
        )  # fmt: skip

    def adopt_state(self) -> None:
        return None

    def source_time(self, moment: float) -> datetime | None:
        return None

    def target_instance(self) -> str:
        return "there:2"

    def staging(self, run: str) -> Staging:
        return FileStaging(self.folder, self.flow.flow, run)

    def source(self) -> Source:
        return self.reads

    def sink(self, run: str) -> Sink:
        return self.writes

    def gate(self, page: Path, run: str) -> Gate:
        return self.judge

    def lookups(self) -> Mapping[str, LookupTable]:
        return self.tables

    def patches(self) -> None:
        return None

    def outbox(self, run: str) -> Outbox:
        return Outbox(self.flow, run, self.intents, self.events)

    @property
    def target_system(self) -> System:
        return System(name="there", hook="", conn_id="there_default")

    def write_back(self) -> WriteBack:
        if self.replies is None:
            raise AssertionError("nothing is written back")
        return self.replies

    def open_mapper(self, lookups: Mapping[str, LookupTable], folders: Sequence[Path]) -> Mapper:
        return Mapper(self.flow, self.schema, lookups, self.crosswalk, folders)

    # stages, with what passes between them as it comes out of XCom

    @property
    def wiring(self) -> Wiring:
        return cast("Wiring", self)

    def extract(
        self, source: Source, request: Request | None = None, name: str = "", now: datetime = NOW
    ) -> ExtractReport:
        self.runs += 1
        self.reads, self.now = source, now
        report = run.extract(self.wiring, request or Request(RunKind.MANUAL), name or f"run {self.runs}")
        self.info: RunInfo = through_xcom(report).run
        return through_xcom(report)

    def transform(self, part: RawPart) -> TransformReport:
        return through_xcom(run.transform(self.wiring, self.info, part))

    def evaluate(self, mapped: Sequence[TransformReport]) -> GateReport:
        return through_xcom(run.gate(self.wiring, self.info, mapped))

    def load(self, mapped: TransformReport, judged: GateReport, sink: Sink) -> LoadReport:
        self.writes = sink
        return through_xcom(run.load(self.wiring, self.info, mapped, judged))

    def settle(
        self,
        parts: Sequence[PartRef],
        mapped: Sequence[TransformReport],
        judged: GateReport | None,
        loads: Sequence[LoadReport],
    ) -> RunSummary:
        return through_xcom(run.settle(self.wiring, self.info, parts, mapped, judged, loads))

    def go(
        self, source: Source, sink: Sink, request: Request | None = None, now: datetime = NOW, name: str = ""
    ) -> RunSummary:
        """A whole run."""
        self.runs += 1
        self.reads, self.writes, self.now = source, sink, now
        return run.run_flow(self.wiring, request or Request(RunKind.MANUAL), name or f"run {self.runs}")


def through_xcom(report: R) -> R:
    """A report after its way through JSON, as between tasks."""
    return type(report).from_dict(json.loads(json.dumps(report.as_dict())))
