"""Opens the ports of one flow: its file, its systems, its stores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl.core.ports.gate import Gate
from airflow_provider_brightpearl.core.ports.matching import Claims, FollowsMerges, TakesRowsOver
from airflow_provider_brightpearl.core.ports.notices import Notices
from airflow_provider_brightpearl.core.ports.overrides import Overrides
from airflow_provider_brightpearl.core.ports.seen_fields import SeenColumns, SeenFields
from airflow_provider_brightpearl.core.ports.source import Source, SourceInventory, WriteBack
from airflow_provider_brightpearl.core.ports.stores import (
    Bases,
    Conflicts,
    Crosswalk,
    DeadLetters,
    Intents,
    Ledger,
    MatchAnswers,
    RecordEvents,
    Staging,
)
from airflow_provider_brightpearl.core.ports.target import Sink, Target
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.identity import mapping_version
from airflow_provider_brightpearl.flow.load import load_flow, load_flows
from airflow_provider_brightpearl.flow.lookups import LookupTable, load_lookups, lookup_digests
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from airflow_provider_brightpearl.mapping.bounded import BoundedMapper
from airflow_provider_brightpearl.mapping.compile import compile_flow
from airflow_provider_brightpearl.mapping.mapped import MapResult, PartMapper
from airflow_provider_brightpearl.pipeline.matching import FlowLinks, Linking
from airflow_provider_brightpearl.pipeline.overrides import Patches
from airflow_provider_brightpearl.pipeline.write_back import Outbox
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.stores.bases import SqlBases
from airflow_provider_brightpearl.stores.conflicts import SqlConflicts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.desk import SqlDesk
from airflow_provider_brightpearl.stores.instances import SqlInstances
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.leases import SqlLeases
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.match_answers import SqlMatchAnswers
from airflow_provider_brightpearl.stores.notices import SqlNotices
from airflow_provider_brightpearl.stores.overrides import SqlOverrides
from airflow_provider_brightpearl.stores.read_only import ReadOnlyConflicts, ReadOnlyCrosswalk
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.seen_columns import SqlSeenColumns
from airflow_provider_brightpearl.stores.seen_fields import SqlSeenFields
from airflow_provider_brightpearl.stores.staging import FileStaging
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.http.transport import Meter
from airflow_provider_brightpearl.systems.system import System

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wiring:
    """The ports of one flow, each opened when it is first asked for.

    Args:
        flow: the flow.
        environment: where it runs.
        source_conn_id: connection of the source, None for the system's usual one.
        target_conn_id: connection of the target, likewise.
        read_only: whether nothing is kept, not even which instances the connections lead to.
    """

    flow: FlowSpec
    environment: Environment
    source_conn_id: str | None = None
    target_conn_id: str | None = None
    read_only: bool = False

    @classmethod
    def of(
        cls,
        flow: str,
        environment: Environment,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
    ) -> Wiring:
        """The wiring of the flow of that name.

        Raises:
            Misconfigured: its file is missing or wrong, or it asks of its systems what they do not do.
        """
        loaded = load_flow(environment.mappings / f"{flow}.yaml")
        registry.check_flow(loaded)
        return cls(loaded, environment, source_conn_id, target_conn_id)

    def other_way(self, flow: str) -> Wiring:
        """The wiring of a flow of the other direction, over the same connections and the same clients."""
        other = replace(
            Wiring.of(flow, self.environment, self.target_conn_id, self.source_conn_id),
            read_only=self.read_only,
        )
        # its calls are counted with those of this flow
        other.__dict__["source_client"] = self.target_client
        other.__dict__["target_client"] = self.source_client
        return other

    # instances

    @cached_property
    def pair(self) -> str:
        """The instances that this flow connects; asks a system only where its connection was never used before."""
        source = self._known_instance(self.flow.source_system, self.source_conn_id)
        target = self._known_instance(self.flow.target, self.target_conn_id)
        return f"{source or self.source_instance()}>{target or self.target_instance()}"

    def source_instance(self) -> str:
        """The instance that the source's connection leads to now."""
        return self._instance(self.flow.source_system, self.source_conn_id, lambda: self.source_client)

    def target_instance(self) -> str:
        """The instance that the target's connection leads to now."""
        return self._instance(self.flow.target, self.target_conn_id, lambda: self.target_client)

    def adopt_state(self) -> None:
        """Takes over the state of releases that did not distinguish instances; the first pair that runs gets it."""
        adopted = SqlInstances(self.environment.state()).adopt(self.pair, self._flows_alike)
        if adopted:
            log.info("%s rows of state from an earlier release now belong to %s", adopted, self.pair)

    def adopt_state_now(self) -> None:
        """Likewise, once both systems were asked: a connection may lead to another instance than when last used."""
        self.source_instance()
        self.target_instance()
        self.adopt_state()

    @property
    def planned_pair(self) -> str:
        """The pair whose state the next run goes on with: empty where it first adopts that of an earlier release."""
        own = self.ledger.watermark(self.flow.flow, self.pair)
        return "" if own is None and SqlInstances(self.environment.state()).unclaimed() else self.pair

    def _flows_alike(self) -> list[str]:
        flows, _ = load_flows(self.environment.mappings)
        mine = (self.flow.source_system, self.flow.target)
        return [each.flow for each in flows if (each.source_system, each.target) == mine]

    def _known_instance(self, system: str, conn_id: str | None) -> str:
        address = self.environment.address(registry.find_system(system), conn_id)
        return SqlInstances(self.environment.state()).find(address)

    def _instance(self, name: str, conn_id: str | None, client: Callable[[], Any]) -> str:
        system = registry.find_system(name)
        identity = system.instance(client()) if system.instance else conn_id or system.conn_id
        found = f"{name}:{identity}"
        address = self.environment.address(system, conn_id)
        if not self.read_only:
            SqlInstances(self.environment.state()).keep(address, found, self.environment.now())
        return found

    # stores

    @cached_property
    def crosswalk(self) -> Crosswalk:
        opened = ReadOnlyCrosswalk if self.read_only else SqlCrosswalk
        return opened(self.environment.state(), self.pair)

    @cached_property
    def letters(self) -> DeadLetters:
        return self.letters_of(self.pair)

    def letters_of(self, pair: str) -> DeadLetters:
        """The dead letters of a pair of instances."""
        return SqlDeadLetters(self.environment.state(), self.environment.now, pair, self.environment.letters)

    @cached_property
    def bases(self) -> Bases:
        return SqlBases(self.environment.state(), self.pair)

    @cached_property
    def conflicts(self) -> Conflicts:
        opened = ReadOnlyConflicts if self.read_only else SqlConflicts
        return opened(self.environment.state(), self.pair)

    @cached_property
    def events(self) -> RecordEvents:
        return SqlRecordEvents(self.environment.state(), self.pair)

    @cached_property
    def intents(self) -> Intents:
        return SqlIntents(self.environment.state(), self.environment.now, self.pair)

    @cached_property
    def overrides(self) -> Overrides:
        return SqlOverrides(self.environment.state(), self.pair)

    @cached_property
    def desk(self) -> SqlDesk:
        return SqlDesk(self.environment.state())

    @cached_property
    def match_answers(self) -> MatchAnswers:
        return SqlMatchAnswers(self.environment.state(), self.environment.now, self.pair)

    @cached_property
    def notices(self) -> Notices:
        return SqlNotices(self.environment.state(), self.environment.now, self.pair)

    @cached_property
    def ledger(self) -> Ledger:
        return SqlLedger(self.environment.state())

    @cached_property
    def leases(self) -> SqlLeases | None:
        """What lets one run of the flow write at a time; None where that is not wanted."""
        length = self.environment.lease
        return SqlLeases(self.environment.state(), self.pair, length) if length else None

    def staging(self, run: str) -> Staging:
        """The files of a run."""
        return FileStaging(self.environment.staging(), self.flow.flow, run)

    def outbox(self, run: str) -> Outbox:
        """What has to be written back to the source."""
        return Outbox(self.flow, run, self.intents, self.events)

    # systems

    @cached_property
    def source_client(self) -> Any:
        system = registry.find_system(self.flow.source_system)
        return self.environment.connect(system, self.source_conn_id)

    def source_time(self, moment: float) -> datetime | None:
        """The time of the source at a moment of our monotonic clock, by its answers so far; None if unknown."""
        meter = getattr(self.source_client, "meter", None)
        return meter.server_time(moment) if isinstance(meter, Meter) else None

    @cached_property
    def target_client(self) -> Any:
        return self.environment.connect(registry.find_system(self.flow.target), self.target_conn_id)

    def source(self) -> Source:
        open_source = registry.find_system(self.flow.source_system).open_source
        if open_source is None:
            raise Misconfigured(f"{self.flow.flow}.yaml: {self.flow.source_system} is not a source")
        return open_source(self.source_client, self.flow.stream, self.flow.filters)

    def sink(self, run: str) -> Sink:
        open_sink = registry.find_system(self.flow.target).open_sink
        if open_sink is None:
            raise Misconfigured(f"{self.flow.flow}.yaml: {self.flow.target} is not a target")
        sink = open_sink(self.target_client, self.flow, self.intents, run)
        if isinstance(sink, TakesRowsOver):
            sink.linked = self.linked_rows()
        if isinstance(sink, FollowsMerges):
            sink.owned = self.linked_rows()
        return sink

    def linked_rows(self, claims: Claims | None = None) -> FlowLinks:
        """What the state knows of the rows of the target; ``claims`` are those of this run."""
        linking = None
        if self.flow.reverse:
            there = self.other_way(self.flow.reverse.of)
            linking = Linking(there.flow, there.crosswalk)
        known = {} if claims is None else claims
        return FlowLinks(self.flow, self.crosswalk, self.match_answers, linking, known)

    @property
    def target_system(self) -> System:
        """The descriptor of the target."""
        return registry.find_system(self.flow.target)

    @cached_property
    def seen_columns(self) -> SeenColumns:
        return SqlSeenColumns(self.environment.state(), self.pair)

    def seen_fields_of(self, pair: str) -> SeenFields:
        """The fields of the target as the flow last met them for a pair of instances."""
        return SqlSeenFields(self.environment.state(), self.environment.now, pair)

    def write_back(self) -> WriteBack:
        open_write_back = registry.find_system(self.flow.source_system).open_write_back
        if open_write_back is None:
            raise Misconfigured(f"{self.flow.flow}.yaml: {self.flow.source_system} takes no write-backs")
        return open_write_back(self.source_client, self.flow.stream)

    def inventory(self) -> SourceInventory:
        open_inventory = registry.find_system(self.flow.source_system).open_inventory
        if open_inventory is None:
            raise Misconfigured(f"records of {self.flow.source_system} cannot be listed")
        return open_inventory(self.source_client, self.flow.stream, self.flow.filters)

    def target(self) -> Target:
        open_target = registry.find_system(self.flow.target).open_target
        if open_target is None:
            raise Misconfigured(f"records of {self.flow.target} cannot be listed")
        return open_target(self.target_client, self.flow)

    # mapping and gate

    @cached_property
    def version(self) -> str:
        """Digest of the mapping, lookups included."""
        return mapping_version(self.flow, lookup_digests(self.flow, self.environment.mappings))

    @property
    def queries_target(self) -> bool:
        """Whether a translation table comes from the target."""
        return any(lookup.query for lookup in self.flow.lookups.values())

    def lookups(self) -> dict[str, LookupTable]:
        """The translation tables of the flow, those of the target queried now."""
        query = registry.find_system(self.flow.target).query
        # most flows look nothing up in the target, and then no connection to it is needed
        if query is None or not self.queries_target:
            return load_lookups(self.flow, self.environment.mappings)
        client = self.target_client
        return load_lookups(self.flow, self.environment.mappings, lambda text: query(client, text))

    @property
    def schema(self) -> StreamSchema:
        """The columns of the flow's stream."""
        return registry.stream_schema(self.flow.source)

    def open_mapper(self, lookups: Mapping[str, LookupTable], folders: Sequence[Path]) -> PartMapper:
        """The compiled mapping, allowed to read and write these folders and nothing else."""
        bounds = self.environment.mapping_bounds
        return BoundedMapper(self.flow, self.schema, lookups, self.crosswalk, folders, bounds)

    def patches(self) -> Patches | None:
        """What people have put in the place of values of the flow's records; None where that is nothing."""
        overrides = self.overrides.active(self.flow.flow)
        if not overrides:
            return None
        named = load_lookups(self.flow, self.environment.mappings)
        columns = compile_flow(self.flow, self.schema, named).columns
        return Patches(overrides, self.flow, self.schema, columns)

    @contextmanager
    def mapped_now(self, records: Iterable[bytes]) -> Iterator[tuple[MapResult, Path]]:
        """What the flow would write of records (JSON, raw) now: the result, and the folder of the mapped files."""
        with TemporaryDirectory() as folder:
            raw, mapped = Path(folder) / "raw.jsonl", Path(folder) / "mapped"
            lookups = self.lookups()
            if patches := self.patches():
                records = patches.lines(records)
            raw.write_bytes(b"".join(record + b"\n" for record in records))
            mapped.mkdir()
            with self.open_mapper(lookups, (raw.parent, mapped)) as mapper:
                result = mapper.map_part(raw, mapped)
            yield result, mapped

    def gate(self, page: Path, run: str) -> Gate:
        """The expectations of the flow; what they find is written to ``page``."""
        return ExpectationGate(self.flow, page, run, self.environment.gate_sql_rows)
