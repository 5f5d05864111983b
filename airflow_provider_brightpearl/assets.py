"""Asset URIs: ``brightpearl://flow/<flow>``, updated by each run of it that had something to do.

And ``brightpearl://events/<group>``, updated when events have arrived for a group of flows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.compat import Asset

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def check_uri(uri: SplitResult) -> SplitResult:
    """The URI as it is, if it names one flow, or one group of flows that events run.

    Raises:
        ValueError: it does not.
    """
    if uri.netloc not in ("flow", "events") or not uri.path.strip("/") or "/" in uri.path.strip("/"):
        raise ValueError(
            "an asset of this scheme is brightpearl://flow/<name of the flow> or brightpearl://events/<group>, "
            f"not {uri.geturl()}"
        )
    return uri


def create_asset(*, flow: str, extra: dict[str, Any] | None = None) -> Any:
    """The asset of a flow (a dataset on Airflow 2)."""
    return Asset(f"brightpearl://flow/{flow}", extra=extra)


def create_events_asset(*, group: str, watchers: list[Any]) -> Any:
    """The asset of a group of flows, which its watchers update when events have arrived; Airflow 3 alone has such."""
    return Asset(f"brightpearl://events/{group}", watchers=watchers)
