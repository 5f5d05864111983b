"""Faults planted through the control API: wrong answers, delays, dropped and cut connections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Fault:
    """One rule: which calls it takes, how often, and what it does to them."""

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
    hits: int = 0

    def takes(self, system: str, method: str, target: str) -> bool:
        """True when a call is one this rule is about, whether or not its turn has come."""
        return (
            system == self.system
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, target) is not None)
        )

    def spent(self) -> bool:
        """True when the rule has done what it was to do."""
        return self.times > 0 and self.hits >= self.times


class Faults:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, rule: dict[str, Any]) -> Fault:
        """Read one rule; ValueError when it is not understood."""
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
        re.compile(fault.path or "")
        self.rules.append(fault)
        return fault

    def next(self, system: str, method: str, target: str) -> Fault | None:
        """The rule that applies to this call, counted as used; None when the call goes through."""
        for rule in self.rules:
            if rule.spent() or not rule.takes(system, method, target):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.hits += 1
            return rule
        return None

    def clear(self) -> None:
        """Forget every rule."""
        self.rules.clear()
