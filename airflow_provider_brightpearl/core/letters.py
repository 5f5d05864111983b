"""When a dead letter that time may mend is tried again, and when a missing record counts as gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from airflow_provider_brightpearl.core.raw import storable


def judged_digest(mapping_version: str, payload: bytes) -> str:
    """Stands for a record as it was read, and the mapping that it failed with."""
    text = storable(payload.decode("utf-8", "replace"))
    return sha256(f"{mapping_version}\n{text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LetterPolicy:
    """The rule for letters that later runs try again.

    Args:
        longest: the longest distance between two tries.
        looks: a record that the source does not have counts as gone after so many looks,
        days: that are spread over at least so many days.
    """

    longest: timedelta = timedelta(days=1)
    looks: int = 5
    days: int = 7

    def next_try(self, since: datetime, now: datetime) -> datetime:
        """The next run tries first; then each distance is as long as the letter has been waiting ``since``."""
        return now + min(now - since, self.longest)

    def is_gone(self, looks: int, since: datetime, now: datetime) -> bool:
        """Whether a record that was looked for so often ``since`` then does not come any more."""
        return looks >= self.looks and now - since >= timedelta(days=self.days)
