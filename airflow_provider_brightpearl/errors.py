"""What can go wrong, grouped by what the caller should do.

::

    SyncError
    ├── RetryLater            wait, then do the same again
    │   ├── RateLimited       a system's rate limit is exceeded; says how long to wait
    │   ├── TimedOut          no answer in time; a write may or may not have happened
    │   ├── Unavailable       connection refused, 5xx, a page that is not what it should be
    │   ├── FlowBusy          another run of the flow is writing; says how long to wait
    │   └── LeaseLost         another run of the flow has taken over, as this one was silent for too long
    ├── RecordRefused         this record will not pass; the others can (becomes a dead letter)
    └── Stop                  nobody but a person can help; do not retry
        ├── CredentialsRefused   expired or wrong token, missing scope
        ├── Misconfigured        connection, flow file or setting is wrong
        ├── SchemaMismatch       a system no longer has the field, object or shape a flow needs
        ├── GateClosed           too many rows failed validation; nothing was loaded
        ├── TooManyRefused       the target refused more records than the flow allows; the others were written
        ├── RunChanged           what an earlier stage of the run left is missing, or is another now
        ├── OutOfBalance         counts or money of a run do not add up
        └── DriftTooLarge        both systems differ in more records than are repaired without being asked

Every error carries its evidence: which system, which operation, status and request id; ``str(error)`` holds all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


class SyncError(Exception):
    """An error of a sync run with the evidence needed to act on it."""

    def __init__(
        self,
        message: str,
        *,
        system: str = "",
        operation: str = "",
        status: int | None = None,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.system = system
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        evidence = {
            "system": self.system,
            "operation": self.operation,
            "status": self.status,
            "code": self.code,
            "request id": self.request_id,
        }
        known = ", ".join(f"{name} {value}" for name, value in evidence.items() if value not in ("", None))
        return f"{self.message} ({known})" if known else self.message


@dataclass(frozen=True, slots=True)
class Outage:
    """A system that does not answer, and that nobody calls until one process looks whether it is back.

    ``address`` says where its connection leads; ``since`` and ``next_look`` are aware instants.
    """

    system: str
    connection: str
    address: str
    since: datetime
    next_look: datetime

    def __str__(self) -> str:
        since, look = (f"{each:%Y-%m-%d %H:%M:%S} UTC" for each in (self.since, self.next_look))
        return (
            f"{self.system.capitalize()} is down since {since} (connection {self.connection}); "
            f"next look at {look}"
        )


class RetryLater(SyncError):
    """Wait and do the same again; ``outage`` says where it is that the whole system does not answer."""

    outage: Outage | None = None

    @property
    def partial(self) -> bool:
        """Whether one call to a system was given up, while nothing says that the whole system is down."""
        return False


class RateLimited(RetryLater):
    """The rate limit is exceeded; ``wait_seconds`` until it opens again, None if the system did not say."""

    def __init__(self, message: str, *, wait_seconds: float | None = None, **evidence: object) -> None:
        super().__init__(message, **evidence)  # type: ignore[arg-type]
        self.wait_seconds = wait_seconds


class TimedOut(RetryLater):
    """No answer in time; whether a write happened is unknown."""

    @property
    def partial(self) -> bool:
        return self.outage is None and bool(self.operation)


class Unavailable(RetryLater):
    """The system is not available: connection refused, 5xx, or a body that is cut or not JSON."""

    @property
    def partial(self) -> bool:
        # without a call, it is the state database or a person's matter
        return self.outage is None and bool(self.operation)


class FlowBusy(RetryLater):
    """Another run of the flow is writing; ``wait_seconds`` until it has ended, or else has to show that it goes on."""

    def __init__(self, message: str, *, wait_seconds: float, **evidence: Any) -> None:
        super().__init__(message, **evidence)
        self.wait_seconds = wait_seconds


class LeaseLost(RetryLater):
    """Another run of the flow has taken over, as this one was silent for longer than its lease; it writes no more."""


class RecordRefused(SyncError):
    """The target refused this record and will refuse it again; the others may pass."""


class Stop(SyncError):
    """Only a person can help; a retry would fail the same way."""


class CredentialsRefused(Stop):
    """The token is wrong, expired beyond refresh, or lacks a scope."""


class Misconfigured(Stop):
    """A connection, flow file or setting is wrong; the message says which field and what to do."""


class SchemaMismatch(Stop):
    """A system no longer has the field, object or answer shape that the flow needs."""


class GateClosed(Stop):
    """More rows failed validation than the flow allows; nothing was loaded.

    ``causes`` are the commonest reasons, as ``core.records.Cause``.
    """

    def __init__(self, message: str, *, causes: Sequence[Any] = (), **evidence: Any) -> None:
        super().__init__(message, **evidence)
        self.causes = tuple(causes)


class TooManyRefused(Stop):
    """The target refused more records than the flow allows; the others were written."""


class RunChanged(Stop):
    """What an earlier stage of this run left is missing or changed; the message says which tasks to clear."""


class OutOfBalance(Stop):
    """Counts or money totals of a run do not add up."""


class DriftTooLarge(Stop):
    """Two systems differ in more records than a flow repairs by itself; nothing was changed."""
