"""Lets one run of a flow write at a time: it waits for its turn, renews its lease, and stops where that is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from airflow_provider_brightpearl.core.holding import holding
from airflow_provider_brightpearl.core.progress import current
from airflow_provider_brightpearl.errors import FlowBusy, LeaseLost, SyncError
from airflow_provider_brightpearl.runtime.beat import beating
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.engine import fencing
from airflow_provider_brightpearl.stores.leases import Lease, SqlLeases

log = logging.getLogger(__name__)

# seconds between two looks of a run that waits for its turn
_LOOK = 2.0
# how often a lease is renewed in its length
_BEATS = 3


@contextmanager
def writing_alone(
    wiring: Wiring, holder: str, work: str, *, ends: bool = False, alone: bool = True
) -> Iterator[None]:
    """Holds the lease of the flow while one work of a run is done; the stores refuse what a later holder forbids.

    Afterwards the lease stays with the run for its next task, until it expires.

    Args:
        wiring: the flow; where it has no leases, nothing is held.
        holder: the attempt of the run.
        work: what is done; a later try of the same work takes over from this one.
        ends: whether the run ends with this work, and gives its lease back.
        alone: whether no other work of the run goes on beside this one, so that the lease is given back if it fails.

    Raises:
        FlowBusy: another run holds it, for longer than ``Environment.lease_wait``.
        LeaseLost: another run, or a later try of the work, has taken over meanwhile.
    """
    leases = wiring.leases
    if leases is None:
        yield
        return
    held = _Held(leases, _take(wiring, leases, holder, work))
    with holding(held.check), fencing(leases.engine, held.fence), held.renewed():
        try:
            yield
        except LeaseLost:
            raise
        except BaseException:
            if alone:
                held.give_back()
            raise
    if ends:
        held.give_back()


@contextmanager
def holding_lease(leases: SqlLeases, name: str, holder: str) -> Iterator[Callable[[], None]]:
    """Holds a lease that is no flow's while the work within goes on; gives what raises ``LeaseLost`` once it is lost.

    Raises:
        FlowBusy: another process holds it.
    """
    held = _Held(leases, leases.take(name, holder, "process"))
    with held.renewed():
        try:
            yield held.check
        finally:
            held.give_back()


def give_back(wiring: Wiring, holder: str) -> None:
    """Gives back the lease that an attempt of a run still holds, whose works have all ended."""
    if wiring.leases is not None:
        with _tried(wiring.flow.flow):
            wiring.leases.abandon(wiring.flow.flow, holder)


@contextmanager
def _tried(flow: str) -> Iterator[None]:
    """Goes on where the lease is not given back: it expires by itself."""
    try:
        yield
    except LeaseLost:
        log.debug("the lease of %s is another run's already", flow)
    except SyncError as error:
        log.warning("the lease of %s was not given back, and expires: %s", flow, error)


def _take(wiring: Wiring, leases: SqlLeases, holder: str, work: str) -> Lease:
    until = time.monotonic() + wiring.environment.lease_wait.total_seconds()
    while True:
        try:
            return leases.take(wiring.flow.flow, holder, work)
        except FlowBusy as error:
            left = until - time.monotonic()
            if left <= 0:
                raise
            with current().waiting(error.message, left):
                time.sleep(min(_LOOK, left, error.wait_seconds))


class _Held:
    """A lease that a process holds, with what it knows of it without asking."""

    def __init__(self, leases: SqlLeases, lease: Lease) -> None:
        self._leases = leases
        self._lease = lease
        self._seconds = leases.length.total_seconds()
        self._lost: LeaseLost | None = None
        # counted from before it is renewed: here it ends before it does in the database
        self._until = time.monotonic() + self._seconds

    @property
    def fence(self) -> Callable[..., None]:
        return lambda connection: self._leases.check(connection, self._lease)

    def check(self) -> None:
        """Raises ``LeaseLost`` where the lease is lost; asks the database only where it has run out unrenewed."""
        if self._lost is None and time.monotonic() >= self._until:
            self._renew()
        if self._lost is not None:
            raise self._lost

    def give_back(self) -> None:
        """Lets the next run begin at once, instead of when the lease expires."""
        with _tried(self._lease.flow):
            self._leases.release(self._lease)

    def renewed(self) -> AbstractContextManager[None]:
        """Renews the lease meanwhile, since calls and waits may take long."""
        return beating(self._seconds / _BEATS, self._beat, "lease")

    def _beat(self) -> bool:
        try:
            self._renew()
        except SyncError as error:
            log.warning(
                "the lease of %s was not renewed, and is soon tried again: %s", self._lease.flow, error
            )
        return self._lost is None

    def _renew(self) -> None:
        until = time.monotonic() + self._seconds
        try:
            self._leases.renew(self._lease)
        except LeaseLost as error:
            self._lost = error
            log.warning("%s", error)
        else:
            self._until = until
