"""The request of a run, as params, options and arguments give it: ids, from, to, full_resync."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_brightpearl.core.window import Request, RunKind, Window, parse_instant
from airflow_provider_brightpearl.errors import Misconfigured


def request_from(
    params: Mapping[str, Any], kind: RunKind = RunKind.MANUAL, interval: Window | None = None
) -> Request:
    """The request of a run.

    Args:
        params: ``from`` and ``to`` as instants or text (a naive one is UTC), ``ids`` as a list or text with commas,
            ``full_resync``.
        kind: how the run came about.
        interval: its data interval, if it has one.

    Raises:
        Misconfigured: a param cannot be read; names it.
    """
    start, end = read_instant(params, "from"), read_instant(params, "to")
    if start and end and start >= end:
        raise Misconfigured(f"from ({start.isoformat()}) must be before to ({end.isoformat()})")
    return Request(
        kind=kind,
        interval=interval,
        start=start,
        end=end,
        ids=_ids(params.get("ids")),
        full_resync=_flag(params, "full_resync"),
    )


def check_names(params: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises ``Misconfigured`` where a name is not one of those known: a typo must not make a run read everything."""
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise Misconfigured(f"unknown conf key {unknown[0]!r}; known: {', '.join(known)}")


def read_instant(params: Mapping[str, Any], name: str) -> datetime | None:
    """An aware instant of a param, None where it is empty."""
    value = params.get(name)
    if not value:
        return None
    if isinstance(value, datetime) and value.tzinfo:
        return datetime.fromisoformat(value.isoformat())
    try:
        return parse_instant(str(value))
    except ValueError:
        raise Misconfigured(
            f"{name}: {value!r} is not a valid timestamp; write one such as 2026-01-31T00:00:00+00:00"
        ) from None


def _flag(params: Mapping[str, Any], name: str) -> bool:
    value = params.get(name)
    known = {"true": True, "false": False, "": False, "none": False}
    if (found := known.get(str("" if value is None else value).strip().lower())) is None:
        raise Misconfigured(f"{name}: {value!r} must be true or false")
    return found


def _ids(value: Any) -> tuple[str, ...]:
    if value is None or value in ("", [], ()):
        return ()
    if isinstance(value, str):
        entries: Any = value.replace(",", " ").split()
    else:
        entries = value if isinstance(value, list | tuple | set | frozenset) else [value]
    odd = [each for each in entries if isinstance(each, bool) or not isinstance(each, str | int)]
    found = tuple(str(entry).strip() for entry in entries if str(entry).strip())
    # a run without ids would read everything
    if odd or not found:
        raise Misconfigured(f"ids: {(odd or [value])[0]!r} names no record; write ids such as 1001, 1002")
    return found
