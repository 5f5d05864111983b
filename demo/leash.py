"""Runs a command, and ends it with all it started once standard input closes.

``python demo/leash.py COMMAND …``: whoever holds the other end of the pipe may die in any way, even by SIGKILL, and
nothing is left behind. Airflow's tasks lead process groups of their own, so a signal to one group does not reach them:
this process adopts what their parents leave (Linux), and ends its descendants instead.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

GRACE_SECONDS = 8
PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Exit code of the command, as a shell gives it: 128 and the signal's number where a signal ended it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken = _read_end_of(signal.SIGCHLD, signal.SIGTERM)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - what the caller asked for
    held = True
    while held and child.poll() is None:
        ready, _, _ = select.select([sys.stdin, woken], [], [])
        asked_to_end = woken in ready and signal.SIGTERM in os.read(woken, 4096)
        held = sys.stdin not in ready and not asked_to_end
    code = child.returncode
    _end_descendants()
    if code is None:
        return 128 + signal.SIGTERM
    return code if code >= 0 else 128 - code


def _read_end_of(*signals: signal.Signals) -> int:
    """A file descriptor from which the numbers of signals that came can be read."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return woken


def _end_descendants() -> None:
    """Asks all descendants to end, waits, and kills what is left of them and what that has started meanwhile."""
    wanted = signal.SIGTERM
    while alive := psutil.Process().children(recursive=True):
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(wanted)
        psutil.wait_procs(alive, timeout=GRACE_SECONDS)
        # Airflow's scheduler now and then waits for ever for its idle workers
        wanted = signal.SIGKILL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
