"""A run of a flow in a process of its own, which stops or dies between two steps, as workers do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from sqlalchemy.engine.default import DefaultDialect

from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.testing.place import Place
from airflow_provider_brightpearl.testing.sandbox_control import SandboxControl

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

# one server that has imported everything, from which each worker is forked
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])
_FAILED = 3


@dataclass(frozen=True)
class Job:
    """What a worker runs.

    Args:
        url: of the sandbox.
        mappings, folder, database_url: as of a ``Place``.
        flow, run: what to run.
        step: of its requests and commits, before and after each, at which it gets the signal; 0 for none.
        signal: ``SIGKILL`` to die, ``SIGSTOP`` to hang.
    """

    url: str
    mappings: Path
    folder: Path
    database_url: str
    flow: str
    run: str
    step: int = 0
    signal: int = signal.SIGKILL

    @classmethod
    def at(cls, place: Place, flow: str, run: str, **where: int) -> Job:
        """A job at a place."""
        return cls(place.sandbox.url, place.mappings, place.folder, place.database_url, flow, run, **where)

    @property
    def steps_file(self) -> Path:
        """Where the worker writes how many steps its run had."""
        return self.folder / f"steps-{self.run}"


def start(job: Job) -> ForkServerProcess:
    """Starts a worker."""
    process = _PROCESSES.Process(target=work, args=(job,))
    process.start()
    return process


def steps_of(job: Job) -> int:
    """How many steps a job has: runs it."""
    process = start(job)
    process.join(120)
    if process.exitcode:
        raise RuntimeError(f"{job.flow} does not run in a process of its own: exit code {process.exitcode}")
    return int(job.steps_file.read_text())


def is_stopped(process: ForkServerProcess) -> bool:
    """Whether a worker hangs."""
    state = Path(f"/proc/{process.pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "T"


def work(job: Job) -> None:
    """The worker's life."""
    numbers = count(1)
    reached, waiting = 0, job.step > 0

    def step(*, locks: bool = False) -> None:
        nonlocal reached, waiting
        reached = next(numbers)
        # one that hangs while it holds the state database's lock would be no zombie: nobody else works meanwhile
        if waiting and reached >= job.step and not (locks and job.signal == signal.SIGSTOP):
            waiting = False
            os.kill(os.getpid(), job.signal)

    HTTPAdapter.send = _between(HTTPAdapter.send, step)  # type: ignore[method-assign]
    DefaultDialect.do_commit = _between(DefaultDialect.do_commit, partial(step, locks=True))  # type: ignore[method-assign]
    place = Place(SandboxControl(job.url), job.mappings, job.folder, job.database_url)
    try:
        place.run(job.flow, job.run)
    except SyncError as error:
        (job.folder / f"error-{job.run}").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        raise SystemExit(_FAILED) from error
    job.steps_file.write_text(str(reached))


def _between(call: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    @wraps(call)
    def stepping(*args: Any, **options: Any) -> Any:
        step()
        found = call(*args, **options)
        step()
        return found

    return stepping
