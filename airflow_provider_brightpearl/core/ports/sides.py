"""The port that holds both sides of a reconciliation while they are compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from airflow_provider_brightpearl.core.compare import Comparison, Entry


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from ``low`` to ``high``, both included, of which ``count`` are known."""

    low: int
    high: int
    count: int


class Sides(Protocol):
    """Both sides of one comparison on disk: memory does not grow with them. Closed, it forgets them.

    An entry of the source goes by the source's id, one of the target by the target's key until it is read.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def add_listed(self, ids: Iterable[str]) -> None:
        """Adds ids that the source lists, whether they are compared or not."""
        ...

    def add_source(self, entries: Iterable[tuple[Entry, str]]) -> None:
        """Adds entries of the source, each with its key in the target."""
        ...

    def add_target(self, entries: Iterable[tuple[Entry, bool]]) -> None:
        """Adds entries of the target by key; the flag says that the row is retired."""
        ...

    def add_bound(self, rows: Iterable[tuple[str, str]]) -> None:
        """Adds source id and target id of rows in the crosswalk."""
        ...

    def source(self) -> Iterator[Entry]:
        """The entries of the source, in the order of their ids as text."""
        ...

    def target(self) -> Iterator[Entry]:
        """Likewise those of the target, by the source's id where a key is known.

        A record that is listed and not compared is left out on this side too, and so is a retired row of one that is
        not listed.
        """
        ...

    def keys(self) -> Iterator[tuple[str, str]]:
        """Id and key of the source's entries, in the order of ids as text."""
        ...

    def span(self) -> Span | None:
        """The numbers of the source's entries, None where an id is no number or there is none."""
        ...

    def unlisted(self, *, within: bool) -> Iterator[str]:
        """Bound ids that the source does not list; ``within``: numbers between the first and the last that it lists."""
        ...

    def listed(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that the source lists."""
        ...

    def target_ids(self, ids: Sequence[str]) -> dict[str, str]:
        """Target id by source id, for those of the ids that are bound."""
        ...


class Witness(Protocol):
    """Sees what is compared, such as to certify it."""

    def watch(self, side: str, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries of a side (``source`` or ``target``), as they are compared."""
        ...

    def compared(self, found: Comparison, sides: Sides) -> None:
        """Takes what the comparison found; both sides are still there."""
        ...
