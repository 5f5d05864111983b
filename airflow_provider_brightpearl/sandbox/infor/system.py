"""The simulated Infor tenant as a system of the sandbox: gateway, token service and M3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.routing import BaseRoute, Route

from ..clock import Clock
from ..system import Record, Size
from .gateway import Gateway
from .rate_limits import Limits
from .seeding import seed
from .settings import ACCESS_KEY, CLIENT_ID, CLIENT_SECRET, SECRET_KEY, TENANT
from .signatures import is_number
from .tenant import Table, World
from .tokens import Tokens
from .values import Row

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_CALLS = "calls"
_TEXT_NUMBERS = {"CONO", "ORNO", "VONO", "DLIX", "IVNO", "MSGN", "KEY1"}


class Infor:
    """One tenant with its companies."""

    name = "infor"

    def __init__(self, clock: Clock) -> None:
        self.world = World(clock)
        self.settings = self.world.settings
        self._tokens, self._limits = Tokens(self.world), Limits(self.world)
        self._gateway = Gateway(self.world, self._tokens, self._limits)

    def routes(self) -> list[BaseRoute]:
        """The tenant's own path, and that of any other tenant, which is not found."""
        paths = (f"/{TENANT}/{{rest:path}}", "/{tenant}/M3/{rest:path}", "/{tenant}/as/{rest:path}")
        return [Route(path, self._gateway.answer, methods=METHODS) for path in paths]

    def seed(self, size: Size) -> None:
        """The set-up of the company and a few records; a sync is what fills it, whatever the size."""
        until = size.until or datetime.now(UTC)
        with self.world.lock:
            self._tokens.clear()
            self._limits.clear()
            seed(self.world, until.date(), size.days)

    def collections(self) -> list[str]:
        """The tables, and `calls`: how often each transaction ran, and how it ended."""
        return [*self.world.tables, _CALLS]

    def count(self, collection: str) -> int:
        """How many records a collection has."""
        return len(self.world.calls if collection == _CALLS else self.world[collection].rows)

    def snapshot(self, collection: str) -> Iterator[Record]:
        """Every record of a table; quantities and amounts are text, so none becomes a float."""
        if collection != _CALLS:
            return self.world.snapshot(collection)
        return iter(
            {"program": program, "transaction": transaction, "outcome": outcome, "times": times}
            for (program, transaction, outcome), times in list(self.world.calls.items())
        )

    def headers(self) -> dict[str, str]:
        """Nothing: no header about limits is documented (reference 1.6)."""
        return {}

    def describe(self, url: str) -> str:
        """Where the tenant is and what opens it."""
        return (
            f"{url}/{TENANT}/M3 (token {url}/{TENANT}/as/token.oauth2, ci {CLIENT_ID}, cs {CLIENT_SECRET},"
            f" saak {ACCESS_KEY}, sask {SECRET_KEY}; the .ionapi file is at {url}/__sandbox/infor/ionapi)"
        )

    def ionapi(self, url: str) -> Record:
        """The credentials file of the backend service, with the URLs of this origin (reference 1.1)."""
        return {
            "ti": TENANT,
            "cn": "Brightpearl integration",
            "dt": "12",
            "ci": self.settings["client_id"],
            "cs": self.settings["client_secret"],
            "iu": url,
            "pu": f"{url}/{TENANT}/as/",
            "oa": "authorization.oauth2",
            "ot": "token.oauth2",
            "or": "revoke_token.oauth2",
            "ev": "U1478000000",
            "v": "1.0",
            "saak": self.settings["access_key"],
            "sask": self.settings["secret_key"],
        }

    def patch(self, collection: str, id: str | None, patch: Record | None, quiet: bool = False) -> object:
        """Change a stored record past every check; the id is its key joined by `|`, see `System.patch`.

        The company may be left out of the id when it is the default one.
        """
        with self.world.lock:
            table = self.world[collection]
            if id is None:
                row = table.add({"CONO": self.settings["default_cono"], **_typed(patch or {})})
            else:
                row = self._target(table, id)
                if patch is None:
                    table.remove(row)
                else:
                    table.update(row, _typed(patch), quiet)
            return next(one for one in [_shown(row)])

    def _target(self, table: Table, id: str) -> Row:
        key = tuple(id.split("|"))
        row = table.rows.get(key) or table.rows.get((str(self.settings["default_cono"]), *key))
        if row is None:
            raise KeyError(id)
        return row


def _shown(row: Row) -> Record:
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in row.items()}


def _typed(patch: Record) -> dict[str, Any]:
    """Planted texts that stand for figures become figures; what does not fit is kept as it is."""
    return {name: _figure(name, value) for name, value in patch.items()}


def _figure(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name in _TEXT_NUMBERS or not is_number(name) or "." not in value:
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        return value
