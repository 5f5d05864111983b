"""Group commits: what arrives while a transaction is committed is stored by the next one, all of it together."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from airflow_provider_brightpearl.core.inbox import InboxEvent
from airflow_provider_brightpearl.errors import SyncError

log = logging.getLogger(__name__)

_MOST = 500
_WAITING = 5_000
_GATHERING = 0.005

_Waiting = tuple[InboxEvent, "Future[None]"]


class Overloaded(Exception):
    """So many events wait to be stored that another one is not worth waiting for."""


class GroupCommits:
    """Stores events in a thread of its own, begun with the first event: a server may fork before that.

    Args:
        store: keeps events, all of them or none.
    """

    def __init__(self, store: Callable[[Sequence[InboxEvent]], object]) -> None:
        self._store = store
        self._queue: queue.Queue[_Waiting] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, event: InboxEvent) -> Future[None]:
        """The future is done when the event is committed, or has the error why it is not.

        Raises:
            Overloaded: too many events wait.
        """
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
        future: Future[None] = Future()
        try:
            self._queue.put_nowait((event, future))
        except queue.Full:
            raise Overloaded from None
        return future

    def _run(self) -> None:
        while True:
            waiting = [self._queue.get()]
            # more that arrive now share the transaction, which costs the more processor time the smaller it is
            time.sleep(_GATHERING)
            while len(waiting) < _MOST and not self._queue.empty():
                waiting.append(self._queue.get())
            # who has given up does not hear of it; it sends the event again
            self._commit([each for each in waiting if each[1].set_running_or_notify_cancel()])

    def _commit(self, waiting: Sequence[_Waiting]) -> None:
        if not waiting:
            return
        try:
            self._store([event for event, _ in waiting])
        except Exception as error:  # each request hears of it
            if len(waiting) > 1 and not isinstance(error, SyncError):
                # it is the fault of one of them, not of the database
                for each in waiting:
                    self._commit([each])
                return
            log.error("%d events could not be stored: %s", len(waiting), error)
            for _, future in waiting:
                future.set_exception(error)
            return
        for _, future in waiting:
            future.set_result(None)
