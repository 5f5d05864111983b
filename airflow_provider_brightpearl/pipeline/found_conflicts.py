"""The fields that both sides of a two-way entity changed, as one part found them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_brightpearl.core.conflicts import MANUAL, FieldConflict, kept_text
from airflow_provider_brightpearl.core.merge import Conflict, Rule
from airflow_provider_brightpearl.core.ports.target import Held
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.pipeline.links import Link


@dataclass(frozen=True, slots=True)
class FoundConflict:
    """A conflict on a row of the linking flow, and what the other side holds."""

    link: Link
    conflict: Conflict
    theirs: Held


@dataclass
class FoundConflicts:
    """The conflicts of one part, by the systems of the linking flow, whichever direction runs.

    Args:
        linking: the flow with ``authority``.
        forward: whether that flow runs.
    """

    linking: FlowSpec
    forward: bool
    rows: list[FoundConflict] = field(default_factory=list)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The fields that both sides changed, with whose value counts, and how many rows each concerns."""
        found = Counter(map(self._said, self.rows))
        return tuple(f"{text} ({count} rows)" for text, count in found.most_common())

    def _said(self, found: FoundConflict) -> str:
        one, other = self.linking.source_system, self.linking.target
        winner = self.winner(found)
        changed = f"{found.link.place[0]}.{found.conflict.field} was changed in {one} and in {other}"
        if winner == MANUAL:
            return f"{changed}, and a person decides: edit one of them"
        return f"{changed}: {winner} counts"

    def winner(self, found: FoundConflict) -> str:
        """The system whose value counts, ``manual`` where a person decides."""
        if found.conflict.winner is None:
            return MANUAL
        ours = found.conflict.winner is Rule.SOURCE
        return self.linking.source_system if ours is self.forward else self.linking.target

    def kept(self, flow: str, run: str, at: datetime) -> list[FieldConflict]:
        """The conflicts as they are kept, found by a run of a flow at an instant (aware)."""
        return [self._kept(each, flow, run, at) for each in self.rows]

    def _kept(self, found: FoundConflict, flow: str, run: str, at: datetime) -> FieldConflict:
        link, both, theirs = found.link, found.conflict, found.theirs
        sides = [
            (kept_text(both.field, both.ours), link.changed_at, link.changed_by),
            (kept_text(both.field, both.theirs), theirs.changed_at, theirs.changed_by),
        ]
        source, target = sides if self.forward else reversed(sides)
        winner = self.winner(found)
        return FieldConflict(
            self.linking.flow, *link.place, both.field, link.target_id, source[0], target[0], winner,
            flow, run, at, source[1], target[1], source[2], target[2],
            None if winner == MANUAL else at,
        )  # fmt: skip
