"""The command ``brightpearl``, and its two ways into Airflow's own command line."""

from __future__ import annotations

import json
import re
import runpy

import pytest
from croniter import croniter
from typer.testing import CliRunner

from airflow_provider_brightpearl import __version__
from airflow_provider_brightpearl.cli import backfill
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.cli.starter import copy_starter, starter_folders
from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow, load_flows
from airflow_provider_brightpearl.flow.lookups import load_lookups, lookups_folder
from airflow_provider_brightpearl.flow.writers import writer_problems
from airflow_provider_brightpearl.mapping.references import reference_problems


def invoke(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


def _native(arguments, version):
    return backfill.native_arguments(backfill.parser().parse_args(arguments), version)


def test_backfill_on_airflow_2_is_its_own_command():
    assert [
        "dags", "backfill", "orders", "--start-date", "2026-01-01", "--end-date", "2026-01-05",
        "--conf", "{}",
        "--run-backwards", "--yes", "--reset-dagruns",
    ] == _native(
        ["orders", "-s", "2026-01-01", "-e", "2026-01-05", "-B", "-y", "--reset-dagruns", "-c", "{}"], (2, 11)
    )  # fmt: skip


def test_backfill_on_airflow_3_becomes_backfill_create():
    assert [
        "backfill", "create", "--dag-id", "orders", "--from-date", "2026-01-01", "--to-date", "2026-01-05",
        "--reprocess-behavior", "none", "--max-active-runs", "1", "--run-backwards", "--dry-run",
    ] == _native(["orders", "-s", "2026-01-01", "-e", "2026-01-05", "-B", "-n"], (3, 3))  # fmt: skip


@pytest.mark.parametrize(
    ("option", "behavior"), [("--reset-dagruns", "completed"), ("--rerun-failed-tasks", "failed")]
)
def test_runs_that_are_there_are_run_again_if_asked(option, behavior):
    native = _native(["orders", "-s", "2026-01-01", option], (3, 0))
    assert behavior == native[native.index("--reprocess-behavior") + 1]


def test_one_date_is_both_ends():
    native = _native(["orders", "-e", "2026-01-05"], (3, 3))
    assert ["--from-date", "2026-01-05", "--to-date", "2026-01-05"] == native[4:8]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["orders"], "first and the last date"), (["orders", "-s", "2026-01-01", "-c", "{"], "not JSON")],
)
def test_what_is_missing_is_said_in_words(arguments, told):
    with pytest.raises(ValueError, match=told):
        _native(arguments, (3, 3))


def test_init_writes_dags_and_mappings_once(tmp_path):
    first = copy_starter(tmp_path)
    flows = {path.stem for path in (tmp_path / "include" / "mappings").glob("*.yaml")}
    assert {f"brightpearl_{name}.py" for name in (*flows, "reconcile", "maintenance", "replay")} == {
        path.name for path in (tmp_path / "dags").iterdir()
    }
    # nothing that writes into Brightpearl comes unasked
    assert not any(name.endswith("_to_brightpearl") for name in flows)
    again = copy_starter(tmp_path)
    assert ((), first.written, ()) == (again.written, again.same, again.differing)


@pytest.mark.parametrize("target", ["salesforce", "infor", "brightpearl"])
def test_init_for_one_target_writes_its_flows_and_what_they_need(tmp_path, target):
    copied = copy_starter(tmp_path, target)
    mappings = tmp_path / "include" / "mappings"
    flows = [load_flow(path) for path in sorted(mappings.rglob("*.yaml"))]
    # what links orders of both directions, and its parents, comes along
    along = {"orders_to_salesforce", "customers_to_salesforce", "products_to_salesforce"}
    others = {flow.flow for flow in flows if flow.target != target}
    assert (along <= others) if target == "brightpearl" else (others == set())
    assert {path.stem for path in mappings.glob("*.yaml")} == set(copied.flows)
    for path in mappings.rglob("*.yaml"):
        load_lookups(load_flow(path), lookups_folder(path), lambda _: [])
    assert [] == writer_problems(load_flows(mappings)[0])
    assert [] == list(reference_problems(load_flows(mappings)[0]))
    place = {flow: number for number, flow in enumerate(copied.flows)}
    # what creates comes after what looks for the same records on its side
    creates_after = {flow.reverse.of: flow.flow for flow in flows if flow.reverse and flow.reverse.fields}
    assert creates_after == copied.creates_after
    assert all(place[creates_after[flow]] < place[flow] for flow in creates_after)
    pairs = [(parent, flow.flow) for flow in flows for parent in flow.after]
    pairs = [pair for pair in pairs if creates_after.get(pair[0]) != pair[1]]
    assert all(place[parent] < place[flow] for parent, flow in pairs)


