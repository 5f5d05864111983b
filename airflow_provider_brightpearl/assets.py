"""Asset URIs ``brightpearl://flow/<flow>``: one per flow, updated by each run that had something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.compat import Asset

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def check_uri(uri: SplitResult) -> SplitResult:
    """The URI as it is, if it names one flow.

    Raises:
        ValueError: it does not.
    """
    if uri.netloc != "flow" or not uri.path.strip("/") or "/" in uri.path.strip("/"):
        raise ValueError(
            f"an asset of this scheme is brightpearl://flow/<name of the flow>, not {uri.geturl()}"
        )
    return uri


def create_asset(*, flow: str, extra: dict[str, Any] | None = None) -> Any:
    """The asset of a flow (a dataset on Airflow 2)."""
    return Asset(f"brightpearl://flow/{flow}", extra=extra)
