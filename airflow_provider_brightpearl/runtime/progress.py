"""Logs what a stage does: a line at its start and end, and one every ten seconds while it works."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread

from airflow_provider_brightpearl.core.progress import Progress, duration, reporting

log = logging.getLogger(__name__)

INTERVAL = 10.0
Wait = Callable[[float], bool]


@contextmanager
def logged_progress(
    name: str, *, clock: Callable[[], float] = time.monotonic, wait: Wait | None = None
) -> Iterator[Progress]:
    """Logs the progress of a stage until it ends; what it leaves in ``result`` is in the last line.

    A thread of its own logs, so that long queries and calls are seen as well as waits.

    Args:
        name: flow and stage.
        clock: monotonic seconds.
        wait: waits so many seconds, and returns whether the stage has ended meanwhile.
    """
    ended = Event()
    with reporting(Progress(clock)) as progress:
        began = clock()
        log.info("%s: started", name)
        progress.begin("working")
        # the context of this thread, since handlers may look there for the task
        ticks = (name, progress, wait or ended.wait)
        thread = Thread(
            target=copy_context().run, args=(_tick, *ticks), name=f"progress of {name}", daemon=True
        )
        thread.start()
        try:
            yield progress
        except BaseException:
            log.info("%s: stopped after %s: %s", name, duration(clock() - began), progress.line())
            raise
        finally:
            ended.set()
            thread.join()
        log.info(
            "%s: ended after %s: %s", name, duration(clock() - began), progress.result or progress.line()
        )


def _tick(name: str, progress: Progress, wait: Wait) -> None:
    while not wait(INTERVAL):
        log.info("%s: %s", name, progress.line())
