"""The dead-letter desk on a state database: what is listed, set aside and overridden."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.core.ports.overrides import Override
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.runtime.desk import group_letters
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.desk import LetterFilter, SqlDesk
from airflow_provider_brightpearl.stores.engine import reading
from airflow_provider_brightpearl.stores.overrides import SqlOverrides
from airflow_provider_brightpearl.stores.record_events import SqlRecordEvents
from airflow_provider_brightpearl.stores.retention import Cutoffs, clean_state
from airflow_provider_brightpearl.stores.tables import dead_letter, override

FLOW, PAIR = "orders", "a:1>b:2"
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
REFUSED = Rejection(
    "1", Stage.TRANSFORM, "Type: 'Fax' is not in lookup channel", "Order", "", "Type", "Fax",
    amount=Decimal("9.90"), currency="EUR",
)  # fmt: skip
PARKED = Rejection(
    "9", Stage.TRANSFORM, "customer 5 is not there yet", waits_for=("customers", "Account", "5")
)


@pytest.fixture
def letters(engine: Engine) -> SqlDeadLetters:
    return SqlDeadLetters(engine, lambda: NOON, PAIR)


def refused(source_id: str, value: str) -> Rejection:
    return replace(REFUSED, source_id=source_id, value=value, reason=REFUSED.reason.replace("Fax", value))


def row(engine: Engine, source_id: str) -> Any:
    with reading(engine) as connection:
        return connection.execute(sa.select(dead_letter).where(dead_letter.c.source_id == source_id)).one()


def test_letters_are_grouped_by_cause_with_amounts_and_values(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    said = [refused("1", "Fax"), refused("2", "Fax"), refused("3", "Telex"), PARKED]
    letters.keep(FLOW, "run 1", "v1", [(each, b"{}") for each in said])
    SqlDeadLetters(engine, lambda: NOON, "x:1>b:2").keep(FLOW, "run 1", "v1", [(REFUSED, b"{}")])
    desk = SqlDesk(engine)

    lookup, *others = group_letters(desk.letters(LetterFilter()))
    assert (3, "Type: … is not in lookup channel", {"EUR": Decimal("29.70")}, {"Fax": 2, "Telex": 1}, {"open": 3}) == (
        lookup.count, lookup.cause, lookup.amounts, lookup.values, lookup.states,
    )  # fmt: skip
    assert [(1, PAIR, "waits for Account of customers"), (1, "x:1>b:2", lookup.cause)] == sorted(
        (each.count, each.pair, each.cause) for each in others
    )
    assert 3 == len({lookup.id, *(each.id for each in others)})
    assert ["9"] == [each.source_id for each in desk.letters(LetterFilter(states=("parked",)))]
    assert [] == list(desk.letters(LetterFilter(since=NOON + timedelta(seconds=1))))
    assert 3 == sum(each.pair == PAIR for each in desk.letters(LetterFilter(source_ids=("1", "2", "3"))))


def test_a_discarded_letter_says_who_and_why_until_its_record_changes(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1", "Fax"), b"{}"), (refused("2", "Fax"), b"{}")])
    desk, overrides = SqlDesk(engine), SqlOverrides(engine, PAIR)
    first, second = desk.letters(LetterFilter())
    overrides.keep(FLOW, Override("1", {"t": 1}, "{}", "Ada", "typo", NOON))
    letters.resolve(FLOW, "run 2", ["2"])

    # the second one has gone through meanwhile
    assert ["1"] == [each.source_id for each in desk.discard([first, second], "Ada", "test order", NOON)]
    assert ("discarded", "Ada", "test order", NOON) == tuple(row(engine, "1"))[3:4] + (
        row(engine, "1").author, row(engine, "1").note, row(engine, "1").closed_at,
    )  # fmt: skip
    assert ("resolved", "") == (row(engine, "2").state, row(engine, "2").author)
    assert {} == overrides.active(FLOW)
    told = SqlRecordEvents(engine, PAIR).of_record(FLOW, "1")
    assert "test order, says Ada" in {each.note for each in told if each.outcome is EventOutcome.DISCARDED}

    # a sweep that meets it again, with another mapping too
    letters.keep(FLOW, "run 3", "v2", [(refused("1", "Fax"), b"{}")])
    assert ("discarded", "Ada") == (row(engine, "1").state, row(engine, "1").author)
    assert ([], set()) == (letters.due(FLOW, "v3", 10), letters.waiting(FLOW, ["1"]))
    letters.keep(FLOW, "run 4", "v2", [(refused("1", "Fax"), b'{"new": 1}')])
    assert ("open", "", "", None) == (
        row(engine, "1").state, row(engine, "1").author, row(engine, "1").note, row(engine, "1").closed_at,
    )  # fmt: skip


def test_an_override_takes_the_place_of_the_one_before_and_is_due(
    engine: Engine, letters: SqlDeadLetters
) -> None:
    letters.keep(FLOW, "run 1", "v1", [(refused("1", "Fax"), b"{}")])
    overrides = SqlOverrides(engine, PAIR)
    assert [] == letters.due(FLOW, "v1", 10)
    for patch in ({"price": Decimal("1.10")}, {"price": None, "to": {"city": "Bath"}}):
        overrides.keep(FLOW, Override("1", patch, '{"id": 1}', "Ada", "as agreed", NOON))

    assert ["1"] == letters.due(FLOW, "v1", 10)
    known = overrides.of_record(FLOW, "1")
    assert [{"price": Decimal("1.10")}, {"price": None, "to": {"city": "Bath"}}] == [
        each.patch for each in known
    ]
    assert ["replaced by another one", ""] == [each.ended for each in known]
    assert {"1": known[1]} == overrides.active(FLOW)
    assert {} == SqlOverrides(engine, "x:1>b:2").active(FLOW)
    assert ["price, to.city: as agreed, says Ada"] == [
        each.note for each in SqlRecordEvents(engine, PAIR).of_record(FLOW, "1") if "to.city" in each.note
    ]
    assert ["1"] == overrides.end(FLOW, ["1", "2"], "the record has changed since", NOON + timedelta(days=1))
    assert ({}, []) == (overrides.active(FLOW), overrides.end(FLOW, ["1"], "again", NOON))


def test_retention_leaves_overrides_that_count(engine: Engine) -> None:
    overrides = SqlOverrides(engine, PAIR)
    for name in ("1", "2"):
        overrides.keep(FLOW, Override(name, {"a": 1}, "{}", "Ada", "typo", NOON))
    overrides.end(FLOW, ["2"], "the record has changed since", NOON)
    later, much_later = NOON + timedelta(days=40), NOON + timedelta(days=400)
    clean_state(engine, Cutoffs(later, later, NOON))
    [ended] = overrides.of_record(FLOW, "2")
    assert ({}, "", "typo") == (ended.patch, ended.payload, ended.note)
    clean_state(engine, Cutoffs(much_later, much_later, much_later))
    with reading(engine) as connection:
        assert ["1"] == list(connection.execute(sa.select(override.c.source_id)).scalars())
    assert {"a": 1} == overrides.active(FLOW)["1"].patch
