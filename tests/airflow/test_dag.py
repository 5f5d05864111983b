"""From a flow file to a DAG."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.dag import sync_dag
from airflow_provider_brightpearl.environment import state_url
from airflow_provider_brightpearl.errors import Misconfigured

HEAVY = (
    "great_expectations",
    "pandas",
    "duckdb",
    "simple_salesforce",
    "sqlglot",
    "pyarrow",
    "typer",
    "starlette",
)


@pytest.fixture
def dag(mappings):
    return sync_dag("orders_to_salesforce", mappings=mappings)


def test_five_stages_in_a_row(dag):
    assert ["extract", "transform", "gate", "load", "settle"] == [task.task_id for task in dag.tasks]
    assert {"extract", "transform", "load"} == dag.get_task("settle").upstream_task_ids
    assert "gate" in dag.get_task("load").upstream_task_ids


def test_a_flow_that_writes_back_does_so_in_a_task_of_its_own_once_the_run_is_settled(mappings):
    file = mappings / "orders_to_salesforce.yaml"
    file.write_text(f"{file.read_text()}write_back: {{Order: {{fields: {{PCF_NO: x}}, note: y}}}}\n")
    dag = sync_dag("orders_to_salesforce", mappings=mappings)
    task = dag.get_task("write_back")
    assert "none_failed" == task.trigger_rule
    assert {"extract", "settle"} == task.upstream_task_ids
    assert [] == list(task.outlets)
    assert ["Run summary"] == [link.name for link in task.operator_extra_links]
    assert (
        "| Writes back | to records of the source, once the run is settled: `PCF_NO`, a note |" in dag.doc_md
    )


def test_one_run_at_a_time_without_catching_up(dag):
    assert (False, 1) == (dag.catchup, dag.max_active_runs)


def test_a_task_that_hangs_is_stopped(dag, mappings, monkeypatch):
    assert {timedelta(hours=30)} == {task.execution_timeout for task in dag.tasks}
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__EXECUTION_HOURS", "0")
    tasks = sync_dag("orders_to_salesforce", mappings=mappings).tasks
    assert {None} == {task.execution_timeout for task in tasks}


def test_start_lies_in_the_time_zone_of_the_flow(dag):
    assert "2024-01-01T00:00:00+00:00" == dag.start_date.isoformat()
    assert "Europe/London" == str(getattr(dag.timezone, "name", dag.timezone))


def test_windows_have_width(dag):
    timetable = getattr(dag.timetable, "timetable", dag.timetable)
    assert "CronDataIntervalTimetable" == type(timetable).__name__


def test_parents_trigger_their_children_on_airflow_3(dag):
    if airflow_version() < (3, 0):
        pytest.skip("on Airflow 2 parked records come in with the next scheduled run")
    assert "brightpearl://flow/customers_to_salesforce" in repr(dag.timetable)


def test_settle_updates_the_asset_of_the_flow(dag):
    assert ["brightpearl://flow/orders_to_salesforce"] == [
        asset.uri for asset in dag.get_task("settle").outlets
    ]


def test_params_are_empty_unless_given(dag):
    assert {"from": None, "to": None, "ids": None, "full_resync": False} == dag.params.dump()


def test_page_names_source_target_and_fields_with_bars_escaped(dag):
    assert "`brightpearl.sales_orders`" in dag.doc_md
    assert "| Status | `coalesce(a, '\\|')` |" in dag.doc_md


def test_arguments_of_the_user_win(mappings):
    dag = sync_dag(
        "customers_to_salesforce",
        mappings=mappings,
        schedule="0 5 * * *",
        default_args={"retries": 9},
        tags=["mine"],
        max_active_runs=4,
    )
    assert (9, 4, {"mine"}) == (dag.get_task("extract").retries, dag.max_active_runs, set(dag.tags))


def test_backfilled_days_have_the_widths_of_days(mappings):
    dag = sync_dag("customers_to_salesforce", mappings=mappings)
    if airflow_version() >= (3, 0):
        pytest.skip("Airflow 3 keeps this on the scheduler's side; the system tests look at real runs")
    runs = list(dag.iter_dagrun_infos_between(_utc(2026, 1, 1), _utc(2026, 1, 3), align=True))
    assert 3 == len(runs)
    assert [24.0] * 3 == [
        (run.data_interval.end - run.data_interval.start).total_seconds() / 3600 for run in runs
    ]


def _utc(*date):
    import pendulum

    return pendulum.datetime(*date)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("targets: x\n", "targets: unknown key"),
        ("schedule: whenever\n", "schedule: 'whenever' is not a valid cron expression"),
        ("timezone: Mars/Olympus\n", "timezone: 'Mars/Olympus' is not a time zone"),
        ("start_date: soon\n", "start_date: 'soon' is not a date"),
        ("window: {lookback: 5x}\n", "window.lookback"),
    ],
)
def test_a_wrong_flow_file_is_named_with_its_field(mappings, change, told):
    file = mappings / "customers_to_salesforce.yaml"
    lines = [
        line for line in file.read_text().splitlines() if not line.startswith(change.split(":")[0] + ":")
    ]
    file.write_text("\n".join([*lines, change]))
    with pytest.raises(Misconfigured) as raised:
        sync_dag("customers_to_salesforce", mappings=mappings)
    assert "customers_to_salesforce.yaml" in str(raised.value)
    assert told in str(raised.value)


def test_a_missing_flow_file_is_told_with_those_that_are_there(mappings):
    with pytest.raises(Misconfigured, match="customers_to_salesforce, orders_to_salesforce"):
        sync_dag("nothing_to_salesforce", mappings=mappings)


@pytest.mark.parametrize("bundle", [False, True])
def test_flow_files_are_found_beside_the_dag_folder_or_bundle(mappings, run, bundle):
    dags = str(mappings.parents[1] / "dags")
    code = (
        f"import sys\nif {bundle}: sys.path.append({dags!r})\n"
        "from airflow_provider_brightpearl import settings\nprint(settings.mappings_folder())"
    )
    done = run(
        "python", "-c", code, **({} if bundle else {"AIRFLOW__CORE__DAGS_FOLDER": dags}), PYTHONPATH=""
    )
    # where the package is installed from its repository, the flow files of that are nearer than a bundle's
    found = done.stdout.strip().splitlines()[-1]
    assert found == str(mappings) or (bundle and found.endswith("/include/mappings")), done.stderr


def test_parts_side_by_side_are_called_by_number_and_size(dag):
    if airflow_version() < (3, 0):
        pytest.skip("on Airflow 2 no task is mapped")
    assert "part {{ ti.map_index + 1 }}" in dag.get_task("transform").map_index_template
    assert "task.mapped['records']" in dag.get_task("load").map_index_template


@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor,a.b.KubernetesExecutor:k8s"])
def test_a_state_file_is_refused_where_workers_may_share_no_disk(mappings, monkeypatch, executor):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with pytest.raises(
        Misconfigured, match="state_conn_id is not set, and workers of (Celery|Kubernetes)Exec"
    ):
        sync_dag("orders_to_salesforce", mappings=mappings)
    with pytest.raises(Misconfigured, match="Set it to a PostgreSQL connection"):
        state_url()
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__STATE_CONN_ID", "brightpearl_state")
    assert sync_dag("orders_to_salesforce", mappings=mappings)


def test_executors_on_one_machine_may_keep_the_state_in_a_file(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "airflow.executors.local_executor.LocalExecutor:local")
    assert state_url().startswith("sqlite:///")


def test_parsing_a_dag_file_imports_nothing_heavy(mappings, run):
    assert_nothing_heavy(run, f"dag.sync_dag('orders_to_salesforce', mappings={str(mappings)!r})")


def assert_nothing_heavy(run, statement):
    """A process of its own that runs the statement has loaded nothing that takes long to load."""
    code = (
        f"import sys\nfrom airflow_provider_brightpearl import dag\n{statement}\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = run("python", "-c", code)
    assert "[]" == done.stdout.strip().splitlines()[-1], done.stderr


def test_a_dag_is_built_in_a_few_milliseconds(mappings):
    sync_dag("orders_to_salesforce", mappings=mappings)
    began = datetime.now()  # noqa: DTZ005
    for _ in range(10):
        sync_dag("orders_to_salesforce", mappings=mappings)
    assert (datetime.now() - began).total_seconds() / 10 < 0.25  # noqa: DTZ005
