"""The circuit breaker of one connection: whether the system behind it answers, for all processes at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from airflow_provider_brightpearl.core.breaker import BreakerPolicy
from airflow_provider_brightpearl.errors import Outage, RateLimited, RetryLater, SyncError, Unavailable
from airflow_provider_brightpearl.stores.breakers import SqlBreakers

log = logging.getLogger(__name__)

# longer than a look takes, so that only the look of a process that has died is done by another one
LOOK_SECONDS = 60.0
# of one call that looks
LOOK_READ_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SystemBreaker:
    """Opens where a call was given up and a look finds that the system does not answer at all.

    While it is open, ``enter`` raises for all processes but the one whose turn it is to look; that one closes it
    where the system answers. The state is read when a client is made and when a call was given up, never in between.

    Args:
        breakers: those of all connections.
        system, connection, address: name of the system, id of the connection, and where that leads.
        look: one cheap read of the system, not repeated, past every breaker.
        policy: when to look again.
        sleep: waits so many seconds.
    """

    breakers: SqlBreakers
    system: str
    connection: str
    address: str
    look: Callable[[], object]
    policy: BreakerPolicy = BreakerPolicy()
    sleep: Callable[[float], None] = time.sleep

    def enter(self) -> None:
        """Lets the caller through where the system is not known to be down, or answers by now.

        Raises:
            Unavailable: it is down; ``outage`` says since when, and when somebody looks again.
        """
        try:
            opened = {each.address: each for each in self.breakers.open_at(self.system, self.connection)}
            found = opened.pop(self.address, None)
            if found is None:
                self._end_elsewhere(opened.values())
                return
        except SyncError as unknown:
            log.warning("whether %s is down is not known: %s", self.system, unknown)
            return
        if not self.breakers.claim(self.address, LOOK_SECONDS):
            raise self._closed_door(found)
        if (lasting := self._looked(found)) is not None:
            raise self._closed_door(lasting)
        log.info("%s answers again (connection %s)", self.system, self.connection)

    def gave_up(self, error: RetryLater) -> None:
        """Looks whether a call that was given up is part of an outage; ``error.outage`` is set where it is."""
        if isinstance(error, RateLimited) or error.system not in ("", self.system):
            return
        try:
            error.outage = self._outage()
        except SyncError as unknown:
            log.warning("whether %s is down cannot be shared: %s", self.system, unknown)
        if error.outage is not None:
            log.warning("%s", error.outage)

    def _outage(self) -> Outage | None:
        found = self.breakers.find(self.address)
        for _ in range(int(LOOK_SECONDS)):
            if found is not None and found.opened:
                return self._ahead(found.outage)
            now = self.breakers.now()
            new = Outage(self.system, self.connection, self.address, now, self.policy.next_look(now, now))
            if self.breakers.suspect(new, LOOK_SECONDS):
                return self._looked(new)
            # somebody else looks at this moment: wait for what comes of it
            self.sleep(1.0)
            found = self.breakers.find(self.address)
            if found is None:
                return None
        return None

    def _end_elsewhere(self, outages: Iterable[Outage]) -> None:
        """Ends outages of where this connection led before somebody corrected it, where the system answers now."""
        for each in outages:
            if self.breakers.claim(each.address, LOOK_SECONDS) and self._looked(each) is None:
                log.info("%s answers where connection %s leads now", self.system, self.connection)

    def _looked(self, outage: Outage) -> Outage | None:
        """The outage with its next look where it lasts, None where the system answers, be it with a refusal."""
        try:
            self.look()
        except RetryLater as error:
            if not isinstance(error, RateLimited):
                next_look = self.policy.next_look(outage.since, self.breakers.now())
                self.breakers.down(outage.address, next_look, str(error))
                return replace(outage, next_look=next_look)
        except SyncError as error:
            log.info("%s answers: %s", self.system, error)
        self.breakers.answers(outage.address, self.policy.spacing)
        return None

    def _ahead(self, outage: Outage) -> Outage:
        """The outage as those see it who do not look: where another one does, they wait for another round."""
        now = self.breakers.now()
        return (
            outage if outage.next_look > now else replace(outage, next_look=self.policy.next_look(now, now))
        )

    def _closed_door(self, outage: Outage) -> Unavailable:
        ahead = self._ahead(outage)
        error = Unavailable(str(ahead), system=self.system)
        error.outage = ahead
        return error
