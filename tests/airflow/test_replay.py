"""Replaying dead letters from a DAG, against the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl import compat
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.dag import replay_dag
from airflow_provider_brightpearl.environment import airflow_environment
from airflow_provider_brightpearl.runtime.desk import letters_to_replay
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.airflow.place import connect_airflow
from tests.airflow.tasks import context_of
from tests.airflow.test_dag import assert_nothing_heavy

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
FLOW = "customers_to_salesforce"


def replayed(dag: Any, run: str = "manual__1", **params: Any) -> Any:
    [task] = dag.tasks
    return task.execute({**context_of(task), "run_id": run, "params": params})


def test_its_form_and_what_it_needs() -> None:
    dag = replay_dag(is_paused_upon_creation=False)
    assert ("brightpearl_replay", 1, False) == (dag.dag_id, dag.max_active_runs, dag.catchup)
    assert {"ids": None, "group": None, "flow": None, "all": False} == {
        name: dag.params.get_param(name).value for name in dag.params
    }
    with pytest.raises(compat.AirflowFailException, match="say what to replay: ids, a group, a flow, or all"):
        replayed(dag, ids=None, group=None, flow=None, all=False)


def test_parsing_its_dag_file_imports_nothing_heavy(run) -> None:
    assert_nothing_heavy(run, "dag.replay_dag()")


@pytest.mark.slow
def test_a_group_goes_through_once_its_cause_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(customers=4, products=2, orders=1, seed=3) as sandbox:
        connect_airflow(sandbox, tmp_path, monkeypatch)
        environment = airflow_environment(MAPPINGS)
        contact = sandbox.snapshot("brightpearl", "contact")[0]
        path = f"/brightpearl/contact/{contact['contactId']}"
        sandbox.control("PATCH", path, {"communication": "nobody"})
        run_flow(Wiring.of(FLOW, environment), Request(RunKind.MANUAL), "run 1")
        [letter] = letters_to_replay(environment)
        dag = replay_dag(mappings=MAPPINGS)
        with pytest.raises(
            compat.AirflowFailException, match="1 of 1 letters still wait: .* was tried first"
        ):
            replayed(dag, group=letter.group, run="manual__1")
        sandbox.control("PATCH", path, {"communication": contact["communication"]})
        [done] = replayed(dag, ids=[letter.id], run="manual__2")["groups"]
        assert (FLOW, letter.group, 1, 0) == (done["flow"], done["group"], done["closed"], done["left"])
        assert [] == letters_to_replay(environment)
