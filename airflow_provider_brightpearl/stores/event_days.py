"""What events did for each flow, day by day: records processed and how late, and what only the sweep found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import msgspec
import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.inbox import EventDay, InboxState, Received, Topic
from airflow_provider_brightpearl.core.latency import added, histogram
from airflow_provider_brightpearl.stores.engine import CHUNK, reading, shared_time, writing
from airflow_provider_brightpearl.stores.tables import event_day, inbox, inbox_event, record_event, upsert

_KEY = ("day", "flow")
_WRITTEN = ("created", "updated")


class SqlEventDays:
    """The days of each flow on the state database; days are those of UTC.

    Args:
        engine: the state database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def processed(self, flow: str, received: Sequence[datetime]) -> None:
        """Counts records that a run processed just now, by when the first event of each was received."""
        with writing(self._engine) as connection:
            now = shared_time(connection)
            day = {"day": now.date().isoformat(), "flow": flow}
            connection.execute(upsert(connection, event_day).values(**day).on_conflict_do_nothing())
            where = [event_day.c[name] == day[name] for name in _KEY]
            kept = connection.execute(
                sa.select(event_day.c.latency).where(*where).with_for_update()
            ).scalar_one()
            took = added(_decoded(kept), histogram(now - each for each in received))
            values = {"processed": event_day.c.processed + len(received), "latency": _encoded(took)}
            connection.execute(event_day.update().where(*where).values(values))

    def swept(self, topic: Topic, pair: str, attempt: str, since: datetime | None) -> tuple[int, int]:
        """Counts what a scheduled run has written, and what of it no event had told of since an aware instant.

        A record whose event waits is one that an event has told of, also where nobody has spread it yet.

        Args:
            topic: what the flow reads.
            pair: the pair of instances.
            attempt: the attempt of the run.
            since: aware; None for ever.

        Returns:
            Records written, and those of them that only this run found.
        """
        read = [inbox.c[name] == getattr(topic, name) for name in ("source", "connection", "stream")]
        waits = inbox.c.state.not_in([InboxState.DONE.value, InboxState.IGNORED.value])
        told = waits if since is None else sa.or_(waits, inbox.c.changed_at >= since)
        mine = (record_event.c.pair == pair, record_event.c.flow == topic.flow, record_event.c.run == attempt)
        query = sa.select(record_event.c.source_id).distinct()
        with writing(self._engine) as connection:
            # where events are not in use, nothing can have been missed
            in_use = sa.select(sa.exists().where(*read, inbox.c.flow == topic.flow))
            if not connection.execute(in_use).scalar_one():
                return 0, 0
            written = (
                connection.execute(query.where(*mine, record_event.c.outcome.in_(_WRITTEN))).scalars().all()
            )
            if not written:
                return 0, 0
            changed = missed = len(written)
            # by their keys: a join may go through all of the inbox for each record
            for ids in chunked(written, CHUNK):
                records = (inbox.c.flow.in_([topic.flow, ""]), inbox.c.record_id.in_(ids))
                known = sa.select(sa.func.count(inbox.c.record_id.distinct())).where(*read, *records, told)
                missed -= connection.execute(known).scalar_one()
            day = {"day": shared_time(connection).date().isoformat(), "flow": topic.flow}
            row = upsert(connection, event_day).values(**day, changed=changed, missed=missed)
            more = {name: event_day.c[name] + row.excluded[name] for name in ("changed", "missed")}
            connection.execute(row.on_conflict_do_update(index_elements=list(_KEY), set_=more))
        return changed, missed

    def days(self, since: date) -> list[EventDay]:
        """All days of all flows from a day on, newest first."""
        query = sa.select(event_day).where(event_day.c.day >= since.isoformat())
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(event_day.c.day.desc(), event_day.c.flow)).all()
        return [
            EventDay(
                date.fromisoformat(row.day),
                row.flow,
                row.processed,
                row.changed,
                row.missed,
                _decoded(row.latency),
            )
            for row in rows
        ]

    def received(self, since: date) -> list[Received]:
        """How many events were received, by day, system and connection, newest first."""
        begins = datetime.combine(since, time.min, UTC)
        on_postgres = self._engine.dialect.name == "postgresql"
        at = inbox_event.c.received_at
        day = sa.cast(sa.func.timezone("UTC", at), sa.Date) if on_postgres else sa.func.substr(at, 1, 10)
        group = (sa.cast(day, sa.Text), inbox_event.c.source, inbox_event.c.connection)
        query = sa.select(*group, sa.func.count()).where(at >= begins).group_by(*group)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(group[0].desc(), *group[1:])).all()
        return [Received(date.fromisoformat(row[0]), *row[1:]) for row in rows]


def _decoded(text: str) -> dict[int, int]:
    return msgspec.json.decode(text, type=dict[int, int]) if text else {}


def _encoded(counts: dict[int, int]) -> str:
    return msgspec.json.encode(counts).decode()
