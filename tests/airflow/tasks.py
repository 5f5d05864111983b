"""Operators run as a worker runs them, without a DAG."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any


def context_of(task: Any, pushed: dict[str, Any] | None = None) -> dict[str, Any]:
    kept = {} if pushed is None else pushed
    instance = SimpleNamespace(
        dag_id="mine", task_id=task.task_id, run_id="manual__1", try_number=1, map_index=-1,
        xcom_push=lambda key, value: kept.__setitem__(key, value),
    )  # fmt: skip
    return {"ti": instance, "task": task, "run_id": "manual__1"}


def run(task: Any, pushed: dict[str, Any] | None = None) -> Any:
    """What a task returns; ``pushed`` gets what it pushes."""
    return task.execute(context_of(task, pushed))


def deferral_of(task: Any, context: dict[str, Any] | None = None) -> Any:
    """The deferral in which a task ends."""
    try:
        task.execute(context or context_of(task))
    except BaseException as deferred:
        if type(deferred).__name__ != "TaskDeferred":
            raise
        return deferred
    raise AssertionError("the task was not deferred")


def event_of(deferral: Any, **outcome: Any) -> dict[str, Any]:
    """The event of a deferral's trigger, which was stored meanwhile, and what came out."""
    _, arguments = deferral.trigger.serialize()
    return {**outcome, "state": json.loads(json.dumps(arguments))["state"]}


def resumed(task: Any, deferral: Any, event: Any) -> Any:
    """What a deferred task returns when its trigger has fired."""
    assert not deferral.kwargs, "dag.test() drops them"
    return getattr(task, deferral.method_name)(context_of(task), event=event)
