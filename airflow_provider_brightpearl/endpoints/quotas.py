"""How many calls each system takes a minute and a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.clients.brightpearl import A_MINUTE as BRIGHTPEARL_A_MINUTE


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls a minute and a day, and how many are left of today's; None where there is no limit or nobody says."""

    a_minute: int | None = None
    a_day: int | None = None
    left: int | None = None


# all private apps of an account together
_BRIGHTPEARL = Quota(a_minute=BRIGHTPEARL_A_MINUTE)
# executions of a multi-tenant ION API, whose gateway tells neither limit nor use
_INFOR = Quota(a_minute=3_000, a_day=250_000)


def quota_of(system: str, client: Any) -> Quota:
    """The quota of a system; an org of Salesforce is asked for its own, in one call."""
    if system == "salesforce":
        daily = client.limits().get("DailyApiRequests", {})
        return Quota(None, daily.get("Max"), daily.get("Remaining"))
    return {"brightpearl": _BRIGHTPEARL, "infor": _INFOR}.get(system, Quota())
