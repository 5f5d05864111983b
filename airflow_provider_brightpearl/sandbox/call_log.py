"""The log of all requests to the simulated systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A request with the status of its response; 0 if the connection was dropped without one."""

    system: str
    method: str
    path: str
    query: str
    status: int
    at: str
    ms: float


class CallLog:
    """Requests in the order of their responses."""

    def __init__(self) -> None:
        self.calls: list[LoggedCall] = []
        self._unknown: Counter[tuple[str, str]] = Counter()

    def add(self, call: LoggedCall) -> None:
        """Add a request."""
        self.calls.append(call)

    def add_unknown(self, system: str, addresses: Iterable[str]) -> None:
        """Count requests, such as `GET /some/path`, for addresses that the system does not have."""
        self._unknown.update((system, address) for address in addresses)

    def unknown(self) -> list[dict[str, Any]]:
        """The addresses that were requested and do not exist, with the number of requests."""
        return [
            {"system": system, "address": address, "times": times}
            for (system, address), times in self._unknown.items()
        ]

    def forget_unknown(self) -> None:
        """Count requests for unknown addresses from zero."""
        self._unknown.clear()

    def counts(self, systems: list[str]) -> dict[str, int]:
        """The number of requests per system, including zeros."""
        found = Counter(call.system for call in self.calls)
        return {name: found[name] for name in systems}

    def entries(self, system: str | None = None) -> list[dict[str, Any]]:
        """The requests as dicts, oldest first, optionally of one system."""
        return [asdict(call) for call in self.calls if system in (None, call.system)]

    def peak(self, system: str, seconds: float) -> int:
        """The most requests of a system that arrived within any window of some seconds, refused ones included."""
        arrived = sorted(datetime.fromisoformat(call.at) for call in self.calls if call.system == system)
        window, first, most = timedelta(seconds=seconds), 0, 0
        for last, at in enumerate(arrived):
            while at - arrived[first] >= window:
                first += 1
            most = max(most, last - first + 1)
        return most

    def clear(self) -> None:
        """Delete all entries; unknown addresses stay, so that a test that resets the sandbox does not hide them."""
        self.calls.clear()
