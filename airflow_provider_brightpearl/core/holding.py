"""Whether the run that works here still holds its flow's lease: asked before every call, so that it costs no query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("lease", default=None)


def check_held() -> None:
    """Raises ``LeaseLost`` where another run has taken over from the one that works here; outside of a run nothing."""
    if (check := _check.get()) is not None:
        check()


@contextmanager
def holding(check: Callable[[], None]) -> Iterator[None]:
    """Makes this the check of the run that works here."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)