def test_init_names_the_flows_to_leave_paused_at_first(tmp_path, run):
    done = run("brightpearl", "init", str(tmp_path), "--target", "brightpearl")
    assert 0 == done.returncode
    [order] = [line for line in done.stdout.splitlines() if "in this order" in line]
    matching, creating = "salesforce_customers_to_brightpearl", "customers_to_salesforce"
    assert order.index(f" {matching},") < order.index(f" {creating},")
    assert f"brightpearl match {matching} " in done.stdout
    assert f"Leave {creating} paused until {matching} has run" in done.stdout


def test_init_never_touches_a_file_that_exists(tmp_path, run):
    mine = tmp_path / "dags" / "brightpearl_orders_to_salesforce.py"
    mine.parent.mkdir()
    mine.write_text("# mine")
    done = run("brightpearl", "init", str(tmp_path), "--target", "salesforce")
    assert (0, "# mine") == (done.returncode, mine.read_text())
    assert f"kept     {mine}" in done.stdout
    assert f"diff -u {mine} " in done.stdout
    assert "1 kept that differ" in done.stdout
    assert "airflow dags unpause customers_to_salesforce" in done.stdout


def test_init_names_the_targets_there_are(tmp_path):
    with pytest.raises(
        Misconfigured, match="--target must be one of brightpearl, infor, salesforce; got 'sap'"
    ):
        copy_starter(tmp_path, "sap")


def test_starter_dags_wait_for_a_person():
    for file in starter_folders()["dags"].glob("*.py"):
        [dag] = [value for name, value in runpy.run_path(str(file)).items() if name == "dag"]
        # the one without schedule is started by people alone
        assert dag.is_paused_upon_creation == (file.stem != "brightpearl_replay"), file.name
        assert file.stem in (f"brightpearl_{dag.dag_id}", dag.dag_id)


def test_no_two_starter_flows_out_of_brightpearl_start_at_the_same_minute():
    flows = [load_flow(file) for file in starter_folders()["mappings"].glob("*.yaml")]
    out = [flow for flow in flows if flow.source_system == "brightpearl"]
    starts = [minute for flow in out for minute in croniter.expand(flow.schedule)[0][0]]
    assert len(out) > 10
    assert len(starts) == len(set(starts))


@pytest.mark.parametrize("target", ["salesforce", "infor"])
def test_a_new_flow_passes_the_check_and_has_a_dag(tmp_path, target, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "dags"))
    arguments = ["flow", "new", "web_orders", str(tmp_path), "--target", target, "--object", "Order"]
    assert 0 == invoke(*arguments).exit_code
    mapping = tmp_path / "include" / "mappings" / "web_orders.yaml"
    checked = invoke("mapping", "check", str(mapping))
    assert (0, "1 flow file, 0 problems") == (checked.exit_code, checked.stdout.strip())
    dag = runpy.run_path(str(tmp_path / "dags" / "brightpearl_web_orders.py"))["dag"]
    assert ("web_orders", True) == (dag.dag_id, dag.is_paused_upon_creation)
    with pytest.raises(Misconfigured, match=re.escape(f"{mapping} already exists")):
        invoke(*arguments)


def test_a_flow_that_would_miss_changes_of_custom_fields_says_so(tmp_path):
    arguments = ["flow", "new", "web_orders", str(tmp_path), "--target", "salesforce", "--object", "Order"]
    assert 0 == invoke(*arguments).exit_code
    file = tmp_path / "include" / "mappings" / "web_orders.yaml"
    text = file.read_text()
    file.write_text(text.replace("fields: {}", """fields: {Gift__c: "customFields->>'PCF_GIFT'"}"""))
    checked = invoke("mapping", "check", str(file))
    assert (0, True) == (checked.exit_code, "web_orders.yaml: reads customFields" in checked.stdout)
    assert 1 == len(json.loads(invoke("mapping", "check", "--json", str(file)).stdout)["notes"])
    file.write_text(file.read_text() + "\nwindow: {sweep: 0 2 * * *}\n")
    assert "customFields" not in invoke("mapping", "check", str(file)).stdout


