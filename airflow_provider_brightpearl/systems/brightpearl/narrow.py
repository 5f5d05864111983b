"""Splits id sets that fail because of one id until that id is alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.errors import RateLimited, SyncError, TimedOut
from airflow_provider_brightpearl.systems.brightpearl import idset

log = logging.getLogger(__name__)

SetAside = Callable[[int, SyncError], None]
Entries = list[tuple[str, bytes]]
AskGroup = Callable[[Sequence[int], Backoff], Entries]

_TOO_LONG = 414
# a single id may cause these; 200 is an answer that is not JSON
_OF_ONE_ID = frozenset({200, 400, 422, 500})
# so many failures without a good answer are not due to single ids
_PATIENCE = 3


@dataclass(slots=True)
class OddIds:
    """The ids that one reading has set aside."""

    set_aside: SetAside | None
    met: int = 0
    answered: bool = False

    def may_be(self, error: SyncError) -> bool:
        """Whether an error may be due to one id of a set."""
        waits = isinstance(error, RateLimited | TimedOut)
        return self.set_aside is not None and error.status in _OF_ONE_ID and not waits

    def note(self, number: int, error: SyncError) -> None:
        """Sets an id aside.

        Raises:
            SyncError: the error itself, unless the id is likely its cause.
        """
        self.met += 1
        if self.set_aside is None or (self.met >= _PATIENCE and not self.answered):
            raise error
        self.set_aside(number, error)


def narrowed(ask: AskGroup, group: Sequence[int], odd: OddIds, backoff: Backoff, path: str) -> Entries:
    """The account's records of these ids, read in halves where it cannot answer for all at once."""
    try:
        found = ask(group, backoff)
        odd.answered = odd.answered or bool(found)
        return found
    except SyncError as error:
        if error.status != _TOO_LONG and not odd.may_be(error):
            raise
        if len(group) == 1:
            if error.status == _TOO_LONG:
                raise
            odd.note(group[0], error)
            return []
        log.info("%s/%s: requesting in halves after: %s", path, idset.compress(group)[:60], error)
    half = len(group) // 2
    # retries are spent; only the id at fault remains to be found
    fewer = replace(backoff, tries=min(backoff.tries, 2))
    return [
        *narrowed(ask, group[:half], odd, fewer, path),
        *narrowed(ask, group[half:], odd, fewer, path),
    ]
