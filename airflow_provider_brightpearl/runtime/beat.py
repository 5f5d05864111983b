"""Does something at a steady pace while other work goes on, such as renewing what expires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread


@contextmanager
def beating(seconds: float, beat: Callable[[], bool], name: str) -> Iterator[None]:
    """Calls ``beat`` every so many seconds in a thread of its own, until it says False or the work within has ended."""
    ended = Event()

    def go() -> None:
        while not ended.wait(seconds) and beat():
            pass

    thread = Thread(target=copy_context().run, args=(go,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
