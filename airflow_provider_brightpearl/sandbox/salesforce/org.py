"""The state of the simulated org, and what all its endpoints share."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..clock import Clock
from .fields import Field, SObject
from .moments import stamp
from .schema import Schema
from .settings import SCHEMA_SWITCHES, default_settings, number
from .store import Row, Store
from .tables import crm, fulfilment, orders, products, setup

OBJECTS = (*crm.OBJECTS, *products.OBJECTS, *orders.OBJECTS, *fulfilment.OBJECTS, *setup.OBJECTS)


Rule = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Dml:
    """One call that writes: whose it is, when, and what was made in it so far."""

    user: str
    stamp: str  # CreatedDate, LastModifiedDate
    system_stamp: str  # SystemModstamp, older than `stamp` when the commit is late
    is_csv: bool = False
    allow_duplicates: bool = False
    include_details: bool = False
    fresh: set[str] = field(default_factory=set)

    def next_call(self) -> Dml:
        """The same writer in a statement of its own."""
        return replace(self, fresh=set())


class Org:
    """Objects, records, switches and the people who may log in."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.settings: dict[str, object] = default_settings()
        self.lock = threading.RLock()
        self.objects: dict[str, SObject] = {}
        self.store = Store({})
        self.random = random.Random(0)
        self.auto_numbers: dict[str, list[str]] = {}
        self._fault_uses: list[tuple[object, int]] = []
        self._schema: tuple[object, Schema] | None = None
        self.clear(0)

    def clear(self, seed: int) -> None:
        """An empty org with the objects it was born with."""
        self.organization = self.user = self.standard_book = ""
        self.objects = {sobject.name: sobject for sobject in OBJECTS}
        self.store = Store(self.objects)
        self.random = random.Random(seed)
        self.settings["daily_api_used"] = 0
        self._fault_uses, self._schema = [], None
        self.auto_numbers = {
            name: [field.name for field in sobject.fields if field.auto_number]
            for name, sobject in self.objects.items()
        }

    @property
    def schema(self) -> Schema:
        """The objects and fields under the present switches."""
        wanted = [self.settings[name] for name in SCHEMA_SWITCHES]
        if self._schema is None or self._schema[0] != wanted:
            copies = [list(value) if isinstance(value, list) else value for value in wanted]
            self._schema = (copies, Schema(self.objects.values(), self.settings))
        return self._schema[1]

    def add_field(self, object_name: str, new: Field) -> None:
        """Deploy one more field."""
        self.objects[object_name] = replace(
            self.objects[object_name], fields=(*self.objects[object_name].fields, new)
        )
        self.store[object_name].index(new)
        self._schema = None

    def add_object(self, sobject: SObject) -> None:
        """Deploy one more object."""
        self.objects[sobject.name] = sobject
        self.store.add(sobject)
        self._schema = None

    def now(self) -> str:
        """The present second as stored text."""
        return stamp(self.clock.now())

    def dml(self, user: str, headers: Mapping[str, str] | None = None, *, is_csv: bool = False) -> Dml:
        """The start of a call that writes."""
        moment = self.clock.now()
        late = moment - timedelta(seconds=number(self.settings, "stamp_lag_seconds"))
        rule = (headers or {}).get("sforce-duplicate-rule-header", "").replace(" ", "").lower()
        return Dml(
            user=user,
            stamp=stamp(moment),
            system_stamp=stamp(late),
            is_csv=is_csv,
            allow_duplicates="allowsave=true" in rule,
            include_details="includerecorddetails=true" in rule,
        )

    def trouble(self, object_name: str, operation: str, raw: Mapping[str, object]) -> Rule | None:
        """The row fault that the switches want for this row, counted as used."""
        faults = self.settings["row_faults"]
        for rule in faults if isinstance(faults, list) else []:
            if not _hits(rule, object_name, operation, raw):
                continue
            uses = next((n for known, n in self._fault_uses if known is rule), 0)
            if rule.get("times") and uses >= rule["times"]:
                continue
            if self.random.random() >= rule.get("rate", 1.0):
                continue
            self._fault_uses = [(k, n) for k, n in self._fault_uses if k is not rule] + [(rule, uses + 1)]
            return dict(rule)
        return None

    def user_row(self, username: str) -> Row | None:
        """The active user of that name."""
        found = self.store["User"].find("Username", username)
        row = self.store.row("User", found[0]) if found else None
        return row if row and row.get("IsActive", True) else None


def _hits(rule: Mapping[str, object], object_name: str, operation: str, raw: Mapping[str, object]) -> bool:
    wanted = rule.get("where") or {}
    matches = isinstance(wanted, dict) and all(str(raw.get(k)) == str(v) for k, v in wanted.items())
    return (
        rule.get("object", object_name) == object_name
        and rule.get("operation", operation) == operation
        and matches
    )
