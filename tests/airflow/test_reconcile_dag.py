"""The reconciliation DAG, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from airflow_provider_brightpearl.core.reports import ReconcileReport, ReconcileState
from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.dag import reconcile_dag
from airflow_provider_brightpearl.errors import DriftTooLarge, Misconfigured
from airflow_provider_brightpearl.operators.reconcile import RepairOperator
from airflow_provider_brightpearl.runtime.reconcile_report import reconcile_lines, write_page
from tests.airflow.test_dag import assert_nothing_heavy

FOUND = ReconcileReport(
    flow="orders_to_salesforce",
    run="manual__1",
    state=ReconcileState.OVER_LIMIT,
    period=Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
    counts={
        "source": 40, "target": 39, "matched": 12, "missing": 27, "differing": 1, "deleted": 0, "waiting": 0,
        "manual": 0, "unmatched": 0, "stale_bindings": 0, "pending": 2, "unreadable": 0, "repeated": 0,
    },
    money={
        "source": {"EUR": Decimal("10.10"), "KWD": Decimal("1.005")},
        "target": {"EUR": Decimal("9.10")},
    },
    ids={"missing": ("100", "101"), "differing": ("<b>7</b>",)},
    calls={},
    note="",
    started_at=datetime(2026, 6, 1, tzinfo=UTC),
    drift=28,
    max_repair=20,
)  # fmt: skip


@pytest.fixture
def compared(mappings):
    """The mappings folder, with one flow that is reconciled."""
    file = mappings / "orders_to_salesforce.yaml"
    file.write_text(file.read_text() + "reconcile: {period: 7d, max_repair: 5}\n")
    return mappings


def test_flows_with_a_block_have_two_tasks_each(compared):
    dag = reconcile_dag(mappings=compared)
    assert ["compare_orders_to_salesforce", "repair_orders_to_salesforce"] == [
        task.task_id for task in dag.tasks
    ]
    assert {"compare_orders_to_salesforce"} == dag.get_task("repair_orders_to_salesforce").upstream_task_ids
    assert "brightpearl_reconcile" == dag.dag_id
    assert (False, 1, 2) == (dag.catchup, dag.max_active_runs, dag.max_active_tasks)
    assert "| orders_to_salesforce | 7 days | not compared | 5 | report |" in dag.doc_md


@pytest.mark.parametrize("kind", ["repair", "remove", "detach", "stale_bindings"])
def test_whatever_was_found_is_repaired(monkeypatch, kind):
    class Begun(Exception):
        pass

    def begin(*_):
        raise Begun

    monkeypatch.setattr("airflow_provider_brightpearl.runtime.reconcile.repair", begin)
    found = dict(FOUND.as_dict()) | {kind: ["7"]}
    task = RepairOperator(task_id="repair", flow=FOUND.flow, mappings=None, found=found)
    with pytest.raises(Begun):
        task.stage(None, {})


def test_params_are_empty_unless_given(compared):
    empty = {"from": None, "to": None, "full_resync": False, "flows": None, "max_repair": None}
    assert empty | {"certificate": None} == reconcile_dag(mappings=compared).params.dump()
    monthly = reconcile_dag(mappings=compared, dag_id="close_books", certificate="month")
    assert empty | {"certificate": "month"} == monthly.params.dump()


def test_arguments_of_the_user_win(compared):
    dag = reconcile_dag(
        ["orders_to_salesforce"], dag_id="money", schedule=None, mappings=compared, tags=["mine"],
        default_args={"retries": 7}, max_active_tasks=1,
    )  # fmt: skip
    assert ("money", {"mine"}, 1) == (dag.dag_id, set(dag.tags), dag.max_active_tasks)
    assert 7 == dag.tasks[0].retries


def test_a_flow_without_a_block_is_named(compared):
    with pytest.raises(Misconfigured, match="customers_to_salesforce.yaml: has no reconcile: block"):
        reconcile_dag(["customers_to_salesforce"], mappings=compared)


def test_a_broken_flow_leaves_the_others_compared(compared, caplog):
    (compared / "customers_to_salesforce.yaml").write_text("flow: [")
    dag = reconcile_dag(mappings=compared)
    assert {"compare_orders_to_salesforce", "repair_orders_to_salesforce"} == set(dag.task_ids)
    assert "customers_to_salesforce is not reconciled: customers_to_salesforce.yaml:" in caplog.text


def test_a_wrong_schedule_is_named(compared):
    with pytest.raises(Misconfigured, match="'nightly' is not a valid cron expression"):
        reconcile_dag(mappings=compared, schedule="nightly")


@pytest.mark.slow
def test_parsing_imports_nothing_heavy(compared, run):
    assert_nothing_heavy(run, f"dag.reconcile_dag(mappings={str(compared)!r})")


def test_the_summary_names_counts_ids_and_sums():
    assert [
        "orders_to_salesforce: over_limit; records created 2026-05-01T00:00:00+00:00 to 2026-06-01T00:00:00+00:00",
        "source 40, target 39, equal 12",
        "27 in the source, not in the target: 100, 101 …",
        "1 in both, with another amount or other fields: <b>7</b>",
        "2 changed since the flow last read",
        "EUR: source 10.10, target 9.10, difference -1.00",
        "KWD: source 1.005, target 0, difference -1.005",
    ] == reconcile_lines(FOUND)


def test_the_page_shows_the_same_and_escapes_what_came_from_outside(tmp_path):
    write_page(tmp_path / "page.html", FOUND)
    page = (tmp_path / "page.html").read_text()
    assert "orders_to_salesforce: over_limit" in page
    assert "<code>100</code>" in page
    assert "<b>7</b>" not in page
    assert "-1.005" in page


def test_too_much_drift_says_what_to_do():
    from airflow_provider_brightpearl.runtime.reconcile import check_drift

    with pytest.raises(DriftTooLarge) as raised:
        check_drift(FOUND)
    assert "28 records differ, more than the 20" in str(raised.value)
    assert "max_repair 28" in str(raised.value)
    check_drift(replace(FOUND, state=ReconcileState.DRIFT))
