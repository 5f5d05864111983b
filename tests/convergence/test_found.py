"""What the machine of test_convergence has found, step by step."""

from __future__ import annotations

import pytest

from tests.convergence.people import BACK_FLOW, THERE_FLOW, People


@pytest.mark.parametrize("steps", range(8))
def test_a_contact_whose_creation_has_no_answer_yet_gets_no_second_account(
    people: People, steps: int
) -> None:
    people.create_there()
    people.kill(BACK_FLOW, steps, from_write=True)
    people.run(THERE_FLOW)
    people.settle()


@pytest.mark.parametrize("steps", range(5))
def test_an_account_whose_creation_has_no_answer_yet_gets_no_second_contact(
    people: People, steps: int
) -> None:
    people.create_here()
    # by which it would be found
    people.edit("brightpearl", "P2", "email", None)
    people.kill(THERE_FLOW, steps, from_write=True)
    people.run(BACK_FLOW)
    people.settle()
