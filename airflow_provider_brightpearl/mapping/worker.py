"""The process that maps: evaluates the expressions of flow files, bounded in memory and time, without secrets.

It is started by ``process.py`` with an empty environment, and ends with the process that started it, also while an
expression runs.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import resource
import signal
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.mapping import messages
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.engine_session import alone, expressions_of

log = logging.getLogger(__name__)

OUT_OF_MEMORY = 3
_ALONE = 4
_LOOK_SECONDS = 1.0


class _Asking:
    """The crosswalk, which only the task can reach."""

    def __init__(self, jobs: Connection, answers: Connection) -> None:
        self._jobs, self._answers = jobs, answers

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        found = self._ask(messages.Question(flow, object_name, list(keys)))
        return {key: values[0] for key, values in found.items()}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        return self._ask(messages.Question(flow, object_name, list(target_ids), backwards=True))

    def _ask(self, question: messages.Question) -> dict[str, list[str]]:
        self._answers.send_bytes(msgspec.json.encode(question))
        return messages.found.decode(self._jobs.recv_bytes())


def main(task: int, jobs: int, answers: int, memory_mb: int, seconds: float) -> None:
    """Does the jobs that come in, until there are no more.

    Args:
        task: process id of the one that started this one, and without which this one ends.
        jobs: file descriptor of the pipe with the jobs.
        answers: likewise, for what comes out.
        memory_mb: MiB of memory beside what an idle mapping takes; also the size of a file.
        seconds: of processor time for a job, should nobody be left to stop it.
    """
    inwards, outwards = Connection(jobs, writable=False), Connection(answers, readable=False)
    threading.Thread(target=_end_with, args=(task,), daemon=True).start()
    _bound(memory_mb)
    desk = _Desk(_Asking(inwards, outwards))
    # the task ends this process when it is ended itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outwards.send_bytes(msgspec.json.encode(messages.Opened()))
    with suppress(EOFError, BrokenPipeError):
        while True:
            job: messages.Job = pickle.loads(inwards.recv_bytes())  # noqa: S301  # of the task, which is trusted
            used = resource.getrusage(resource.RUSAGE_SELF)
            _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)
            try:
                for answer in desk.do(job):
                    outwards.send_bytes(msgspec.json.encode(answer))
            except Misconfigured as error:
                outwards.send_bytes(msgspec.json.encode(messages.Unusable(str(error))))
            except (MemoryError, duckdb.OutOfMemoryException):
                # nothing that takes memory can be relied on any more, not even saying so
                os._exit(OUT_OF_MEMORY)
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:
                broken = messages.Broken(f"{type(error).__name__}: {error}", traceback.format_exc())
                outwards.send_bytes(msgspec.json.encode(broken))


def _end_with(task: int) -> None:
    # not Linux's signal at a parent's death: it comes when the thread ends that started this process, and the next
    # thread of the task would find it gone; DuckDB leaves the interpreter to this thread while it computes
    while os.getppid() == task:
        time.sleep(_LOOK_SECONDS)
    os._exit(_ALONE)


def _bound(memory_mb: int) -> None:
    duckdb.connect(config={"threads": 1}).close()
    status = Path("/proc/self/statm")
    pages = int(status.read_text().split()[0]) if status.exists() else 0
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + (memory_mb << 20), hard=True)
    _limit(resource.RLIMIT_FSIZE, memory_mb << 20, hard=True)
    # an image of the process would hold records
    _limit(resource.RLIMIT_CORE, 0, hard=True)


def _limit(kind: int, most: int, *, hard: bool = False) -> None:
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        most = min(most, ceiling)
    # macOS knows some of these limits and refuses to set them
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (most, most if hard else ceiling))


class _Desk:
    """Does jobs, one after the other, with one mapping open at a time."""

    def __init__(self, resolver: _Asking) -> None:
        self._resolver = resolver
        self._mapper: Mapper | None = None

    def do(self, job: messages.Job) -> Iterator[Any]:
        if not isinstance(job, messages.Open):
            # off since the start of the process
            gc.enable()
        if isinstance(job, messages.MapPart):
            if self._mapper is None:
                raise RuntimeError("no mapping is open")
            yield messages.Mapped(self._mapper.map_part(job.raw, job.folder, job.refused))
            return
        if self._mapper is not None:
            self._mapper.connection.close()
            self._mapper = None
        if isinstance(job, messages.Open):
            self._mapper = self._open(job, job.flow)
        elif isinstance(job, messages.TryAlone):
            yield from self._try_alone(job)
        yield messages.Opened()

    def _open(self, job: messages.Open, flow: FlowSpec) -> Mapper:
        return Mapper(flow, job.schema, job.lookups, self._resolver, job.folders, job.memory_limit)

    def _try_alone(self, job: messages.TryAlone) -> Iterator[messages.Trying]:
        for place, text, flow in _alone(job.mapping.flow):
            yield messages.Trying(place, text)
            try:
                with self._open(job.mapping, flow) as mapper:
                    mapper.map_part(job.raw, job.folder)
            except duckdb.OutOfMemoryException:
                raise
            except (Misconfigured, duckdb.Error) as error:
                # what is only wrong is another matter, and some expressions cannot stand alone
                log.debug("%s: %s", place, error)


def _alone(flow: FlowSpec) -> Iterator[tuple[str, str, FlowSpec]]:
    """Each expression of a flow: its place, its text, and a flow of nothing else."""
    for name, spec in flow.objects.items():
        for place, text in expressions_of(spec):
            yield f"objects.{name}.{place}", text, alone(flow, name, text)
    if flow.totals is not None:
        bare = {flow.root: ObjectSpec(key={"Id": "'1'"}, fields={})}
        totals = flow.model_copy(update={"objects": bare})
        yield "totals", f"{flow.totals.amount}, {flow.totals.currency}", totals
