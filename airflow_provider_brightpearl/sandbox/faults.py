"""Injected faults: wrong responses, delays, slow, dropped and truncated connections, changes between two requests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

_CHANGE = {"collection", "id", "patch"}


@dataclass(slots=True)
class Fault:
    """A rule: which requests it matches, how often it applies, and what it does."""

    system: str
    method: str | None = None
    path: str | None = None
    skip: int = 0
    times: int = 1
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drop: str | None = None
    truncate: int | None = None
    drip_seconds: float = 0.0
    changes: list[dict[str, Any]] = field(default_factory=list)
    hits: int = 0

    def matches(self, system: str, method: str, target: str) -> bool:
        """True if the rule matches a request, regardless of `skip` and `times`."""
        return (
            system == self.system
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, target) is not None)
        )

    def is_used_up(self) -> bool:
        """True if the rule has been applied `times` times."""
        return self.times > 0 and self.hits >= self.times


class Faults:
    """The active rules, oldest first."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, rule: dict[str, Any]) -> Fault:
        """Add a rule from its JSON form. Raises: ValueError, or TypeError for a wrong type."""
        unknown = set(rule) - ({f.name for f in fields(Fault)} - {"hits"})
        if unknown or "system" not in rule:
            raise ValueError(
                f"unknown keys in fault rule: {sorted(unknown)}"
                if unknown
                else "a fault rule needs the key system"
            )
        fault = Fault(**rule)
        if fault.drop not in (None, "before", "after"):
            raise ValueError("drop must be 'before' or 'after'")
        if wrong := [each for each in fault.changes if not {"collection", "id"} <= each.keys() <= _CHANGE]:
            raise ValueError(f"changes are of collection, id and patch: {wrong[0]}")
        re.compile(fault.path or "")
        self.rules.append(fault)
        return fault

    def match(self, system: str, method: str, target: str) -> Fault | None:
        """The rule to apply to a request, counted as used; None if there is none."""
        for rule in self.rules:
            if rule.is_used_up() or not rule.matches(system, method, target):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.hits += 1
            return rule
        return None

    def clear(self) -> None:
        """Delete all rules."""
        self.rules.clear()
