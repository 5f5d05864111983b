"""A process that maps, as the task sees it: started once, given jobs, ended when it takes too long."""

from __future__ import annotations

import atexit
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.ports.stores import Resolver
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping import messages

# by the path of this process: what it can import is all that the other one may. What is imported stays, so looking for
# garbage meanwhile finds none and takes a tenth of the time until a mapping is open
_START = (
    "import gc, json, sys; gc.disable(); sys.path[:] = json.loads(sys.argv[1]); "
    "from airflow_provider_brightpearl.mapping.worker import main; "
    "main(*map(int, sys.argv[2:6]), float(sys.argv[6]))"
)
# how programs find their libraries, and nothing that could be a secret
_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_START_SECONDS = 120
_END_SECONDS = 10
_OUT_OF_MEMORY = (3, -signal.SIGKILL, -signal.SIGABRT)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a mapping may take.

    Args:
        seconds: for a part; for a single record, and for what is looked at one by one, a tenth of it but at least ten.
        memory_mb: MiB beside what an idle mapping takes.
    """

    seconds: float = 300
    memory_mb: int = 2048

    @property
    def short(self) -> float:
        return min(self.seconds, max(10.0, self.seconds / 10))


USUAL = Bounds()


class Ended(Exception):
    """The process ended, or was ended, before its job was done; the message says what it took too much of."""


class MappingProcess:
    """One process, for one job at a time. Raises: Misconfigured: there is no Python program to start."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        if not sys.executable:
            raise Misconfigured(
                "mapping runs in a process of its own, and this Python does not say which program it is "
                "(sys.executable is empty): use one that does, as a virtual environment has"
            )
        jobs, self._jobs = _pipe()
        self._answers, answers = _pipe()
        arguments = [json.dumps(_import_path()), str(os.getpid()), str(jobs.fileno()), str(answers.fileno())]
        limits = [str(bounds.memory_mb), str(2 * bounds.seconds)]
        with jobs, answers:
            self._process = subprocess.Popen(  # noqa: S603  # this Python, and our own module
                [sys.executable, "-I", "-X", "utf8", "-c", _START, *arguments, *limits],
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                cwd="/",
                pass_fds=(jobs.fileno(), answers.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._started = False

    def ask(
        self,
        job: messages.Job,
        resolver: Resolver,
        seconds: float,
        watch: Callable[[messages.Trying], None] = lambda _: None,
    ) -> Any:
        """The last answer to a job.

        Args:
            job: what to do.
            resolver: answers what the process asks of the crosswalk; that time does not count.
            seconds: that the job may take.
            watch: called with what is tried.

        Raises:
            Ended: it took too much.
        """
        try:
            return self._ask(job, resolver, seconds, watch)
        except BaseException:
            # also a task that is ended itself: nobody would wait for this process any more
            self.end()
            raise

    def _ask(
        self, job: messages.Job, resolver: Resolver, seconds: float, watch: Callable[[messages.Trying], None]
    ) -> Any:
        if not self._started:
            self._wait_for_start()
        self._send(pickle.dumps(job))
        left = seconds
        while True:
            asked = time.monotonic()
            answer = self._receive(left)
            left -= time.monotonic() - asked
            if answer is None:
                raise Ended(f"takes longer than {seconds:g} s")
            if isinstance(answer, messages.Question):
                self._send(msgspec.json.encode(_found(resolver, answer)))
            elif isinstance(answer, messages.Trying):
                left = seconds
                watch(answer)
            else:
                return answer

    def _wait_for_start(self) -> None:
        try:
            if self._receive(_START_SECONDS) is None:
                raise Ended(f"not ready after {_START_SECONDS} s")
        except Ended as error:
            raise RuntimeError(f"the process that maps did not start, see its output: {error}") from error
        self._started = True

    def _send(self, content: bytes) -> None:
        try:
            self._jobs.send_bytes(content)
        except OSError as error:
            raise Ended(self._why()) from error

    def _receive(self, seconds: float) -> Any:
        """What the process sends next, None if that takes longer."""
        try:
            if not self._answers.poll(max(seconds, 0)):
                return None
            return messages.sent.decode(self._answers.recv_bytes())
        except (EOFError, OSError) as error:
            raise Ended(self._why()) from error

    def _why(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        code = self._process.returncode
        if code in _OUT_OF_MEMORY:
            return f"takes more than {self.bounds.memory_mb} MiB of memory"
        if code == -signal.SIGXCPU:
            return f"takes more than {2 * self.bounds.seconds:g} s of processor time"
        how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        return f"ends the process that maps ({how})"

    def end(self) -> None:
        """Ends the process and waits for that."""
        self._jobs.close()
        self._answers.close()
        self._process.kill()
        self._process.wait()


def _import_path() -> list[str]:
    """Where this process imports from; what others have put there may be anything, of which Python takes no notice."""
    entries: list[object] = [*sys.path]
    return [os.fsdecode(entry) for entry in entries if isinstance(entry, str | bytes | os.PathLike)]


def _pipe() -> tuple[Connection, Connection]:
    # not multiprocessing.Pipe: its children are daemons' children, which Airflow's executors may not have
    reads, writes = os.pipe()
    return Connection(reads, writable=False), Connection(writes, readable=False)


def _found(resolver: Resolver, question: messages.Question) -> dict[str, list[str]]:
    flow, name, keys = question.flow, question.object, question.keys
    if question.backwards:
        return {key: list(values) for key, values in resolver.keys_of(flow, name, keys).items()}
    return {key: [value] for key, value in resolver.resolve(flow, name, keys).items()}


# a process takes half a second to start, so one waits for the next part; a forked process has none of its parent's
_waiting: list[tuple[int, MappingProcess]] = []
_lock = threading.Lock()


def take(bounds: Bounds) -> MappingProcess:
    """A process with these bounds: one that waits for work, or else a new one."""
    with _lock:
        for entry in _waiting:
            if entry[0] == os.getpid() and entry[1].bounds == bounds:
                _waiting.remove(entry)
                return entry[1]
    return MappingProcess(bounds)


def give_back(process: MappingProcess) -> None:
    """Keeps a process for the next one who takes it, in place of one that waits already."""
    with _lock:
        mine = [entry for entry in _waiting if entry[0] == os.getpid()]
        _waiting.append((os.getpid(), process))
        for entry in mine:
            _waiting.remove(entry)
    for _, other in mine:
        other.end()


@atexit.register
def _end_all() -> None:
    for owner, process in _waiting:
        if owner == os.getpid():
            process.end()
