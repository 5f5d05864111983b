"""Faults of data: values that no mapping takes, and records that are correct and hard to carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.testing.fault import Injection

if TYPE_CHECKING:
    from airflow_provider_brightpearl.testing.trial import Trial

Change = tuple[int, dict[str, Any]]
Patch = Mapping[str, Any]

ORDERS = "brightpearl.sales_orders"
PLACED_ORDERS = "salesforce.orders"
# collection and id of the records of a stream that shows when a record was changed; those of others are only read
# again when a person asks
STREAMS = {ORDERS: ("order", "id"), PLACED_ORDERS: ("Order", "Id")}


class Records(Injection):
    """Source records that are otherwise while the fault lasts, and what they were after it."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == ORDERS

    def changes(self, rows: list[dict[str, Any]], stream: str) -> Iterable[Change]:
        """Places of records, oldest id first, and what is changed of each, as a JSON merge patch."""
        raise NotImplementedError

    def begin(self, trial: Trial) -> None:
        collection, name = STREAMS[trial.world.stream]
        rows = trial.place.sandbox.snapshot(trial.world.source, collection)
        self._held = []
        for place, change in self.changes(rows, trial.world.stream):
            before = {key: rows[place].get(key) for key in change}
            path = f"/{trial.world.source}/{collection}/{rows[place][name]}"
            trial.place.sandbox.control("PATCH", f"{path}?quiet=1", change)
            self._held.append((path, before))

    def end(self, trial: Trial) -> None:
        for path, before in self._held:
            trial.place.sandbox.control("PATCH", path, before)

    _held: list[tuple[str, dict[str, Any]]]


@dataclass
class Unmapped(Records):
    """A part of the source's records, from 0 to 1 and at least one of them, holds a value that no mapping takes.

    Args:
        part: of the records, the newest ones.
        patches: what a record of each stream becomes.
    """

    part: float
    patches: Mapping[str, Patch]

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream in self.patches

    def changes(self, rows: list[dict[str, Any]], stream: str) -> Iterable[Change]:
        count = max(1, ceil(self.part * len(rows)))
        return [(len(rows) - 1 - number, dict(self.patches[stream])) for number in range(count)]


@dataclass
class Texts(Records):
    """A text in the newest records that is hard to carry."""

    field_name: str
    texts: tuple[str, ...]

    def changes(self, rows: list[dict[str, Any]], stream: str) -> Iterable[Change]:
        return [(len(rows) - 1 - number, {self.field_name: text}) for number, text in enumerate(self.texts)]


@dataclass
class Copies(Injection):
    """Orders more than there were, which are correct and stay.

    Args:
        patches: what each is instead of what it is copied from: the oldest order of that currency, or else any.
        first_row: id of the first row of the first copy.
    """

    patches: Sequence[Patch]
    first_row: int = 800_000
    lasts = True

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == ORDERS

    def begin(self, trial: Trial) -> None:
        sandbox = trial.place.sandbox
        rows, number = sandbox.snapshot("brightpearl", "order"), self.first_row
        for place, patch in enumerate(self.patches):
            currency = patch.get("currency", rows[0]["currency"])["orderCurrencyCode"]
            copy = deepcopy(next(row for row in rows if row["currency"]["orderCurrencyCode"] == currency))
            content = {name: value for name, value in copy.items() if name not in ("createdOn", "updatedOn")}
            content |= {"id": 910_000 + place, **patch, "currency": copy["currency"]}
            content["orderRows"] = {}
            for row in copy["orderRows"].values():
                content["orderRows"][str(number)] = row
                number += 1
            sandbox.control("POST", "/brightpearl/order", content)
        # past the delay of the window
        sandbox.advance(300)


def placed_on(*times: str) -> list[Patch]:
    """Patches of orders that were placed then."""
    return [{"placedOn": time} for time in times]
