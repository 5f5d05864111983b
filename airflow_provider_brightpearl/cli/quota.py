"""``brightpearl quota``: the calls that all processes share, as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from airflow_provider_brightpearl.cli.output import Json, print_json, say, show
from airflow_provider_brightpearl.core.quota import Share

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.ports.quota import PoolUse


def quota(as_json: Json = False) -> None:
    """Show the calls of the last minute and day that flows have made or may make now. Asks no system."""
    from airflow_provider_brightpearl.environment import quota_store

    pools = quota_store().pools()
    if as_json:
        print_json(pools)
        return
    if not pools:
        say("no calls were counted yet")
        return
    table = Table("Pool", *(f"{share}s" for share in Share), "others", "waiting", "24 hours")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for pool in pools:
        table.add_row(pool.pool, *_cells(pool))
    show(table)
    say("calls that count in the present minute, processes that wait, and calls of the last 24 hours")


def _cells(pool: PoolUse) -> list[str]:
    day = pool.day
    used = f"{day.used:,} of {day.most:,}" if day else f"{pool.last_day:,}" if pool.last_day else ""
    counts = [f"{pool.calls[name]:,}" for name in (*Share, "")]
    return [*counts, f"{pool.waiting:,}", used]
