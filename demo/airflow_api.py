"""Airflow's public REST API, as far as the demonstration needs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import requests

from demo.airflow_home import PASSWORD, USER, Home

TRIES = 5
FAILED = ("failed", "up_for_retry")


class Airflow:
    """A running Airflow."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._session = requests.Session()
        self._session.trust_env = False
        token = self._ask("POST", "/auth/token", {"username": USER, "password": PASSWORD})["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        there_already: tuple[int, ...] = (),
    ) -> Any:
        for attempt in range(TRIES):
            answer = self._session.request(method, f"{self.home.url}{path}", json=body, timeout=30)
            if answer.ok or (attempt and answer.status_code in there_already):
                return answer.json()
            if answer.status_code < 500:
                break
            # SQLite is locked now and then, while the scheduler writes
            time.sleep(1)
        said = f"{answer.status_code}: {answer.text[:500]}"
        raise RuntimeError(f"Airflow answered {method} {path} with {said}")

    def wait_for_dags(self, names: tuple[str, ...], seconds: float = 60) -> None:
        """Waits until the DAG processor has read the DAG files.

        Raises:
            RuntimeError: it has not in time; with what it found wrong in them.
        """
        deadline = time.monotonic() + seconds
        while not set(names) <= {dag["dag_id"] for dag in self._ask("GET", "/api/v2/dags")["dags"]}:
            wrong = [
                each["stack_trace"] for each in self._ask("GET", "/api/v2/importErrors")["import_errors"]
            ]
            if wrong or time.monotonic() > deadline:
                raise RuntimeError(
                    "the DAGs cannot be read: " + ("\n".join(wrong) or "nothing was found in time")
                )
            time.sleep(0.3)

    def unpause(self, names: tuple[str, ...]) -> None:
        """Switches DAGs on, which are paused as they come from ``brightpearl init``."""
        for name in names:
            self._ask("PATCH", f"/api/v2/dags/{name}", {"is_paused": False})

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Starts a run of a DAG; returns the run's id."""
        run = f"manual__{datetime.now(UTC).isoformat()}"
        body = {"dag_run_id": run, "logical_date": None, "conf": dict(conf)}
        self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", body, there_already=(409,))
        return run

    def unfinished(self) -> set[str]:
        """The DAGs that have a run which has not ended."""
        runs = self._ask("GET", "/api/v2/dags/~/dagRuns?state=queued&state=running&limit=100")["dag_runs"]
        return {run["dag_id"] for run in runs}

    def doing(self) -> dict[str, str]:
        """What DAGs do now: the task that runs, by DAG.

        Raises:
            RuntimeError: a task failed; names it and its log.
        """
        query = "&".join(f"state={state}" for state in ("running", *FAILED))
        tasks = self._ask("GET", f"/api/v2/dags/~/dagRuns/~/taskInstances?{query}&limit=100")[
            "task_instances"
        ]
        for task in tasks:
            # a task that waits for its next try has failed as far as a demonstration goes
            if task["state"] in FAILED:
                logs = self.home.path / "logs" / f"dag_id={task['dag_id']}"
                raise RuntimeError(f"{task['dag_id']}: {task['task_id']} failed; its log is in {logs}")
        return {task["dag_id"]: task["task_id"] for task in tasks}

    def summary(self, dag: str, run: str) -> dict[str, Any]:
        """What the last task left of a run: ``write_back`` where the flow does, else ``settle``."""
        tasks = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"
        names = {each["task_id"] for each in self._ask("GET", tasks)["task_instances"]}
        last = "write_back" if "write_back" in names else "settle"
        summary: dict[str, Any] = self._ask("GET", f"{tasks}/{last}/xcomEntries/return_value")["value"]
        return summary
