"""What people have answered to letters for review: which row of the target a record is, or that it is a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.core.ports.stores import PERSON, MatchAnswer
from airflow_provider_brightpearl.stores.dead_letters import WAITING, LetterState
from airflow_provider_brightpearl.stores.engine import CHUNK, fenced, reading
from airflow_provider_brightpearl.stores.tables import (
    binding,
    dead_letter,
    match_answer,
    record_event,
    upsert,
)

_KEY = ("pair", "flow", "object", "key")


class SqlMatchAnswers:
    """Answers on the state database; see ``core.ports.stores.MatchAnswers``.

    Args:
        engine: the state database.
        now: the clock.
        pair: the pair of instances between which records are matched.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC), pair: str = ""
    ) -> None:
        self._engine = engine
        self._now = now
        self.pair = pair

    def new_ones(self, flow: str, object_name: str, keys: Iterable[str]) -> set[str]:
        """Those of the keys of which a person has said that they are none of the target's rows."""
        answer = match_answer.c
        mine = (answer.pair == self.pair, answer.flow == flow, answer.object == object_name)
        found: set[str] = set()
        with reading(self._engine) as connection:
            for some in chunked(sorted({key for key in keys if "\x00" not in key}), CHUNK):
                query = sa.select(answer.key).where(*mine, answer.key.in_(some), answer.target_id == "")
                found.update(connection.execute(query).scalars())
        return found

    def keep(self, answer: MatchAnswer) -> bool:
        """Keeps an answer, binds the row if it names one, and has the next run take the record up, all or nothing."""
        now, table = self._now(), match_answer
        place = {"pair": self.pair, "flow": answer.flow, "object": answer.object, "key": answer.key}
        text = {"source_id": answer.source_id, "target_id": answer.target_id}
        with fenced(self._engine) as connection:
            bound = connection.execute(
                sa.select(binding.c.target_id).where(*(binding.c[name] == place[name] for name in _KEY))
            ).scalar()
            if bound is not None:
                return False
            kept = upsert(connection, table).values({**place, **text, "author": answer.author, "at": now})
            changed = {name: kept.excluded[name] for name in (*text, "author", "at")}
            connection.execute(kept.on_conflict_do_update(index_elements=_KEY, set_=changed))
            run = f"{PERSON}__{now.isoformat(timespec='seconds')}"
            if answer.target_id:
                # without a fingerprint, so that the next run writes what differs
                row = {
                    **place,
                    **text,
                    "fingerprint": "",
                    "created_run": "",
                    "written_run": run,
                    "origin": PERSON,
                }
                connection.execute(binding.insert().values(row))
            waiting = (
                dead_letter.c.pair == self.pair,
                dead_letter.c.flow == answer.flow,
                dead_letter.c.source_id == answer.source_id,
                dead_letter.c.state.in_(WAITING),
            )
            again = {"state": LetterState.RETRY.value, "state_since": now, "next_try_at": now, "attempts": 1}
            connection.execute(dead_letter.update().where(*waiting).values(again))
            said = f"is {answer.object} {answer.target_id}" if answer.target_id else "is a new one"
            event = {
                "pair": self.pair, "flow": answer.flow, "source_id": answer.source_id, "run": run, "stage": "match",
                "outcome": EventOutcome.ANSWERED.value, "object": answer.object, "target_id": answer.target_id,
                "note": f"{said}, says {answer.author}", "at": now,
            }  # fmt: skip
            connection.execute(upsert(connection, record_event).values(event).on_conflict_do_nothing())
            return True
