"""How often rules in settings were used: `skip` matches are let through first, `times` are affected, 0 for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RuleUses:
    """The uses of rules, which are told apart by identity: settings are replaced as a whole."""

    def __init__(self) -> None:
        self._matches: list[tuple[object, int]] = []

    def take(self, rule: Mapping[str, Any]) -> bool:
        """Count a match of a rule; False while it is skipped, and once it is used up."""
        count = next((known for one, known in self._matches if one is rule), 0) + 1
        self._matches = [(one, known) for one, known in self._matches if one is not rule] + [(rule, count)]
        skip, times = rule.get("skip", 0), rule.get("times", 1)
        return bool(count > skip and (not times or count <= skip + times))

    def clear(self) -> None:
        """Forget all uses."""
        self._matches.clear()
