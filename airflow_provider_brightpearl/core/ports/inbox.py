"""The port of the inbox: what events named and is still to be processed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from airflow_provider_brightpearl.core.inbox import EventCursor, InboxCount, InboxEvent, Take, Topic


class Inbox(Protocol):
    """Events by arrival, and records as a set; every method raises ``Unavailable`` where it does not answer.

    Times are those of a clock that all who use the inbox share.
    """

    def store(self, events: Sequence[InboxEvent], cursor: EventCursor | None = None) -> int:
        """Keeps events, all of them or none, and has the records that they name processed.

        With a cursor, it is moved in the same transaction, also where there are no events.

        A record that is due stays so, in its place. One that a run has taken is due again after it. A repeat of an
        event that the vendor has given a key is absorbed.

        Returns:
            How many records have become due, or will be due again.
        """
        ...

    def position(self, source: str, connection: str, topic: str) -> str | None:
        """Where the cursor of a topic stands, None where it was never moved."""
        ...

    def due(self) -> list[Topic]:
        """The topics with records that can be taken, sorted."""
        ...

    def spread(self, topic: Topic, flows: Collection[str]) -> int:
        """Has the due records of a stream processed by each of these flows, apart from each other; returns how many.

        What a flow cannot process now then holds up no other one.
        """
        ...

    def want(self, topic: Topic, record_ids: Collection[str]) -> int:
        """Has records of a flow processed that no event named; returns how many have become due."""
        ...

    def take(self, topic: Topic, run: str, limit: int, failures: int = 0) -> Take | None:
        """Takes the due records of a topic that arrived first, for a run; None where there are none.

        Records are taken with those that have failed as often, and the fewer the more often that was: one that kills
        its run has no part in the fate of others for long. No record is taken twice at a time. A take that was not
        renewed for the policy's length counts as a failure of its records, and who has it closes nothing any more.

        Args:
            topic: whose records.
            run: names the run.
            limit: of records that have not failed; a tenth of it for each failure.
            failures: only of records that have failed at least so often; those that failed least are taken.
        """
        ...

    def take_over(self, flows: Collection[str], connections: Collection[str], run: str) -> int:
        """Ends what any other run than this one has taken for flows, as if it had expired.

        For whoever knows that these runs have died, or do no more.

        Returns:
            How many records that were.
        """
        ...

    def renew(self, take: Take) -> None:
        """Keeps a take for the policy's length from now.

        Raises:
            LeaseLost: none of its records is left to it: it was silent for too long, or has closed them all.
        """
        ...

    def done(self, take: Take, record_ids: Collection[str] | None = None) -> int:
        """Closes records of a take, all of them by default; those with an event since are due again.

        Returns:
            How many this take still had.
        """
        ...

    def failed(self, take: Take, reason: str, record_ids: Collection[str] | None = None) -> int:
        """Has records of a take tried again later, or sets them aside after the policy's tries; see ``done``.

        Those with an event since are due at once, as new ones.
        """
        ...

    def put_back(self, take: Take, reason: str, wait: timedelta = timedelta(0)) -> int:
        """Gives a take back without counting the attempt: the records had no part in why it ended; see ``done``."""
        ...

    def ignore(self, topic: Topic, reason: str) -> int:
        """Closes the due records of a topic that no flow reads; returns how many."""
        ...

    def replay(self, start: datetime, end: datetime, topic: Topic | None = None) -> int:
        """Has all records processed again that an event named in a span of time, or that were set aside in it.

        Args:
            start: aware; events from here on count,
            end: and those before this.
            topic: only this one.

        Returns:
            How many records have become due. Some may have had an event shortly before or after the span.
        """
        ...

    def counts(self) -> list[InboxCount]:
        """How many records are in which state, by topic."""
        ...
