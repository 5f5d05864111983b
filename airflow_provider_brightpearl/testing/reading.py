"""Faults of reading: records that move, vanish or appear late while they are read, and clocks that are ahead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.testing.fault import Injection
from airflow_provider_brightpearl.testing.records import ORDERS, STREAMS, Change, Records
from airflow_provider_brightpearl.testing.trading import trades

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

# the search whose rows are read, not the one that only counts them
_SEARCH = r"order-search(?!.*pageSize=1(&|$))"
# rows per page, so that what a few orders fill is more than a page
_PAGE = 3
_TIMES = ("createdOn", "updatedOn", "LastModifiedDate", "SystemModstamp")


def _paged(trial: Trial, rows: int) -> None:
    trial.place.sandbox.control("POST", "/settings/brightpearl", {"page_max": rows})


def _newest(trial: Trial) -> list[dict[str, Any]]:
    """Orders that were changed last, as the sandbox trades, oldest id first."""
    rows = trial.place.sandbox.snapshot("brightpearl", "order")
    recent = max(map(_changed, rows)) - timedelta(minutes=5)
    return [row for row in rows if _changed(row) >= recent]


def _changed(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row.get("updatedOn") or row["createdOn"])


@dataclass
class SameInstant(Records):
    """All records changed at one instant, and more of them than a page of the search takes."""

    def changes(self, rows: list[dict[str, Any]], stream: str) -> Iterable[Change]:
        instant = max(row["updatedOn"] for row in rows if row.get("updatedOn"))
        return [(place, {"updatedOn": instant}) for place in range(len(rows))]

    def begin(self, trial: Trial) -> None:
        super().begin(trial)
        _paged(trial, _PAGE)

    def end(self, trial: Trial) -> None:
        trial.place.sandbox.control("DELETE", "/settings/brightpearl")
        super().end(trial)


class Moving(Injection):
    """Records of the first page are changed while the next one is read, so that the rows behind them move up."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == ORDERS

    def begin(self, trial: Trial) -> None:
        _paged(trial, _PAGE)
        moved = [{"collection": "order", "id": row["id"], "patch": {}} for row in _newest(trial)[:2]]
        rule = {"system": "brightpearl", "path": _SEARCH, "changes": moved}
        trial.place.sandbox.control("POST", "/faults", rule)

    def end(self, trial: Trial) -> None:
        trial.place.sandbox.control("DELETE", "/faults")
        trial.place.sandbox.control("DELETE", "/settings/brightpearl")


class Vanishing(Injection):
    """A record that is deleted between the search that finds it and the call that reads it, and restored later."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == ORDERS

    def begin(self, trial: Trial) -> None:
        self._record = _newest(trial)[-1]
        gone = {"collection": "order", "id": self._record["id"]}
        rule = {"system": "brightpearl", "path": _SEARCH, "changes": [gone]}
        trial.place.sandbox.control("POST", "/faults", rule)

    def end(self, trial: Trial) -> None:
        trial.place.sandbox.control("DELETE", "/faults")
        trial.place.sandbox.control("POST", "/brightpearl/order", self._record)
        trial.place.sandbox.control("PATCH", f"/brightpearl/order/{self._record['id']}", {})

    _record: dict[str, Any]


@dataclass
class CommittedLate(Injection):
    """Records that are committed after a run, with a time from before it, as of a transaction that took its time.

    Args:
        late: how long before the run.
    """

    late: timedelta
    early = True
    _then: datetime = field(init=False)
    _before: dict[str, dict[str, Any]] = field(init=False)

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream in STREAMS and trades(stream) is not None

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        self._then = trial.place.sandbox.now() - self.late
        self._before = self._records(trial)
        return trial.place.run(trial.flow, run)

    def end(self, trial: Trial) -> None:
        collection, _ = STREAMS[trial.world.stream]
        for key, row in self._records(trial).items():
            if row != self._before.get(key):
                times = dict.fromkeys(row.keys() & _TIMES, self._stamp(trial.world.source))
                path = f"/{trial.world.source}/{collection}/{key}?quiet=1"
                trial.place.sandbox.control("PATCH", path, times)

    def _records(self, trial: Trial) -> dict[str, dict[str, Any]]:
        collection, name = STREAMS[trial.world.stream]
        rows = trial.place.sandbox.snapshot(trial.world.source, collection)
        return {str(row[name]): row for row in rows}

    def _stamp(self, source: str) -> str:
        text = self._then.isoformat(timespec="milliseconds")
        return text if source == "brightpearl" else text.replace("+00:00", "+0000")


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
