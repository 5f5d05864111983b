"""Processes that end when the block that started them ends, and free ports for them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GRACE_SECONDS = 8


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends a process and all it started, however the block ends; it has to lead a group of its own."""
    try:
        yield process
    finally:
        stop([process])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds back Ctrl-C until the end of the block: a process started, and in no list yet, would be left behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop(processes: list[subprocess.Popen[str]], grace: float = GRACE_SECONDS) -> None:
    """Asks all process groups to end, waits, and kills what is left of them."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    for process in processes:
        # Airflow's scheduler now and then waits for ever for its idle workers
        _signal(process, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
