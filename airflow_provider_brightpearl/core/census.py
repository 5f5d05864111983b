"""What a reconciliation needs from the outside, as small protocols; endpoints and stores implement them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.ports import Binding
from airflow_provider_brightpearl.core.window import Window


@dataclass(frozen=True, slots=True)
class Seen:
    """A record that its source lists; ``changed`` is aware, that of its creation where it was never changed.

    ``record`` is the raw record where the list holds all of it.
    """

    source_id: str
    changed: datetime | None = None
    record: bytes = b""


class Census(Protocol):
    """The records that one stream of a source has."""

    @property
    def sweeps(self) -> bool:
        """Whether all ids that exist can be told at once, however many are asked for."""
        ...

    def created(self, period: Window) -> Iterator[Seen]:
        """The records created in a period, as a flow would read them."""
        ...

    def records(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Raw records without what the stream joins to them."""
        ...

    def gone(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that the source does not have any more."""
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A row that its target lists; ``retired`` where it has been put aside for a deleted source record."""

    key: str
    target_id: str
    amount: Decimal | None = None
    currency: str = ""
    retired: bool = False


class Listing(Protocol):
    """The rows of a flow's first object in its target."""

    @property
    def amounts(self) -> bool:
        """Whether the rows come with an amount."""
        ...

    @property
    def note(self) -> str:
        """What a person has to know of how complete the list is, empty where it is."""
        ...

    @property
    def by_binding(self) -> bool:
        """Whether only rows that are bound can be asked for."""
        ...

    @property
    def rewrites(self) -> bool:
        """Whether a row that is gone or has been changed can be written again."""
        ...

    def rows(self, keys: Sequence[str], bound: Mapping[str, str], *, ranged: bool) -> Iterator[TargetRow]:
        """The rows of these keys.

        Args:
            keys: not repeated.
            bound: target id by key, for those that are bound; asked of ``by_binding`` only.
            ranged: the keys are numbers, and rows whose key lies between them are wanted too.
        """
        ...

    def there(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows of an object that the target still has."""
        ...

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """Takes the rows of deleted records out, or puts them aside, as the flow says; results per call."""
        ...

    @property
    def calls(self) -> int:
        """API calls made so far."""
        ...


class Crosswalk(Protocol):
    """What is bound, as a reconciliation asks for it."""

    def roots(self, flow: str, object_name: str) -> Iterator[Binding]:
        """All bound rows of an object, in no given order."""
        ...

    def of_records(self, flow: str, source_ids: Sequence[str]) -> list[Binding]: ...

    def bind(self, bindings: Sequence[Binding]) -> None: ...

    def unbind(self, flow: str, object_name: str, keys: Sequence[str]) -> None: ...


class Waiting(Protocol):
    """Records that are known not to have gone through."""

    def waiting(self, flow: str, source_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are rejected or parked."""
        ...
