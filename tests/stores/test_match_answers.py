"""Answers to letters for review: kept with their binding and their letter, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding, MatchAnswer
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import reading
from airflow_provider_brightpearl.stores.match_answers import SqlMatchAnswers

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def answer(source_id: str, target_id: str = "203", key: str = "") -> MatchAnswer:
    return MatchAnswer("people", "Contact", key or f"K{source_id}", source_id, target_id, "Jo")


@pytest.fixture
def answers(engine: Engine) -> SqlMatchAnswers:
    return SqlMatchAnswers(engine, lambda: NOON, "sf>bp")


def keep(engine: Engine, *source_ids: str, review: bool = True) -> SqlDeadLetters:
    letters = SqlDeadLetters(engine, lambda: NOON, "sf>bp")
    found = [
        (Rejection(each, Stage.LOAD, "which one?", "Contact", review=review), b"{}") for each in source_ids
    ]
    letters.keep("people", "r1", "v1", found)
    return letters


def test_an_answer_binds_the_row_and_makes_the_letter_due(engine: Engine, answers: SqlMatchAnswers) -> None:
    letters = keep(engine, "1", "2")
    with reading(engine) as connection:
        assert ["review", "review"] == list(
            connection.execute(sa.select(tables.dead_letter.c.kind)).scalars()
        )
    assert [] == letters.due("people", "v1", 10)
    assert answers.keep(answer("1"))
    assert ["1"] == letters.due("people", "v1", 10)
    crosswalk = SqlCrosswalk(engine, "sf>bp")
    [bound] = crosswalk.of_records("people", ["1"])
    assert ("K1", "203", "", 1) == (bound.key, bound.target_id, bound.fingerprint, bound.revision)
    # the next run finds it as it was read
    assert [] == crosswalk.bind([bound])


def test_none_of_them_binds_nothing_and_can_be_taken_back(engine: Engine, answers: SqlMatchAnswers) -> None:
    letters = keep(engine, "1")
    assert answers.keep(answer("1", ""))
    assert {"K1"} == answers.new_ones("people", "Contact", ["K1", "K2", "odd\x00"])
    assert set() == answers.new_ones("people", "Other", ["K1"])
    assert set() == SqlMatchAnswers(engine, pair="other").new_ones("people", "Contact", ["K1"])
    assert ["1"] == letters.due("people", "v1", 10)
    assert [] == SqlCrosswalk(engine, "sf>bp").of_records("people", ["1"])
    assert answers.keep(answer("1"))
    assert set() == answers.new_ones("people", "Contact", ["K1"])


def test_a_record_that_was_linked_meanwhile_stays_as_it_is(engine: Engine, answers: SqlMatchAnswers) -> None:
    letters = keep(engine, "1")
    crosswalk = SqlCrosswalk(engine, "sf>bp")
    crosswalk.bind([Binding("people", "Contact", "K1", "1", "204", "print", "r1", "r1")])
    assert not answers.keep(answer("1"))
    assert {"K1": "204"} == crosswalk.resolve("people", "Contact", ["K1"])
    assert [] == letters.due("people", "v1", 10)
    with reading(engine) as connection:
        assert [] == list(connection.execute(sa.select(tables.match_answer)))


def test_a_letter_that_is_no_question_any_more_has_no_kind(engine: Engine) -> None:
    keep(engine, "1")
    keep(engine, "1", review=False)
    with reading(engine) as connection:
        assert [""] == list(connection.execute(sa.select(tables.dead_letter.c.kind)).scalars())
