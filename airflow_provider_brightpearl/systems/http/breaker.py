"""The circuit breaker of a connection, as clients see it; knows no vendor."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_brightpearl.errors import RetryLater


class Breaker(Protocol):
    """Whether a system answers at all; an implementation may share it between processes."""

    def enter(self) -> None:
        """Raises ``Unavailable`` while the system is down; one caller of all looks whether it is back."""
        ...

    def gave_up(self, error: RetryLater) -> None:
        """Takes note of a call that is not tried again; ``error.outage`` is set where the whole system is down."""
        ...


class NoBreaker:
    """Lets every call through, for use without a state database."""

    def enter(self) -> None:
        return None

    def gave_up(self, error: RetryLater) -> None:
        return None


NO_BREAKER = NoBreaker()
