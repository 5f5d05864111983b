"""Salesforce, Brightpearl and M3: people edit all of them, and what is new at one end reaches the other one.

In a module of its own, since mappings are compiled once for one world at a time.
"""

from __future__ import annotations

import pytest

from tests.convergence.people import M3_BACK_FLOW, M3_THERE_FLOW, People
from tests.convergence.sides import FIELDS
from tests.convergence.test_convergence import LONG, try_all
from tests.convergence.world import World


@pytest.mark.timeout(0 if LONG else 900)
def test_all_three_sides_agree_in_the_end(chain: World, capsys: pytest.CaptureFixture[str]) -> None:
    try_all(chain, 1_000 if LONG else 8, capsys)


@pytest.mark.parametrize(
    ("side", "rounds"), [("salesforce", 1), ("brightpearl", 1), ("infor", 2)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("what", FIELDS)
def test_an_edit_at_one_end_reaches_the_other_one_through_brightpearl(
    three: People, side: str, rounds: int, what: str
) -> None:
    three.edit(side, "P1", what, "p1x@b.example")
    three.settle(rounds=rounds)


@pytest.mark.parametrize(("side", "rounds"), [("salesforce", 2), ("brightpearl", 1), ("infor", 2)])
def test_a_customer_of_one_end_is_created_once_at_the_other_one(
    three: People, side: str, rounds: int
) -> None:
    three.create(side)
    three.settle(rounds=rounds)


@pytest.mark.parametrize("back", [False, True])
def test_ends_that_both_change_a_field_agree_and_say_which_value_is_lost(three: People, back: bool) -> None:
    for what in FIELDS:
        three.edit("salesforce", "P1", what, "p1s@b.example")
        three.edit("infor", "P1", what, "p1m@b.example")
    three.settle(order=three.flows[::-1] if back else ())
    assert {*FIELDS} <= three.known["P1"].excused


@pytest.mark.parametrize(
    ("side", "flow", "other"),
    [("brightpearl", M3_THERE_FLOW, "infor"), ("infor", M3_BACK_FLOW, "brightpearl")],
)
def test_an_edit_back_to_what_its_flow_has_read_last_is_an_edit(
    three: People, side: str, flow: str, other: str
) -> None:
    three.edit(side, "P1", "last", "May")
    three.run(flow)
    three.edit(other, "P1", "last", "Lee")
    three.settle()
    assert "Lee" == three.view()["salesforce"]["P1"]["last"]
