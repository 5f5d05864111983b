"""``brightpearl match``: which rows of the target the records of a flow are, before its first run and when it asks."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, cell_text, print_json, say, show
from airflow_provider_brightpearl.core.matched import Found, MatchReport, MatchRow
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.runtime.wiring import Wiring

_SAID = {
    Found.REVIEW: "a person has to say which one it is",
    Found.LINK: "in the target already, would be linked",
    Found.CREATE: "not found, would be created",
    Found.LINKED: "linked already",
    Found.REJECTED: "rejected",
    Found.WAITS: "wait for records of another flow",
}


def match(
    flow: Annotated[str, typer.Argument(help="Name of a flow.")],
    start: Annotated[
        str, typer.Option("--from", help="Only records created or changed from this instant on.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", help="Up to this instant; with --record, the id in the target that it is.")
    ] = "",
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write all rows to this file.")] = None,
    record: Annotated[
        str, typer.Option("--record", help="Answer for this record (its source id), with --to or --new.")
    ] = "",
    new: Annotated[
        bool, typer.Option("--new", help="With --record: it is none that the target has.")
    ] = False,
    author: Annotated[str, typer.Option("--by", help="With --record: who says so; you if left out.")] = "",
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
    as_json: Json = False,
) -> None:
    """Show which records of a flow its target has already, before the first run. Writes nothing.

    Ends with code 1 if a person has to look at some. With --record, answer for one of them: the next run goes on by it.
    """
    from airflow_provider_brightpearl.environment import airflow_environment
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    _check_options(record, start, end, new, author, csv_file)
    environment = airflow_environment(settings.mappings_folder(Path.cwd()))
    wiring = Wiring.of(flow, environment, source_conn_id, target_conn_id)
    if record:
        _answer(wiring, record, end, author or getuser(), as_json)
    else:
        _dry_run(replace(wiring, read_only=True), start, end, csv_file, as_json)


def _check_options(record: str, start: str, end: str, new: bool, author: str, file: Path | None) -> None:
    if record and (start or file):
        raise Misconfigured("--record answers for one record; leave out --from and --csv")
    if record and bool(end) == new:
        raise Misconfigured(
            "with --record pass either --to and the id that the record has in the target, or --new"
        )
    if not record and (new or author):
        raise Misconfigured("--new and --by go with --record and the id of a record")


def _answer(wiring: Wiring, record: str, target_id: str, author: str, as_json: bool) -> None:
    from airflow_provider_brightpearl.runtime.match_answer import answer_match

    found = answer_match(wiring, record, target_id, author)
    if as_json:
        print_json(found)
        return
    what = (
        f"{found.object} {found.target_id} of {wiring.flow.target}" if target_id else f"a new {found.object}"
    )
    say(
        f"record {found.source_id} of {found.flow} is {what}, says {found.author}; the next run goes on with it"
    )


def _dry_run(wiring: Wiring, start: str, end: str, file: Path | None, as_json: bool) -> None:
    from airflow_provider_brightpearl.runtime.match import match_records
    from airflow_provider_brightpearl.runtime.request import request_from

    report = MatchReport(wiring.flow.flow)
    rows = match_records(wiring, request_from({"from": start, "to": end}), report)
    for _ in _written(rows, file) if file else rows:
        pass
    if as_json:
        print_json(report)
    else:
        _show(report, file)
    sys.exit(1 if report.counts[Found.REVIEW] or report.counts[Found.REJECTED] else 0)


def _written(rows: Iterator[MatchRow], file: Path) -> Iterator[MatchRow]:
    """The same rows, each written to the file as it comes; it takes its place once all are."""
    from airflow_provider_brightpearl.stores.files import as_path, whole_file

    with ExitStack() as stack:
        try:
            part = stack.enter_context(whole_file(as_path(file)))
            opened = stack.enter_context(part.open("w", newline="", encoding="utf-8"))
        except OSError as error:
            raise Misconfigured(f"--csv: {file} cannot be written: {error.strerror}") from error
        writer = csv.writer(opened)
        writer.writerow([each.name for each in fields(MatchRow)])
        for row in rows:
            writer.writerow([cell_text(value) for value in asdict(row).values()])
            yield row


def _show(report: MatchReport, file: Path | None) -> None:
    left_out = f", {report.left_out:,} of them left out by the flow" if report.left_out else ""
    say(f"{report.flow}: {counted(report.records, 'record')}{left_out}")
    table = Table("Records", "What would become of them")
    table.columns[0].justify = "right"
    for found, said in _SAID.items():
        if report.counts[found]:
            table.add_row(f"{report.counts[found]:,}", said)
    show(table)
    for found, rows in sorted(report.first.items(), key=lambda item: list(Found).index(item[0])):
        if found is not Found.LINKED:
            _show_first(found, rows, report.counts[found])
    for text, count in report.conflicts.most_common():
        say(f"both sides hold another {text}: {counted(count, 'record')}")
    calls = ", ".join(f"{count:,} to {system}" for system, count in report.calls.items())
    say(
        f"{f'all rows are in {file}; ' if file else ''}calls: {calls}; nothing was written to a system or state"
    )


def _show_first(found: Found, rows: list[MatchRow], count: int) -> None:
    more = f", the first {len(rows)} of {count:,}" if count > len(rows) else ""
    table = Table("Record", "In the target", "Why", title=f"{found.value}{more}", title_justify="left")
    for row in rows:
        table.add_row(row.source_id, row.target_id or row.candidates, row.reason or row.rule)
    show(table)
