"""The control API of a sandbox, in this process or another."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

# a proxy set in the environment must not be used for local requests
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxControl:
    """Calls to the control API below ``/__sandbox`` of a base URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a call; ``path`` is the part after ``/__sandbox``. Raises: RuntimeError on an error answer."""
        data = self._raw(method, path, body)
        return json.loads(data) if data else None

    def snapshot(self, system: str, collection: str) -> list[dict[str, Any]]:
        """Every record of a collection."""
        return [
            json.loads(line) for line in self._raw("GET", f"/snapshot/{system}/{collection}").splitlines()
        ]

    def now(self) -> datetime:
        """The time by the sandbox's clock, aware."""
        return datetime.fromisoformat(self.control("GET", "/clock")["now"])

    def advance(self, seconds: float) -> None:
        """Moves the sandbox's clock forward."""
        self.control("POST", "/clock", {"advance_seconds": seconds})

    def _raw(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body, default=str).encode()
        request = urllib.request.Request(f"{self.url}/__sandbox{path}", data, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with _OPENER.open(request, timeout=300) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None
