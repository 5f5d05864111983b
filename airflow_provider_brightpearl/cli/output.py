"""What commands show: results on standard output, everything else, such as Airflow's logs, on standard error."""

from __future__ import annotations

import logging
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from typer.core import TyperCommand

from airflow_provider_brightpearl.extra import is_unicode

_results: list[TextIO] = []
_lines_are_news: list[bool] = []


def _only_json(wanted: bool) -> bool:
    if wanted:
        _lines_are_news.append(True)
    return wanted


Json = Annotated[bool, typer.Option("--json", callback=_only_json, help="Print the result as JSON.")]


class ResultCommand(TyperCommand):
    """A command that has standard output to itself: what libraries print and log goes to standard error.

    An option that is given without a value, as an unset shell variable does, is refused instead of left out.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for each in args:
            # what is not UTF-8 could not be shown, in no result and no error
            if not is_unicode(each):
                raise typer.BadParameter(f"{each!a} is not UTF-8; type it anew", ctx)
        rest = super().parse_args(ctx, args)
        for option in self.params:
            value = ctx.params.get(option.name)
            given = getattr(ctx.get_parameter_source(option.name), "name", "") == "COMMANDLINE"
            if given and isinstance(value, str) and not value.strip():
                raise typer.BadParameter(f"{option.opts[0]} has no value; leave it out, or give one", ctx)
        return rest

    def invoke(self, ctx: Any) -> Any:
        _results.append(sys.stdout)
        try:
            with redirect_stdout(sys.stderr):
                _move_handlers(_results[-1], sys.stderr)
                return super().invoke(ctx)
        finally:
            _results.pop()
            _lines_are_news.clear()


def _move_handlers(used: TextIO, wanted: TextIO) -> None:
    """Points handlers that hold standard output, as after ``airflow brightpearl``, to standard error."""
    for logger in (logging.getLogger(), *map(logging.getLogger, tuple(logging.root.manager.loggerDict))):
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and getattr(handler, "stream", None) is used:
                handler.setStream(wanted)


def _console() -> Console:
    return Console(file=_results[-1] if _results and not _lines_are_news else sys.stdout)


def say(text: str) -> None:
    """One line, never broken; with ``--json`` it is news of the work, and goes to standard error."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def instant_text(instant: datetime) -> str:
    """An instant to the second, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def past_instant(name: str, text: str) -> datetime | None:
    """The instant that an option gives, or so long ago; None where it is empty."""
    from airflow_provider_brightpearl.flow.durations import parse_duration
    from airflow_provider_brightpearl.runtime.request import read_instant

    if text and text[:-1].isdigit() and not text.isdigit():
        return datetime.now(UTC) - parse_duration(name, text)
    return read_instant({name: text}, name)


def show(renderable: Any) -> None:
    """A table."""
    _console().print(renderable)


def cell_text(value: object) -> str:
    """A value as a cell of a CSV file, which no spreadsheet takes for a formula."""
    text = "; ".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def print_json(value: Any) -> None:
    """A result as JSON, its order kept; dataclasses, instants and decimals included."""
    import msgspec

    encoded = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    print(encoded, file=_results[-1] if _results else sys.stdout)
