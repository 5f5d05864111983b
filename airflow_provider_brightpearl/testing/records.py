"""Faults of data and of clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.testing.fault import Injection
from airflow_provider_brightpearl.testing.trading import trades

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

# collection and id of the records of a stream, and a change that no mapping can take; of streams that show when a
# record was changed, as others are only read again when a person asks
_STREAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "brightpearl.sales_orders": ("order", "id", {"placedOn": "the day before yesterday"}),
}


class Records(Injection):
    """Source records that are otherwise while the fault lasts, and what they were after it."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream in _STREAMS

    def changes(
        self, rows: list[dict[str, Any]], bad: Mapping[str, Any]
    ) -> Iterable[tuple[int, dict[str, Any]]]:
        """Places of records, oldest id first, and what is changed of each, as a JSON merge patch."""
        raise NotImplementedError

    def begin(self, trial: Trial) -> None:
        collection, name, bad = _STREAMS[trial.world.stream]
        rows = trial.place.sandbox.snapshot(trial.world.source, collection)
        self._held = []
        for place, change in self.changes(rows, bad):
            before = {key: rows[place].get(key) for key in change}
            path = f"/{trial.world.source}/{collection}/{rows[place][name]}"
            trial.place.sandbox.control("PATCH", f"{path}?quiet=1", change)
            self._held.append((path, before))

    def end(self, trial: Trial) -> None:
        for path, before in self._held:
            trial.place.sandbox.control("PATCH", path, before)

    _held: list[tuple[str, dict[str, Any]]]


@dataclass
class Malformed(Records):
    """A part of the source's records, from 0 to 1 and at least one of them, holds a date that is none."""

    part: float

    def changes(
        self, rows: list[dict[str, Any]], bad: Mapping[str, Any]
    ) -> Iterable[tuple[int, dict[str, Any]]]:
        count = max(1, ceil(self.part * len(rows)))
        return [(len(rows) - 1 - number, dict(bad)) for number in range(count)]


@dataclass
class Texts(Records):
    """A text in the newest records that is hard to carry."""

    field_name: str
    texts: tuple[str, ...]

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == "brightpearl.sales_orders"

    def changes(
        self, rows: list[dict[str, Any]], bad: Mapping[str, Any]
    ) -> Iterable[tuple[int, dict[str, Any]]]:
        return [(len(rows) - 1 - number, {self.field_name: text}) for number, text in enumerate(self.texts)]


@dataclass
class SameInstant(Records):
    """All records changed at one instant."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == "brightpearl.sales_orders"

    def changes(
        self, rows: list[dict[str, Any]], bad: Mapping[str, Any]
    ) -> Iterable[tuple[int, dict[str, Any]]]:
        instant = max(row["updatedOn"] for row in rows if row.get("updatedOn"))
        return [(place, {"updatedOn": instant}) for place in range(len(rows))]


@dataclass
class ClockAhead(Injection):
    """A worker whose clock is ahead of the vendors', and work that is committed after its run, before its time."""

    ahead: timedelta
    early = True

    def applies(self, source: str, target: str, stream: str) -> bool:
        return trades(stream) is not None

    def begin(self, trial: Trial) -> None:
        trial.place.ahead = self.ahead

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        return trial.place.run(trial.flow, run)

    def end(self, trial: Trial) -> None:
        trial.place.ahead = timedelta()
