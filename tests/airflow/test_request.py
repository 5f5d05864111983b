"""Kind, interval and params of a run, as the context of either Airflow gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pendulum
import pytest

from airflow_provider_brightpearl.core.window import Request, RunKind, Window
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.operators.request import request_of

START, END = pendulum.datetime(2026, 1, 1), pendulum.datetime(2026, 1, 2)
DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def _context(run_type, interval=(START, END), **params):
    context = {"dag_run": SimpleNamespace(run_type=run_type), "params": params}
    if interval:
        context |= {"data_interval_start": interval[0], "data_interval_end": interval[1]}
    return context


@pytest.mark.parametrize(
    ("run_type", "kind", "interval"),
    [
        ("scheduled", RunKind.SCHEDULED, DAY),
        ("backfill", RunKind.BACKFILL, DAY),
        ("manual", RunKind.MANUAL, None),
        ("asset_triggered", RunKind.MANUAL, None),
        ("dataset_triggered", RunKind.MANUAL, None),
        (SimpleNamespace(value="backfill"), RunKind.BACKFILL, DAY),
    ],
)
def test_kind_and_interval_by_run_type(run_type, kind, interval):
    assert Request(kind=kind, interval=interval) == request_of(_context(run_type))


@pytest.mark.parametrize("interval", [None, (None, None), (START, START)])
def test_no_interval_where_airflow_gives_none_or_one_without_width(interval):
    assert Request(kind=RunKind.SCHEDULED) == request_of(_context("scheduled", interval))


def test_params_of_the_trigger_form():
    asked = request_of(
        _context(
            "manual",
            **{"from": "2026-01-01", "to": "2026-01-02T00:00:00Z", "ids": None, "full_resync": False},
        )
    )
    assert (DAY.start, DAY.end) == (asked.start, asked.end)


@pytest.mark.parametrize("ids", [["7", " 8 "], "7, 8", "7\n8"])
def test_ids_as_list_or_text(ids):
    assert ("7", "8") == request_of(_context("manual", ids=ids)).ids


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"from": "yesterday"}, "from: 'yesterday' is not a valid timestamp"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "must be before to"),
    ],
)
def test_a_param_that_cannot_be_read_is_named(params, told):
    with pytest.raises(Misconfigured, match=told):
        request_of(_context("manual", **params))


def test_a_conf_key_that_the_dag_does_not_know_is_refused():
    context = _context("manual", idz=["1"])
    context["dag"] = SimpleNamespace(params={"from": None, "to": None, "ids": None, "full_resync": False})
    context["dag_run"] = SimpleNamespace(run_type="manual", conf={"idz": ["1"]})
    with pytest.raises(Misconfigured, match="unknown conf key 'idz'; known: from, to, ids, full_resync"):
        request_of(context)
