"""The record of every call a simulated system received."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call and its answer; status 0 when the connection was dropped without one."""

    system: str
    method: str
    path: str
    query: str
    status: int
    at: str
    ms: float


class Log:
    """Calls in the order they were answered."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def add(self, call: Call) -> None:
        """Keep one more call."""
        self.calls.append(call)

    def counts(self, systems: list[str]) -> dict[str, int]:
        """Calls per system, zero included."""
        found = Counter(call.system for call in self.calls)
        return {name: found[name] for name in systems}

    def entries(self, system: str | None = None) -> list[dict[str, Any]]:
        """The calls as plain mappings, newest last."""
        return [asdict(call) for call in self.calls if system in (None, call.system)]

    def clear(self) -> None:
        """Forget all calls."""
        self.calls.clear()
