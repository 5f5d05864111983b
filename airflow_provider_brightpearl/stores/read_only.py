"""Stores of a dry run: they read as others do, and keep nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from airflow_provider_brightpearl.core.conflicts import FieldConflict
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.stores.conflicts import SqlConflicts
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk


class ReadOnlyCrosswalk(SqlCrosswalk):
    """A crosswalk that binds nothing."""

    def bind(self, bindings: Sequence[Binding]) -> list[Binding]:
        return []

    def unbind(self, bindings: Sequence[Binding]) -> list[Binding]:
        return []


class ReadOnlyConflicts(SqlConflicts):
    """Conflicts that are not kept."""

    def record(self, conflicts: Sequence[FieldConflict]) -> None:
        return None

    def close(self, flow: str, agreed: Collection[tuple[str, str, str]], at: datetime) -> int:
        return 0
