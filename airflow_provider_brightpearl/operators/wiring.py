"""Builds what the stages need for one flow: its file, its ports, its clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl import settings, state
from airflow_provider_brightpearl.core.ports import Gate, Sink, Source
from airflow_provider_brightpearl.core.write_back import WriteBack
from airflow_provider_brightpearl.endpoints import registry
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.lookups import LookupTable, load_lookups, lookup_digests
from airflow_provider_brightpearl.mapping.spec import FlowSpec, load_flow, mapping_version
from airflow_provider_brightpearl.pipeline.settle import Stores
from airflow_provider_brightpearl.pipeline.write_back import Outbox
from airflow_provider_brightpearl.stores.bindings import Bindings
from airflow_provider_brightpearl.stores.dead_letters import DeadLetters
from airflow_provider_brightpearl.stores.intents import Intents
from airflow_provider_brightpearl.stores.ledger import Ledger
from airflow_provider_brightpearl.stores.staging import FileStaging


@dataclass(frozen=True)
class Wiring:
    """The ports of one flow, each made when it is first asked for.

    Args:
        flow: the flow.
        folder: where its file and its lookups lie.
        source_conn_id: connection of the source, None for the system's default.
        target_conn_id: connection of the target, likewise.
    """

    flow: FlowSpec
    folder: Path
    source_conn_id: str | None = None
    target_conn_id: str | None = None

    @classmethod
    def of(cls, flow: str, mappings: str, source_conn_id: str | None, target_conn_id: str | None) -> Wiring:
        """The wiring of the flow of that name in the folder ``mappings``."""
        folder = Path(mappings)
        return cls(load_flow(folder / f"{flow}.yaml"), folder, source_conn_id, target_conn_id)

    @cached_property
    def bindings(self) -> Bindings:
        return Bindings(state.state_engine())

    @cached_property
    def letters(self) -> DeadLetters:
        return DeadLetters(state.state_engine())

    @cached_property
    def intents(self) -> Intents:
        return Intents(state.state_engine())

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(state.state_engine())

    @cached_property
    def version(self) -> str:
        """Digest of the mapping, lookups included."""
        return mapping_version(self.flow, lookup_digests(self.flow, self.folder))

    def staging(self, run: str) -> FileStaging:
        return FileStaging(settings.staging_path(), self.flow.flow, run)

    def source(self) -> Source:
        return registry.source(self.flow.source, self.source_client)

    def sink(self, run: str) -> Sink:
        return registry.sink(self.flow.target, self.target_client, self.flow, self.intents, run)

    def outbox(self, run: str) -> Outbox:
        """What the source is to be told."""
        return Outbox(self.flow, run, self.intents)

    def write_back(self) -> WriteBack:
        """The source, to be told."""
        return registry.write_back(self.flow, self.source_client)

    @cached_property
    def source_client(self) -> Any:
        return _client(self.flow.source_system, self.source_conn_id)

    @cached_property
    def target_client(self) -> Any:
        return _client(self.flow.target, self.target_conn_id)

    def gate(self, page: Path, run: str) -> Gate:
        """The expectations of the flow; what they find is written to ``page``."""
        return ExpectationGate(self.flow, page, run, settings.number("gate_sql_rows"))

    def stores(self, staging: FileStaging) -> Stores:
        return Stores(self.ledger, self.letters, staging)

    def lookups(self) -> dict[str, LookupTable]:
        """The translation tables of the flow, those of the target asked for now."""
        # most flows look nothing up in the target, and then no connection to it is needed
        query = self.target_client.query if self.asks_target else None
        return load_lookups(self.flow, self.folder, query)

    @property
    def asks_target(self) -> bool:
        """Whether a translation table comes from the target."""
        return any(lookup.query for lookup in self.flow.lookups.values())

    def open_mapper(self, lookups: Mapping[str, LookupTable], folders: Sequence[Path]) -> Mapper:
        """The compiled mapping, allowed to read and write these folders and nothing else."""
        schema = registry.stream_schema(self.flow.source)
        return Mapper(self.flow, schema, lookups, self.bindings, folders)


def _client(system: str, conn_id: str | None) -> Any:
    entry = registry.SYSTEMS.get(system)
    if entry is None:
        raise Misconfigured(f"system {system!r} is not known; known: {', '.join(registry.SYSTEMS)}")
    module, _, name = entry.hook.rpartition(".")
    options = {"tokens": state.token_store()} if system in ("brightpearl", "infor") else {}
    return getattr(import_module(module), name)(conn_id or entry.conn_id, **options).get_client()
