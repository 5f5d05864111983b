"""Processes that end with all they started when the block, or the program, that started them ends."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("leash.py")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[str],
    stderr: int | IO[str] = subprocess.STDOUT,
) -> Iterator[subprocess.Popen[str]]:
    """A command in a session of its own, ended with all it started at the end of the block or of this program."""
    with subprocess.Popen(  # noqa: S603 - what the caller asked for
        [sys.executable, str(LEASH), *command],
        env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        yield process


def output_of(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What a command wrote and its exit code; it ends with this program if it has not ended before."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        running(command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        written = process.stdout.read() if process.stdout else ""
        code = process.wait()
        errors.seek(0)
        return subprocess.CompletedProcess(list(command), code, written, errors.read())
