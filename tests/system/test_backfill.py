"""Three days backfilled on the real command line, twice with the same result, the watermark untouched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from tests.flows.site import Site as Flows
from tests.system.conftest import scheduler, wait_until

FLOW = "orders_to_salesforce"
DAYS = 3
# without an end the scheduler would run today's interval as well
DAG = """
from datetime import datetime, timezone

from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag({flow!r}, schedule="0 0 * * *", end_date=datetime({last:%Y, %m, %d}, 1, tzinfo=timezone.utc))
"""

pytestmark = [pytest.mark.system, pytest.mark.timeout(2000)]


@pytest.fixture
def days(site):
    """First and last day; the DAG folder holds one daily DAG only."""
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    site.keep_dags()
    text = DAG.format(flow=FLOW, last=last).replace(", 0", ", ")
    (site.home / "dags" / "daily.py").write_text(text)
    # windows of UTC days, whatever the flow's own time zone
    flow = site.home / "include" / "mappings" / f"{FLOW}.yaml"
    flow.write_text(
        "\n".join(line for line in flow.read_text().splitlines() if not line.startswith("timezone:"))
    )
    return last - timedelta(days=DAYS - 1), last


def test_a_backfill_is_exact_and_repeatable(site, sandbox, days, store):
    first, last = days
    flows = Flows(sandbox, site.home / "brightpearl")
    for parent in ("customers_to_salesforce", "products_to_salesforce"):
        flows.run(parent)
    pair = flows.wiring(FLOW).pair
    before = RunSummary("before", FLOW, "scheduled", "done", None, "", Counts(), Calls(), {}, last, pair=pair)
    store.record(before, last)
    dates: tuple[str, ...] = ("-s", f"{first:%Y-%m-%d}", "-e", f"{last:%Y-%m-%d}", "-y")
    if airflow_version() >= (3, 0):
        site.warm()
        dates += ("--max-active-runs", "2")
        site.run("airflow", "dags", "reserialize")
    _backfill(site, "brightpearl", "backfill", FLOW, *dates)
    if airflow_version() >= (3, 0):
        _check_names_of_parts(site)
    ledger, orders = _ledger(site), list(sandbox.snapshot("salesforce", "Order"))
    sandbox.control("DELETE", "/log")
    _backfill(site, "airflow", "dags", "backfill", FLOW, *dates, "--reset-dagruns")
    assert [first + timedelta(days=number) for number in range(DAYS)] == [run["start"] for run in ledger]
    assert all(run["end"] - run["start"] == timedelta(days=1) for run in ledger)
    assert ["backfill"] * DAYS == [run["kind"] for run in ledger]
    assert _touched(sandbox, first, last + timedelta(days=1)) == {
        row["Brightpearl_Order_Id__c"] for row in orders
    }
    assert orders == list(sandbox.snapshot("salesforce", "Order"))
    assert [run["extracted"] for run in ledger] == [run["extracted"] for run in _ledger(site)]
    assert [] == _writing_calls(sandbox)
    assert last == store.watermark(FLOW, pair)


def _check_names_of_parts(site):
    """What people see of the parts of a run: which one, and how many records."""
    query = (
        "SELECT task_id, rendered_map_index AS name FROM task_instance WHERE task_id IN ('transform', 'load')"
    )
    names = {(row["task_id"], row["name"]) for row in site.rows("airflow.db", query)}
    sizes = {run["extracted"] for run in _ledger(site) if run["extracted"]}
    assert sizes
    assert {(task, f"part 1, {size} records") for task in ("transform", "load") for size in sizes} == names


def _touched(sandbox, start, end):
    """Ids of the sales orders that were made or changed in a stretch of time."""
    ids = set()
    for order in sandbox.snapshot("brightpearl", "order"):
        stamps = (order["createdOn"], order.get("updatedOn") or order["createdOn"])
        if order["orderTypeCode"] == "SO" and any(start <= _instant(stamp) < end for stamp in stamps):
            ids.add(str(order["id"]))
    assert ids
    return ids


def _writing_calls(sandbox):
    calls = sandbox.control("GET", "/log?system=salesforce")
    return [call["path"] for call in calls if call["method"] != "GET" and "/oauth2/" not in call["path"]]


@pytest.fixture
def store(site):
    """The ledger of the site."""
    engine = open_engine(f"sqlite:///{site.home / 'brightpearl' / 'state.db'}")
    yield SqlLedger(engine)
    engine.dispose()


def _backfill(site, *command):
    before = datetime.now(UTC)
    site.run(*command)
    if airflow_version() >= (3, 0):
        # there the command only queues the runs, and on SQLite not while the scheduler writes
        open_ones = "SELECT 1 FROM backfill WHERE completed_at IS NULL"
        with scheduler(site):
            wait_until(lambda: not site.rows("airflow.db", open_ones))
    assert ["success"] * DAYS == [run["state"] for run in _finished(site, before)]


def _finished(site, since):
    query = (
        "SELECT state FROM dag_run WHERE run_type = 'backfill' AND state IN ('success', 'failed') "
        f"AND end_date > '{since:%Y-%m-%d %H:%M:%S}'"
    )
    return site.rows("airflow.db", query)


def _ledger(site):
    return [
        run | {"start": _instant(run["window_start"]), "end": _instant(run["window_end"])}
        for run in site.ledger(FLOW)
        if run["run"] != "before"
    ]


def _instant(text):
    return datetime.fromisoformat(text)
