"""What Airflow and the user ask of a run, read from the task's context."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_brightpearl.core.window import Request, RunKind, Window
from airflow_provider_brightpearl.runtime.request import check_names, request_from

_KINDS = {"backfill": RunKind.BACKFILL, "scheduled": RunKind.SCHEDULED}


def request_of(context: Mapping[str, Any]) -> Request:
    """Kind, data interval and params of a run.

    Runs triggered manually or by an asset have no meaningful interval: Airflow 3 gives none, and Airflow 2
    the last one of the schedule.

    Raises:
        Misconfigured: a param is unknown or cannot be read; names it.
    """
    check_conf(context)
    return run_request(context, context.get("params") or {})


def run_request(context: Mapping[str, Any], asked: Mapping[str, Any]) -> Request:
    """Kind and data interval of a run, with what is asked of it by the names of the params."""
    kind = run_kind(context["dag_run"].run_type)
    interval = None if kind is RunKind.MANUAL else _interval(context)
    return request_from(asked, kind, interval)


def check_conf(context: Mapping[str, Any]) -> None:
    """Raises ``Misconfigured`` where the run's conf has a key that is no param of its DAG."""
    known = getattr(context.get("dag"), "params", None)
    if known:
        check_names(getattr(context["dag_run"], "conf", None) or {}, tuple(known))


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
