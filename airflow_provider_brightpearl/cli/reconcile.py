"""``brightpearl reconcile``: compare both systems of a flow now, and change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, print_json, say, show
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import ReconcileReport


def reconcile(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Records created from this instant on, such as 2026-01-31.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Records created before this instant.")] = None,
    full_resync: Annotated[bool, typer.Option("--full-resync", help="All records.")] = False,
    fields: Annotated[
        str | None,
        typer.Option(help="Fields of the first object to compare, such as Status,Name; all for all of them."),
    ] = None,
    certificate: Annotated[
        bool,
        typer.Option(
            "--certificate", help="Write a certificate of what both systems hold; see `brightpearl verify`."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare both systems of a flow and show what differs. Repairs nothing.

    For flows with a reconcile: block. With amount: in it, sums are compared, and certified, too.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.reconcile import compare
    from airflow_provider_brightpearl.runtime.request import request_from
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    asked = request_from({"from": start, "to": end, "full_resync": full_resync})
    wiring = Wiring.of(flow, airflow_environment(settings.mappings_folder(Path.cwd())))
    run = f"command__{datetime.now(UTC).isoformat(timespec='seconds')}"
    named = [name.strip() for name in fields.split(",")] if fields else None
    found = compare(
        wiring,
        run,
        start=asked.start,
        end=asked.end,
        full_resync=asked.full_resync,
        fields=named,
        certificate=certificate,
    )
    if found is None:
        raise Misconfigured(f"{flow} has not run yet, so there is nothing to compare")
    if as_json:
        print_json(found.as_dict())
        return
    _show(found)


def _show(found: ReconcileReport) -> None:
    from airflow_provider_brightpearl.runtime.reconcile_report import (
        KINDS,
        certificate_line,
        money_rows,
        period_text,
    )

    counts, ids = found.counts, found.ids
    records = Table("Records", "Count", "Ids", title=f"{found.flow}: {found.state}", title_justify="left")
    records.columns[1].justify = "right"
    for name, text in {
        "source": "in the source",
        "target": "in the target",
        "matched": "equal",
        **KINDS,
    }.items():
        if counts[name] or name in ("source", "target", "matched"):
            records.add_row(text, str(counts[name]), ", ".join(ids.get(name, ())))
    say(f"records created {period_text(found)}")
    show(records)
    sums = Table("Currency", "Source", "Target", "Difference")
    for row in money_rows(found):
        sums.add_row(*map(str, row))
    if sums.row_count:
        show(sums)
    if found.note:
        say(found.note)
    if found.certificate:
        say(certificate_line(found.certificate))
