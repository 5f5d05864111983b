"""What every simulated system offers to the frame that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from starlette.routing import BaseRoute

Record = dict[str, Any]


def json_value(value: object) -> object:
    """A stored value for JSON: a Decimal becomes text, never a float."""
    return format(value, "f") if isinstance(value, Decimal) else value


@dataclass(frozen=True, slots=True)
class Size:
    """How large a world to build, from which seed, and over which stretch of time."""

    customers: int = 200
    products: int = 100
    orders: int = 1000
    seed: int = 7
    days: int = 400
    until: datetime | None = None  # aware, the end of history; the start of today UTC when not given


class System(Protocol):
    """One simulated vendor: its routes, its world, and the switches of what is not known for certain."""

    name: str
    settings: dict[str, object]

    def routes(self) -> list[BaseRoute]:
        """Absolute paths, the last of them catching whatever else lies under the vendor's prefix."""
        ...

    def seed(self, size: Size) -> None:
        """(Re)build the world; fast and lazy."""
        ...

    def snapshot(self, collection: str) -> Iterator[Record]:
        """Every record of a collection, for checks."""
        ...

    def collections(self) -> list[str]:
        """The names `snapshot` and `patch` know."""
        ...

    def headers(self) -> dict[str, str]:
        """What is put on every answer of this system (throttle, limit information)."""
        ...

    def patch(self, collection: str, id: str | None, patch: Record | None, quiet: bool = False) -> object:
        """Change a stored record past every check, and give it as it is now.

        A JSON merge patch; `patch` None removes the record, `id` None creates one. `quiet` leaves the
        modification stamp alone. KeyError when there is no such collection or record.
        """
        ...
