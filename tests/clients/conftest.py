from __future__ import annotations

from tests.clients.live import running_sandbox, sandbox

__all__ = ["running_sandbox", "sandbox"]
