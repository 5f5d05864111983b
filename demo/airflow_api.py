"""Airflow's public REST API, as far as the demonstration needs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import requests

from demo.airflow_home import PASSWORD, USER, Home

TRIES = 5
FINISHED = {"success", "failed"}
TASK_FINISHED = {"success", "failed", "skipped", "upstream_failed", "removed"}


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

    def run(
        self, dag: str, conf: Mapping[str, Any], tell: Callable[[str], None], seconds: float = 170
    ) -> dict[str, Any]:
        """Triggers a DAG, waits for its end and gives the summary that ``settle`` left.

        Args:
            dag: the DAG's id.
            conf: params of the run.
            tell: hears of the task that runs now.
            seconds: how long the run may take.

        Raises:
            RuntimeError: the run failed or did not end in time; names the task.
        """
        path = f"/api/v2/dags/{dag}/dagRuns/{self._trigger(dag, conf)}"
        deadline = time.monotonic() + seconds
        while self._ask("GET", path)["state"] not in FINISHED:
            tasks = self._tasks(path)
            tell(_doing(tasks))
            self._stop_at_failure(dag, tasks)
            if time.monotonic() > deadline:
                raise RuntimeError(f"{dag} did not end in {seconds:.0f} seconds; now: {_doing(tasks)}")
            time.sleep(0.5)
        self._stop_at_failure(dag, self._tasks(path))
        summary: dict[str, Any] = self._ask("GET", f"{path}/taskInstances/settle/xcomEntries/return_value")[
            "value"
        ]
        return summary

    def _trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        run = f"manual__{datetime.now(UTC).isoformat()}"
        body = {"dag_run_id": run, "logical_date": None, "conf": dict(conf)}
        self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", body, there_already=(409,))
        return run

    def _tasks(self, path: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self._ask("GET", f"{path}/taskInstances")["task_instances"]
        return tasks

    def _stop_at_failure(self, dag: str, tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            # a task that waits for its next try has failed as far as a demonstration goes
            if task["state"] in ("failed", "up_for_retry"):
                logs = self.home.path / "logs" / f"dag_id={dag}"
                raise RuntimeError(f"{dag}: {task['task_id']} failed; its log is in {logs}")


def _doing(tasks: list[dict[str, Any]]) -> str:
    running = [task["task_id"] for task in tasks if task["state"] == "running"]
    waiting = [task["task_id"] for task in tasks if task["state"] not in TASK_FINISHED]
    return ", ".join(dict.fromkeys(running)) or (waiting[0] if waiting else "settle")
