"""What Airflow and the user ask of a run, read from the task's context."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_brightpearl.core.window import Request, RunKind, Window, parse_instant
from airflow_provider_brightpearl.errors import Misconfigured

_KINDS = {"backfill": RunKind.BACKFILL, "scheduled": RunKind.SCHEDULED}


def request_of(context: Mapping[str, Any]) -> Request:
    """Kind, data interval and params of a run.

    Runs that are triggered by hand or by an asset carry no interval of any meaning: Airflow 3 gives none,
    and Airflow 2 the last one of the schedule.

    Raises:
        Misconfigured: a param cannot be read; names it.
    """
    kind = run_kind(context["dag_run"].run_type)
    params = context.get("params") or {}
    start, end = _instant(params, "from"), _instant(params, "to")
    if start and end and start >= end:
        raise Misconfigured(
            f"param from ({start.isoformat()}) has to lie before param to ({end.isoformat()})"
        )
    return Request(
        kind=kind,
        interval=None if kind is RunKind.MANUAL else _interval(context),
        start=start,
        end=end,
        ids=_ids(params.get("ids")),
        everything=bool(params.get("everything")),
    )


def run_kind(run_type: Any) -> RunKind:
    """The kind of a run by Airflow's type of it."""
    return _KINDS.get(str(getattr(run_type, "value", run_type)), RunKind.MANUAL)


def _interval(context: Mapping[str, Any]) -> Window | None:
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None or start >= end:
        return None
    # pendulum's instants are datetimes, but do not compare equal to the plain text they travel as
    return Window(_plain(start), _plain(end))


def _plain(instant: datetime) -> datetime:
    return datetime.fromisoformat(instant.isoformat())


def _instant(params: Mapping[str, Any], name: str) -> datetime | None:
    value = params.get(name)
    if not value:
        return None
    try:
        return parse_instant(str(value))
    except ValueError:
        raise Misconfigured(
            f"param {name} is {value!r}; write an instant such as 2026-01-31T00:00:00+00:00"
        ) from None


def _ids(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    entries = value.replace(",", " ").split() if isinstance(value, str) else value
    return tuple(str(entry).strip() for entry in entries if str(entry).strip())
