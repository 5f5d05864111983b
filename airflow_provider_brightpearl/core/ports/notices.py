"""The port that remembers of what people were told, so that what lasts is not announced by each run."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

REMINDER = timedelta(days=1)
"""What lasts is announced again after so long."""


class Notices(Protocol):
    """What was announced of each flow; every method raises ``Unavailable`` where it does not answer."""

    def is_news(self, flow: str, topic: str, run: str) -> bool:
        """Whether a run is to announce a topic, which is remembered: a first time, and once more after ``REMINDER``.

        A run that asks again, as when a task is repeated, gets the same answer.
        """
        ...

    def forget(self, flow: str, topic: str) -> None:
        """Ends a topic: the next time is the first one again."""
        ...
