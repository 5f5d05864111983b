"""The simulated Infor tenant as a system of the sandbox: gateway, token service and M3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.routing import BaseRoute, Route

from ..clock import Clock
from ..system import ConnectionDetails, Record, SeedOptions, json_value
from .gateway import Gateway
from .rate_limits import RateLimits
from .seeding import seed
from .settings import TENANT
from .signatures import is_number
from .tenant import Table, Tenant
from .tokens import TokenService
from .values import Row

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_CALLS = "calls"
_TEXT_NUMBERS = {"CONO", "ORNO", "VONO", "DLIX", "IVNO", "MSGN", "KEY1"}


class Infor:
    """One tenant with its companies."""

    name = "infor"

    def __init__(self, clock: Clock) -> None:
        self.tenant = Tenant(clock)
        self.settings = self.tenant.settings
        self._tokens, self._limits = TokenService(self.tenant), RateLimits(self.tenant)
        self._gateway = Gateway(self.tenant, self._tokens, self._limits)

    def routes(self) -> list[BaseRoute]:
        """The path of the tenant, and those of other tenants, which get a 404."""
        paths = (f"/{TENANT}/{{rest:path}}", "/{tenant}/M3/{rest:path}", "/{tenant}/as/{rest:path}")
        return [Route(path, self._gateway.answer, methods=METHODS) for path in paths]

    def seed(self, options: SeedOptions) -> None:
        """Seed the setup and a few records, whatever the size; a sync adds the rest."""
        until = options.until or datetime.now(UTC)
        with self.tenant.lock:
            self._tokens.clear()
            self._limits.clear()
            seed(self.tenant, until.date(), options.days)
            self._gateway.messaging.clear()

    def keep(self) -> bytes:
        """See `System.keep`."""
        with self.tenant.lock:
            return self.tenant.kept()

    def go_back(self, kept: bytes) -> None:
        """See `System.go_back`."""
        with self.tenant.lock:
            self._limits.clear()
            self._gateway.messaging.clear()
            self.tenant.go_back(kept)

    def collections(self) -> list[str]:
        """The tables; `calls`, which counts the outcomes of each transaction; and the messages of ION."""
        return [*self.tenant.tables, _CALLS, *self.tenant.ion]

    def count(self, collection: str) -> int:
        """The number of records in a collection."""
        if collection in self.tenant.ion:
            return len(self.tenant.ion[collection])
        return len(self.tenant.calls if collection == _CALLS else self.tenant[collection].rows)

    def snapshot(self, collection: str) -> Iterator[Record]:
        """Every record of a collection; decimal numbers are text, never floats."""
        if collection in self.tenant.ion:
            return iter(list(self.tenant.ion[collection]))
        if collection != _CALLS:
            return self.tenant.snapshot(collection)
        return iter(
            {"program": program, "transaction": transaction, "outcome": outcome, "times": times}
            for (program, transaction, outcome), times in list(self.tenant.calls.items())
        )

    def headers(self) -> dict[str, str]:
        """None: no limit headers are documented (reference 1.6)."""
        return {}

    def stop(self) -> None:
        """See `System.stop`."""
        self._gateway.messaging.clear()

    def connection(self, url: str) -> ConnectionDetails:
        """See `System.connection`."""
        file = self.ionapi(url)
        return ConnectionDetails(
            "Infor M3",
            f"{url}/{TENANT}/M3",
            {
                "tenant (ti)": TENANT,
                "gateway (iu)": url,
                "token URL (pu+ot)": file["pu"] + file["ot"],
                "client id (ci)": file["ci"],
                "secret (cs)": file["cs"],
                "user (saak)": file["saak"],
                "password (sask)": file["sask"],
                "company, division": f"{self.settings['default_cono']}, {self.settings['default_divi']}",
                ".ionapi file": f"{url}/__sandbox/infor/ionapi",
            },
            "infor_default",
            {
                "conn_type": "infor",
                "extra": {
                    "ionapi": json.dumps(file),
                    "cono": self.settings["default_cono"],
                    "divi": self.settings["default_divi"],
                },
            },
        )

    def ionapi(self, url: str) -> Record:
        """The .ionapi credentials file of the backend service, with URLs of this origin (reference 1.1)."""
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
        """See `System.patch`; the id is the key joined by `|`, where the default company may be omitted."""
        with self.tenant.lock:
            table = self.tenant[collection]
            if id is None:
                row = table.add({"CONO": self.settings["default_cono"], **_typed(patch or {})})
            else:
                row = self._target(table, id)
                if patch is None:
                    table.remove(row)
                else:
                    table.update(row, _typed(patch), quiet)
            self._gateway.messaging.publish()
            return {name: json_value(value) for name, value in row.items()}

    def _target(self, table: Table, id: str) -> Row:
        key = tuple(id.split("|"))
        row = table.rows.get(key) or table.rows.get((str(self.settings["default_cono"]), *key))
        if row is None:
            raise KeyError(id)
        return row


def _typed(patch: Record) -> dict[str, Any]:
    """Values of a patch, with decimal texts of numeric fields converted to Decimal."""
    return {name: _decimal_or_text(name, value) for name, value in patch.items()}


def _decimal_or_text(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name in _TEXT_NUMBERS or not is_number(name) or "." not in value:
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        return value
