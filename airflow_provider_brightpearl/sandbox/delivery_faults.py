"""Faults of deliveries: lost, duplicated, late and unanswered ones, by rules in the settings of a system."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .rule_uses import RuleUses

KINDS = ("lose", "duplicate", "late", "no_answer")
_KEYS = {"kind", "event", "skip", "times", "seconds"}


class DeliveryFaults:
    """The rules of one setting, such as `[{"kind": "late", "event": "order", "seconds": 3}]`.

    Args:
        settings: the settings of the system.
        name: the setting with the rules.
    """

    def __init__(self, settings: Mapping[str, object], name: str) -> None:
        self._settings, self._name = settings, name
        self._uses = RuleUses()

    def match(self, event: str, kinds: tuple[str, ...]) -> Mapping[str, Any] | None:
        """The first rule of some kinds for an event, counted as used; None if there is none.

        Raises:
            ValueError: a rule has an unknown kind or key.
        """
        rules = self._settings[self._name]
        for rule in rules if isinstance(rules, list) else ():
            _check(rule)
            if rule["kind"] not in kinds or not re.search(rule.get("event", ""), event):
                continue
            if self._uses.take(rule):
                return dict(rule)
        return None

    def clear(self) -> None:
        """Forget what was used."""
        self._uses.clear()


def _check(rule: Any) -> None:
    if not isinstance(rule, dict) or rule.get("kind") not in KINDS:
        raise ValueError(f"delivery fault {rule}: kind must be one of {', '.join(KINDS)}")
    if unknown := set(rule) - _KEYS:
        raise ValueError(f"delivery fault {rule}: unknown keys {sorted(unknown)}")
