"""Letters that have a record sent again, for a row that was lost."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.pipeline.send_again import send_again
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.tables import dead_letter

ROW = Binding("customers", "Account", "7", "7", "001A", "print", "first", "first")


def letter(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.select(dead_letter)).one()


def test_the_letter_names_the_run_and_a_discarded_one_is_opened_by_the_next_loss(engine: Engine) -> None:
    letters = SqlDeadLetters(engine)
    send_again(letters, "run 1@2026-04-01T00:00:00+00:00", ROW, "lost")
    assert ("run 1", "retry") == (letter(engine).run, letter(engine).state)
    with engine.begin() as connection:
        connection.execute(dead_letter.update().values(state="discarded"))
    send_again(letters, "run 1@2026-04-01T01:00:00+00:00", ROW, "lost")
    assert "discarded" == letter(engine).state
    send_again(letters, "run 2@2026-04-02T00:00:00+00:00", ROW, "lost once more")
    assert ("run 2", "retry", "lost once more") == (
        letter(engine).run,
        letter(engine).state,
        letter(engine).reason,
    )
