"""The state of the simulated org."""

from __future__ import annotations

import pickle
import random
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..clock import Clock
from ..settings import int_setting
from .change_log import ChangeLog
from .datetimes import stamp
from .fields import Field, SObject
from .objects import crm, fulfilment, opportunities, orders, products, setup
from .schema import Schema
from .settings import SCHEMA_SWITCHES, default_settings
from .store import Row, Store

OBJECTS = (
    *crm.OBJECTS,
    *products.OBJECTS,
    *orders.OBJECTS,
    *opportunities.OBJECTS,
    *fulfilment.OBJECTS,
    *setup.OBJECTS,
)


RowFault = Mapping[str, object]
Metadata = tuple[dict[str, SObject], set[str], dict[str, frozenset[str]]]


def _without_customization(sobject: SObject) -> SObject:
    """An object without custom fields; a custom object has no fields at all."""
    custom = sobject.name.endswith("__c")
    fields = () if custom else tuple(field for field in sobject.fields if not field.custom)
    return replace(sobject, fields=fields)


@dataclass(frozen=True, slots=True)
class DmlContext:
    """The context of a write request: user, time, options, and the records created so far."""

    user: str
    stamp: str  # CreatedDate, LastModifiedDate
    system_stamp: str  # SystemModstamp, older than `stamp` if `stamp_lag_seconds` is set
    is_csv: bool = False
    allow_duplicates: bool = False
    include_details: bool = False
    created_ids: set[str] = field(default_factory=set)

    def next_call(self) -> DmlContext:
        """The same context for a separate statement."""
        return replace(self, created_ids=set())


