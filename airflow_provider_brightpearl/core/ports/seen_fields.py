"""The ports that remember the fields of a target, and the columns of a source, as a flow last met them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_provider_brightpearl.core.drift import ObjectSchema
from airflow_provider_brightpearl.core.presence import Presence


@dataclass(frozen=True, slots=True)
class SeenObject:
    """The fields of one object, and when they were last found to be so (aware)."""

    fields: ObjectSchema
    at: datetime


class SeenFields(Protocol):
    """The fields of the objects that each flow writes; every method raises ``Unavailable`` where it does not answer."""

    def of(self, flow: str) -> dict[str, SeenObject]:
        """What was last kept, by object of the flow file."""
        ...

    def keep(self, flow: str, objects: Mapping[str, ObjectSchema]) -> None:
        """Replaces what was kept of a flow by these objects, as they are now."""
        ...

    def confirm(self, flow: str) -> None:
        """Records that the objects of a flow are still as they were kept."""
        ...


class SeenColumns(Protocol):
    """How many records had a value in each column that a flow reads; raises ``Unavailable`` likewise."""

    def of(self, flow: str) -> dict[str, Presence]:
        """What was last kept, by column such as ``orderStatus.name``."""
        ...

    def keep(self, flow: str, columns: Mapping[str, Presence]) -> None:
        """Replaces what was kept of a flow."""
        ...
