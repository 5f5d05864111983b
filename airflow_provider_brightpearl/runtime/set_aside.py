"""Holds back the records that a person has discarded, for as long as they are as they were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airflow_provider_brightpearl.core.patches import at, decode
from airflow_provider_brightpearl.runtime.wiring import Wiring

_REASON = "its letter was discarded, and it has not changed since; replay it by its id to have it written"


@dataclass(slots=True)
class SetAside:
    """The discarded records of a flow, as they are met in files of raw records; ``held`` counts those met.

    Args:
        wiring: the flow.
        but: discarded records that are not held back, as a person has them replayed.
    """

    wiring: Wiring
    but: Collection[str] = ()
    held: int = 0

    def __call__(self, raw: Path) -> dict[int, tuple[str, str]]:
        """Place and reason of refusal, by line; raises ``Unavailable`` where the state database does not answer."""
        desk, place = self.wiring.desk, (self.wiring.pair, self.wiring.flow.flow)
        # most flows have none, and their files are not read for this
        known = desk.discarded(*place).difference(self.but)
        if not known:
            return {}
        met: list[tuple[int, str, bytes]] = []
        with raw.open("rb") as lines:
            for number, line in enumerate(lines):
                record = line.removesuffix(b"\n")
                if (source_id := self._id(record)) in known:
                    met.append((number, source_id, record))
        same = desk.unchanged(*place, [(source_id, record) for _, source_id, record in met])
        refused = {number: ("", _REASON) for number, source_id, record in met if (source_id, record) in same}
        self.held += len(refused)
        return refused

    @property
    def told(self) -> str:
        return f"; {self.held:,} held back as discarded" if self.held else ""

    def _id(self, record: bytes) -> str:
        try:
            found = at(decode(record), self.wiring.schema.id_column)
        except msgspec.DecodeError:
            return ""
        return "" if found is None else str(found)
