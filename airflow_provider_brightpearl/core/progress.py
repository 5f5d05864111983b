"""The progress of a stage: what it does, how much is done, what it waits for, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Count = Callable[[], int | None]
_MINUTE, _HOUR = 60, 3600


@dataclass(slots=True)
class Progress:
    """What one stage reports while it works; another thread may read ``line``.

    Args:
        clock: monotonic seconds.
    """

    clock: Callable[[], float]
    result: str = ""
    _doing: str = ""
    _unit: str = ""
    _total: Count | None = None
    _calls: Count | None = None
    _done: int = 0
    _since: float = 0.0
    _waits: tuple[str, float] | None = None

    def begin(
        self, doing: str, unit: str = "", total: int | Count | None = None, calls: Count | None = None
    ) -> None:
        """Begins a step.

        Args:
            doing: a verb in the past where a ``unit`` is counted (``read``), else the whole step (``mapping part 3``).
            unit: what is counted, in the plural.
            total: how many there are, or what will know it once it is announced.
            calls: API calls of this step so far.
        """
        self._total = (lambda: total) if isinstance(total, int) else total
        self._doing, self._unit, self._calls = doing, unit, calls
        self._done, self._since = 0, self.clock()

    def advance(self, count: int = 1) -> None:
        """Counts what is done."""
        self._done += count

    @contextmanager
    def waiting(self, reason: str, seconds: float) -> Iterator[None]:
        """Shows in each line what the stage waits for, and how much longer."""
        outer, self._waits = self._waits, (reason, self.clock() + seconds)
        try:
            yield
        finally:
            self._waits = outer

    def line(self) -> str:
        """``read 4,500 of 12,000 orders, 47 calls, about 2 minutes left``, and what is waited for."""
        seconds = self.clock() - self._since
        parts = [self._counted() if self._unit else f"{self._doing or 'working'} for {duration(seconds)}"]
        if self._calls and (calls := self._calls()):
            parts.append(counted(calls, "call"))
        total = self._total() if self._total else None
        if total and 0 < self._done < total:
            parts.append(f"about {_rounded(seconds * (total - self._done) / self._done)} left")
        text = ", ".join(parts)
        if waits := self._waits:
            reason, until = waits
            text += f"; waiting {duration(max(0.0, until - self.clock()))} more: {reason}"
        return text

    def _counted(self) -> str:
        total = self._total() if self._total else None
        of = f" of {total:,}" if total and total >= self._done else ""
        return f"{self._doing} {self._done:,}{of} {self._unit}"


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """The progress of the stage running here; outside a stage one that nobody reads."""
    return _current.get() or Progress(lambda: 0.0)


@contextmanager
def reporting(progress: Progress) -> Iterator[Progress]:
    """Makes this progress the current one."""
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)


def counted(count: int, noun: str) -> str:
    """A number with its noun: ``1 call``, ``2 calls``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _rounded(seconds: float) -> str:
    """An estimate no finer than it is: ``20 seconds``, ``2 minutes``, ``3 hours``."""
    if seconds < 0.75 * _MINUTE:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    if seconds < 0.75 * _HOUR:
        return counted(max(1, round(seconds / _MINUTE)), "minute")
    return counted(max(1, round(seconds / _HOUR)), "hour")
