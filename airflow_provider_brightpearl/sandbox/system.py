"""The interface of a simulated system to the application that serves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from starlette.routing import BaseRoute
from starlette.types import Scope

Record = dict[str, Any]
UNKNOWN_ADDRESSES = "sandbox.unknown_addresses"  # in the scope of a request


def json_value(value: object) -> object:
    """A stored value for JSON: a Decimal becomes text, never a float."""
    return format(value, "f") if isinstance(value, Decimal) else value


def note_unknown_address(scope: Scope, method: str, path: str) -> None:
    """Mark a request as one for an address that the sandbox does not have; the call log counts them."""
    scope.setdefault(UNKNOWN_ADDRESSES, []).append(f"{method} /{path.lstrip('/')}")


@dataclass(frozen=True, slots=True)
class SeedOptions:
    """The data to generate: how much, from which random seed, and over which period."""

    customers: int = 200
    products: int = 100
    orders: int = 1000
    seed: int = 7
    days: int = 400
    until: datetime | None = None  # end of the history, aware; None: the start of today, UTC
    variety: bool = False  # a few records of kinds that an even history lacks


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """How to connect to a system: for people, and as an Airflow connection."""

    title: str
    url: str
    credentials: Mapping[str, str]  # by label
    conn_id: str  # empty where Airflow has no connection to it
    connection: Mapping[str, object]  # the JSON form of the Airflow connection


class System(Protocol):
    """A simulated vendor: routes, data, and settings for what is not known for certain."""

    name: str
    settings: dict[str, object]

    def routes(self) -> list[BaseRoute]:
        """The routes with absolute paths; the last one catches all other paths below the vendor's prefix."""
        ...

    def seed(self, options: SeedOptions) -> None:
        """Replace all data with newly generated data."""
        ...

    def keep(self) -> bytes:
        """All data as it is now, for `go_back`; without settings, logins and what waits to be delivered."""
        ...

    def go_back(self, kept: bytes) -> None:
        """Replace all data with what `keep` gave since the last `seed`."""
        ...

    def snapshot(self, collection: str) -> Iterator[Record]:
        """Every record of a collection."""
        ...

    def collections(self) -> list[str]:
        """The names of all collections."""
        ...

    def count(self, collection: str) -> int:
        """The number of records in a collection."""
        ...

    def headers(self) -> dict[str, str]:
        """Headers to add to every response, such as rate limit information."""
        ...

    def patch(self, collection: str, id: str | None, patch: Record | None, quiet: bool = False) -> object:
        """Create, change or delete a record, bypassing all checks, and return it.

        Args:
            collection: the name of the collection.
            id: the id of the record; None creates one.
            patch: a JSON merge patch; None deletes the record.
            quiet: leave the modification timestamp unchanged.

        Raises:
            KeyError: the collection or record does not exist.
        """
        ...

    def stop(self) -> None:
        """End what runs in the background."""
        ...

    def connection(self, url: str) -> ConnectionDetails:
        """How to connect to the system if the sandbox has this base URL."""
        ...
