"""What was announced of each flow, so that what lasts is not announced by each run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.notices import REMINDER
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.tables import notice, upsert

_KEY = ["pair", "flow", "topic"]


class SqlNotices:
    """Notices on the state database, by pair of instances; see ``core.ports.notices.Notices``."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC), pair: str = ""
    ) -> None:
        self._engine = engine
        self._now = now
        self.pair = pair

    def is_news(self, flow: str, topic: str, run: str) -> bool:
        """Whether a run is to announce a topic; of two that ask at once, one is."""
        now = self._now()
        row = {"pair": self.pair, "flow": flow, "topic": topic, "run": run, "at": now}
        with writing(self._engine) as connection:
            statement = upsert(connection, notice).values(**row)
            due = sa.or_(notice.c.at <= now - REMINDER, notice.c.run == run)
            told = {"run": statement.excluded.run, "at": statement.excluded["at"]}
            done = connection.execute(
                statement.on_conflict_do_update(index_elements=_KEY, set_=told, where=due)
            )
            return bool(done.rowcount)

    def forget(self, flow: str, topic: str) -> None:
        """Ends a topic."""
        with writing(self._engine) as connection:
            mine = (notice.c.pair == self.pair, notice.c.flow == flow, notice.c.topic == topic)
            connection.execute(notice.delete().where(*mine))
