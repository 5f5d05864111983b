"""``brightpearl reconcile``: compare both systems of a flow now, and change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.core.window import parse_instant
from airflow_provider_brightpearl.errors import Misconfigured

console = Console()


def reconcile(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Records created from here on, such as 2026-01-31.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Records created before this instant.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Records of all times.")] = False,
) -> None:
    """Compare both systems of a flow and show what differs; nothing is repaired."""
    from airflow_provider_brightpearl.operators import reconciling
    from airflow_provider_brightpearl.operators.wiring import Wiring

    first, last = _instant("--from", start), _instant("--to", end)
    wiring = Wiring.of(flow, str(settings.mappings_folder(Path.cwd())), None, None)
    run = f"command__{datetime.now(UTC).isoformat(timespec='seconds')}"
    found = reconciling.compare(wiring, run, start=first, end=last, everything=everything)
    if found is None:
        raise Misconfigured(f"{flow} has not run yet, so there is nothing to compare")
    _show(found)


def _instant(option: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_instant(text)
    except ValueError:
        raise Misconfigured(f"{option} {text!r} is no instant; write it as 2026-01-31") from None


def _show(found: dict[str, Any]) -> None:
    from airflow_provider_brightpearl.operators.reconcile_words import KINDS, money_rows, period_text

    counts, ids = found["counts"], found["ids"]
    records = Table(
        "Records", "Count", "Ids", title=f"{found['flow']}: {found['state']}", title_justify="left"
    )
    records.columns[1].justify = "right"
    for name, text in {
        "source": "in the source",
        "target": "in the target",
        "matched": "equal",
        **KINDS,
    }.items():
        if counts[name] or name in ("source", "target", "matched"):
            records.add_row(text, str(counts[name]), ", ".join(ids.get(name, ())))
    console.print(f"records created {period_text(found)}", markup=False)
    console.print(records)
    sums = Table("Currency", "Source", "Target", "Difference")
    for row in money_rows(found):
        sums.add_row(*map(str, row))
    if sums.row_count:
        console.print(sums)
    if found["note"]:
        console.print(found["note"], markup=False)