def test_a_reference_to_a_flow_that_does_not_exist_is_a_problem_of_the_mappings_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(tmp_path))
    text = (starter_folders()["mappings"] / "inventory_to_salesforce.yaml").read_text()
    file = tmp_path / "inventory_to_salesforce.yaml"
    file.write_text(text)
    checked = invoke("mapping", "check", "--json", str(file))
    problem = "\n".join(json.loads(checked.stdout)["problems"][str(file)])
    assert 1 == checked.exit_code
    assert "objects.Product2.where: ref: there is no flow products_to_salesforce" in problem
    variants = sorted((starter_folders()["mappings"] / "variants").glob("*.yaml"))
    assert 0 == invoke("mapping", "check", *map(str, variants)).exit_code


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["Web-Orders"], "'Web-Orders' is not a name for a flow"),
        (["web", "--source", "brightpearl.suppliers"], "unknown stream; known: brightpearl."),
        (["web", "--target", "sap"], "unknown system 'sap'"),
        (["web", "--object", "Order: x"], "'Order: x' is not the name of an object"),
    ],
)
def test_a_new_flow_that_cannot_be_is_refused(tmp_path, arguments, named):
    name, *options = arguments
    with pytest.raises(Misconfigured, match=re.escape(named)):
        invoke("flow", "new", name, str(tmp_path), *options)
    assert [] == list(tmp_path.iterdir())


def test_starter_holds_dags_and_mappings():
    assert {"dags", "mappings"} == {name for name, folder in starter_folders().items() if folder.is_dir()}


@pytest.mark.system
def test_help_lists_the_commands(run):
    shown = run("brightpearl", "--help").stdout
    for command in ("init", "flow", "connections", "run", "backfill", "sandbox", "mapping"):
        assert command in shown


@pytest.mark.system
def test_schema_of_flow_files(run):
    schema = json.loads(run("brightpearl", "mapping", "schema").stdout)
    assert {"flow", "source", "target", "objects"} <= set(schema["properties"])


@pytest.mark.system
def test_module_and_airflow_run_the_same_command(run):
    assert "Copy DAGs" in run("python", "-m", "airflow_provider_brightpearl", "init", "--help").stdout
    if airflow_version() < (3, 2):
        pytest.skip("Airflow takes commands from providers since 3.2")
    assert "Copy DAGs" in run("airflow", "brightpearl", "init", "--help").stdout


@pytest.mark.system
def test_dags_backfill_is_there_on_every_airflow_that_lets_it(run):
    if (3, 0) <= airflow_version() < (3, 2):
        pytest.skip("Airflow takes commands from providers since 3.2")
    assert "--start-date" in run("airflow", "dags", "backfill", "--help").stdout


@pytest.mark.system
def test_dags_backfill_leaves_other_dags_to_airflow(run, tmp_path):
    if airflow_version() < (3, 2):
        pytest.skip("there it is Airflow's own")
    run("airflow", "db", "migrate")
    done = run("airflow", "dags", "backfill", "theirs", "-s", "2026-01-01", "-e", "2026-01-02")
    assert 0 != done.returncode
    assert "use `airflow backfill create --dag-id theirs" in done.stderr


@pytest.mark.system
def test_dags_backfill_can_be_switched_off(run):
    if airflow_version() < (3, 2):
        pytest.skip("there it is Airflow's own")
    done = run("airflow", "dags", "--help", AIRFLOW__BRIGHTPEARL__DAGS_BACKFILL_COMMAND="False")
    assert " backfill " not in done.stdout


def test_version():
    assert f"airflow-provider-brightpearl {__version__}" == invoke("--version").stdout.strip()


def test_columns_are_named_as_in_expressions():
    lines = invoke("mapping", "columns", "brightpearl.sales_orders").stdout.splitlines()
    named = dict(line.split(maxsplit=1) for line in lines[:-1])
    assert ("BIGINT", "DECIMAL(18,4)") == (named["parties.customer.contactId"], named["totalValue.net"])
    assert ("MAP of rows by id", "BIGINT") == (named["orderRows"], named["orderRows[].productId"])
    assert f"brightpearl.sales_orders: {len(named)} columns; the id is id" == lines[-1]
    by_flow = json.loads(invoke("mapping", "columns", "orders_to_salesforce", "--json").stdout)
    assert named == by_flow["columns"]


@pytest.mark.system
def test_results_have_standard_output_to_themselves(run, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("flow: [")
    done = run("brightpearl", "mapping", "check", "--json", str(broken))
    shown = json.loads(done.stdout)
    assert (1, [str(broken)]) == (done.returncode, shown["files"])
    [problem] = shown["problems"][str(broken)]
    assert problem.startswith("broken.yaml:")
