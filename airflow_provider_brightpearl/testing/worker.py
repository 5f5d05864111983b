"""A run of a flow in a process of its own, which stops or dies between two steps, as workers do."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial, partialmethod, wraps
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from sqlalchemy.engine.default import DefaultDialect

from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems.salesforce import whole
from airflow_provider_brightpearl.systems.salesforce.collections import pack
from airflow_provider_brightpearl.testing.place import Place
from airflow_provider_brightpearl.testing.sandbox_control import SandboxControl

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

# one server that has imported everything, from which each worker is forked
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])
# how a worker ends whose run failed with an error of the product, and with any other
FAILED, BARE = 3, 4
# of Linux: sched.h, sys/mount.h
_OWN_MOUNTS, _READ_ONLY, _RECURSIVE, _PRIVATE = 0x20000, 0x1, 0x4000, 0x40000


@dataclass(frozen=True)
class Job:
    """What a worker runs.

    Args:
        url: of the sandbox.
        mappings, folder, database_url: as of a ``Place``.
        flow, run: what to run.
        step: of its requests and commits, before and after each, at which it gets the signal; 0 for none.
        signal: ``SIGKILL`` to die, ``SIGSTOP`` to hang.
        disk: kilobytes that its staging folder has room for; 0 for a folder that cannot be written, None for any.
        batch: records that it writes in a call to Salesforce or M3 at most; 0 for as many as usual.
        bulk: whether it writes to Salesforce by bulk jobs, however few the rows.
    """

    url: str
    mappings: Path
    folder: Path
    database_url: str
    flow: str
    run: str
    step: int = 0
    signal: int = signal.SIGKILL
    disk: int | None = None
    batch: int = 0
    bulk: bool = False

    @classmethod
    def at(cls, place: Place, flow: str, run: str, **where: int | None) -> Job:
        """A job at a place."""
        return cls(place.sandbox.url, place.mappings, place.folder, place.database_url, flow, run, **where)  # type: ignore[arg-type]

    @property
    def steps_file(self) -> Path:
        """Where the worker writes how many steps its run had."""
        return self.folder / f"steps-{self.run}"

    @property
    def error_file(self) -> Path:
        """Where the worker writes with which error its run failed."""
        return self.folder / f"error-{self.run}"


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
    Wiring.sink = partialmethod(_sink, Wiring.sink, job)  # type: ignore[method-assign, assignment]
    if job.disk is not None:
        mount(place.staging, job.disk)
    try:
        place.run(job.flow, job.run)
    except Exception as error:
        job.error_file.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        raise SystemExit(FAILED if isinstance(error, SyncError) else BARE) from error
    job.steps_file.write_text(str(reached))


def _sink(wiring: Wiring, opened: Callable[[Wiring, str], Any], job: Job, run: str) -> Any:
    """The sink of a flow, which writes as its job says."""
    sink = opened(wiring, run)
    if job.batch and wiring.flow.target == "infor":
        sink.client.bulk_size = job.batch
    if job.batch and wiring.flow.target == "salesforce":
        whole.pack = partial(pack, graphs=job.batch)  # type: ignore[attr-defined]
    if job.bulk:
        sink.whole_below, sink.bulk_from = 0, 1
    return sink


def mount(folder: Path, kilobytes: int) -> None:
    """Gives this process alone a file system of its own at a folder, which takes so much, or is read-only.

    Raises:
        OSError: the process may not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    library = ctypes.CDLL(None, use_errno=True)
    options = (_READ_ONLY, b"size=4k") if kilobytes == 0 else (0, f"size={kilobytes}k".encode())
    steps: tuple[Callable[[], int], ...] = (
        lambda: library.unshare(_OWN_MOUNTS),
        lambda: library.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None),
        lambda: library.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", *options),
    )
    for step in steps:
        if step():
            raise OSError(ctypes.get_errno(), "no mount of its own")


@cache
def may_mount() -> bool:
    """Whether a worker of this user can have a file system of its own, as root has on Linux."""
    return bool(
        shutil.which("unshare")
        and not subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode  # noqa: S607
    )


def _between(call: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    @wraps(call)
    def stepping(*args: Any, **options: Any) -> Any:
        step()
        found = call(*args, **options)
        step()
        return found

    return stepping