class Org:
    """Objects, records, settings and users."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.settings: dict[str, object] = default_settings()
        self.lock = threading.RLock()
        self.objects: dict[str, SObject] = {}
        self.deployed: set[str] = set()  # by deployments; hidden until a permission set grants access
        self.permission_sets: dict[str, frozenset[str]] = {}
        self.store = Store({})
        self.random = random.Random(0)
        self.auto_numbers: dict[str, list[str]] = {}
        self.change_log = ChangeLog(self)
        self._fault_uses: list[tuple[object, int]] = []
        self._schema: tuple[object, Schema] | None = None
        # when the objects or what the user may see of them last changed
        self.schema_changed = clock.now()
        self.clear(0)

    def clear(self, seed: int) -> None:
        """Delete all records, and restore the initial objects."""
        self.organization = self.user = self.standard_pricebook = ""
        initial = map(_without_customization, OBJECTS) if self.settings["bare"] else OBJECTS
        self.objects = {sobject.name: sobject for sobject in initial if sobject.fields}
        self.deployed, self.permission_sets = set(), {}
        self.store = Store(self.objects)
        self.change_log.clear()
        self.random = random.Random(seed)
        self.settings["daily_api_used"] = 0
        self._fault_uses, self._schema = [], None
        self.auto_numbers = {
            name: [field.name for field in sobject.fields if field.auto_number]
            for name, sobject in self.objects.items()
        }

    def kept(self) -> bytes:
        """Users, records and objects, for `go_back`."""
        own = (self.organization, self.user, self.standard_pricebook)
        tables = {name: table.kept() for name, table in self.store.tables.items()}
        return pickle.dumps((own, self.metadata(), self.random.getstate(), tables))

    def go_back(self, kept: bytes) -> None:
        """Replace users, records and objects."""
        own, metadata, random_state, tables = pickle.loads(kept)  # noqa: S301
        self.organization, self.user, self.standard_pricebook = own
        self.objects, self.deployed, self.permission_sets = metadata
        self.random.setstate(random_state)
        self.store = Store(self.objects)
        for name, table in tables.items():
            self.store[name].go_back(table)
        self.store.log.on_change = self.change_log.record
        self.change_log.clear()
        self._fault_uses, self._schema = [], None

    @property
    def schema(self) -> Schema:
        """The visible objects and fields under the current settings."""
        assigned = self.store["PermissionSetAssignment"]
        wanted = [
            *(self.settings[name] for name in SCHEMA_SWITCHES),
            assigned.last_number,
            len(assigned.rows),
        ]
        if self._schema is None or self._schema[0] != wanted:
            copies = deepcopy(wanted)
            self._schema = (copies, Schema(self.objects.values(), self.settings, self._hidden()))
            self.schema_changed = self.clock.now()
        return self._schema[1]

    def add_field(self, object_name: str, new: Field) -> None:
        """Add a field."""
        self.objects[object_name] = replace(
            self.objects[object_name], fields=(*self.objects[object_name].fields, new)
        )
        self.store[object_name].index(new)
        self._schema = None

    def add_object(self, sobject: SObject) -> None:
        """Add an object."""
        self.objects[sobject.name] = sobject
        self.store.add(sobject)
        self._schema = None

    def replace_field(self, object_name: str, changed: Field) -> None:
        """Replace a field."""
        sobject = self.objects[object_name]
        fields = tuple(changed if each.name == changed.name else each for each in sobject.fields)
        self.objects[object_name] = replace(sobject, fields=fields)
        self._schema = None

    def set_permissions(self, name: str, label: str, granted: set[str]) -> tuple[bool, bool]:
        """Deploy a permission set; returns whether it is new, and whether it changed."""
        before = self.permission_sets.get(name)
        self.permission_sets[name] = frozenset(granted)
        self._schema = None
        if before is None:
            table = self.store["PermissionSet"]
            table.insert({"Id": table.next_id(), "Name": name, "Label": label, "IsCustom": True})
        return before is None, before != self.permission_sets[name]

    def metadata(self) -> Metadata:
        """A snapshot of objects, deployed names and permission sets, for `restore_metadata`."""
        return dict(self.objects), set(self.deployed), dict(self.permission_sets)

    def restore_metadata(self, before: Metadata) -> None:
        """Undo a deployment."""
        sets = self.store["PermissionSet"]
        for row in [row for row in sets.rows.values() if row["Name"] in self.permission_sets]:
            if row["Name"] not in before[2]:
                sets.purge(row)
        self.objects, self.deployed, self.permission_sets = before
        self._schema = None

    def _hidden(self) -> set[str]:
        """Deployed names that no permission set of the user grants; required fields are always visible."""
        sets, granted = self.store["PermissionSet"], set[str]()
        for row in self.store["PermissionSetAssignment"].rows.values():
            if row["AssigneeId"] == self.user and row["PermissionSetId"] in sets.rows:
                granted |= self.permission_sets.get(sets.rows[row["PermissionSetId"]]["Name"], frozenset())
        needed = {
            f"{name}.{field.name}"
            for name, each in self.objects.items()
            for field in each.fields
            if field.required
        }
        return self.deployed - granted - needed

    def now(self) -> str:
        """The current time as stored text, to the second."""
        return stamp(self.clock.now())

    def dml(self, user: str, headers: Mapping[str, str] | None = None, *, is_csv: bool = False) -> DmlContext:
        """A context for a write request."""
        moment = self.clock.now()
        late = moment - timedelta(seconds=int_setting(self.settings, "stamp_lag_seconds"))
        rule = (headers or {}).get("sforce-duplicate-rule-header", "").replace(" ", "").lower()
        return DmlContext(
            user=user,
            stamp=stamp(moment),
            system_stamp=stamp(late),
            is_csv=is_csv,
            allow_duplicates="allowsave=true" in rule,
            include_details="includerecorddetails=true" in rule,
        )

    def row_fault(self, object_name: str, operation: str, raw: Mapping[str, object]) -> RowFault | None:
        """The row fault that applies to a row, counted as used; None if there is none."""
        faults = self.settings["row_faults"]
        for rule in faults if isinstance(faults, list) else []:
            if not _matches(rule, object_name, operation, raw):
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
        """The active user with a username; None if there is none."""
        found = self.store["User"].find("Username", username)
        row = self.store.row("User", found[0]) if found else None
        return row if row and row.get("IsActive", True) else None


def _matches(rule: Mapping[str, object], object_name: str, operation: str, raw: Mapping[str, object]) -> bool:
    wanted = rule.get("where") or {}
    matches = isinstance(wanted, dict) and all(str(raw.get(k)) == str(v) for k, v in wanted.items())
    return (
        rule.get("object", object_name) == object_name
        and rule.get("operation", operation) == operation
        and matches
    )
