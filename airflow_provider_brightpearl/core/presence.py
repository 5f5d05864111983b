"""Whether a column of a source has vanished, by how many records had it before; pure."""

from __future__ import annotations

import msgspec

# so unlikely that none of a run's records has a column by chance
_CHANCE = 1e-6
# older records count half once there are so many
_REMEMBERED = 10_000


class Presence(msgspec.Struct, frozen=True):
    """How many of the records that were read had a value in a column."""

    records: int = 0
    present: int = 0

    def has_vanished(self, records: int) -> bool:
        """Whether it means something that none of so many further records has a value."""
        share = self.present / (self.records + 2)
        return bool(self.present) and (1 - share) ** records < _CHANCE

    def with_run(self, records: int, present: int) -> Presence:
        """The same after a run. What stays away is forgotten in time."""
        found = Presence(self.records + records, self.present + present)
        if found.records <= _REMEMBERED:
            return found
        return Presence(found.records // 2, found.present // 2)
