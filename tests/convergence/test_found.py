"""What the machine of test_convergence has found, step by step, and what would be without links."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.runtime import run as stages
from tests.convergence.people import BACK_FLOW, THERE_FLOW, TWO, People
from tests.convergence.sides import FIELDS


@pytest.mark.parametrize("steps", range(8))
def test_a_contact_whose_creation_has_no_answer_yet_gets_no_second_account(
    people: People, steps: int
) -> None:
    people.create("salesforce")
    people.kill(BACK_FLOW, steps, from_write=True)
    people.run(THERE_FLOW)
    people.settle()


@pytest.mark.parametrize("steps", range(5))
def test_an_account_whose_creation_has_no_answer_yet_gets_no_second_contact(
    people: People, steps: int
) -> None:
    people.create("brightpearl")
    # by which it would be found
    people.edit("brightpearl", "P2", "email", None)
    people.kill(THERE_FLOW, steps, from_write=True)
    people.run(BACK_FLOW)
    people.settle()


@pytest.mark.parametrize("what", FIELDS)
def test_an_account_that_was_deleted_stays_so_and_an_edit_of_its_contact_is_a_letter(
    people: People, what: str
) -> None:
    people.delete("salesforce", "P1")
    people.edit("brightpearl", "P1", what, f"new@{what}.example")
    people.settle()
    assert (1, 1) == (len(people.contacts.of("P1")), people.letters())


def test_a_contact_that_was_deleted_stays_so_and_an_edit_of_its_account_is_a_letter(people: People) -> None:
    people.delete("brightpearl", "P1")
    people.edit("salesforce", "P1", "phone", "2")
    run = people.run(BACK_FLOW)
    assert run.summary and (run.summary.warnings, people.letters()) == ((), 1)
    people.settle()


def test_a_person_who_was_deleted_in_salesforce_empties_nothing_in_brightpearl(people: People) -> None:
    [account] = people.accounts.of("P1")
    [person] = people.accounts.people_of(account["Id"])
    assert 204 == people.world.people("DELETE", f"sobjects/Contact/{person['Id']}").status_code
    people.edit("brightpearl", "P1", "first", "Bob")
    for flow in (THERE_FLOW, BACK_FLOW, THERE_FLOW, BACK_FLOW):
        people.run(flow)
    held = people.view()["brightpearl"]["P1"]
    assert ("Bob", "Lee", "p1@b.example") == (held["first"], held["last"], held["email"])
    assert 1 == people.letters()


def test_without_links_each_round_creates_what_the_other_direction_has_created(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "open_two_way", lambda *_: None)
    people.create("salesforce")
    # by which contacts are found again
    people.edit("salesforce", "P2", "email", None)
    sizes: list[tuple[int, int]] = []
    for _ in range(3):
        for flow in (BACK_FLOW, THERE_FLOW):
            people.world.start(flow).finish()
        sizes.append((len(people.contacts.of("P2")), len(people.accounts.of("P2"))))
    assert [(1, 2), (2, 3), (3, 4)] == sizes


@pytest.mark.parametrize("known", ["both", "loser", "survivor", "none", "unwritten"])
@pytest.mark.parametrize("order", [TWO, [*TWO][::-1]], ids=["there first", "back first"])
def test_merged_accounts_agree_with_their_contacts(people: People, known: str, order: list[str]) -> None:
    """Unwritten: both are linked by the flow into Brightpearl, and hold no key of the other flow yet."""
    people.create("salesforce")
    loser, survivor = ("P2", "P1") if known == "survivor" else ("P1", "P2")
    if known in ("none", "unwritten"):
        people.create("salesforce")
        loser, survivor = "P2", "P3"
    if known == "unwritten":
        people.run(BACK_FLOW)
    if known == "both":
        people.settle()
    people.merge(loser, survivor)
    people.settle(order=tuple(order))
    # two contacts that nobody has merged stay two
    assert (known in ("both", "unwritten")) is bool(people.contacts.of(loser))


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("edited", ["at once", "later"])
def test_of_merged_accounts_the_loser_s_contact_says_that_it_has_none_when_somebody_edits_it(
    people: People, written: bool, edited: str
) -> None:
    """Not written: accounts that the flow into Brightpearl has linked have no key of the other flow yet."""
    people.create("salesforce")
    people.create("salesforce")
    people.run(BACK_FLOW)
    if written:
        people.settle()
    people.merge("P2", "P3")
    if edited == "later":
        people.settle()
    people.edit("brightpearl", "P2", "phone", "2")
    people.settle()
    assert people.letters()
    assert "1" == people.view()["salesforce"]["P3"]["phone"]
    people.edit("brightpearl", "P3", "phone", "3")
    people.settle()
    assert "3" == people.view()["salesforce"]["P3"]["phone"]


@pytest.mark.parametrize(
    ("side", "flow", "other"),
    [("brightpearl", THERE_FLOW, "salesforce"), ("salesforce", BACK_FLOW, "brightpearl")],
)
def test_an_edit_back_to_what_its_flow_has_read_last_is_an_edit(
    people: People, side: str, flow: str, other: str
) -> None:
    people.edit(side, "P1", "phone", "2")
    people.run(flow)
    people.edit(other, "P1", "phone", "1")
    people.settle()
    assert "1" == people.view()[side]["P1"]["phone"]


@pytest.mark.parametrize("order", [TWO, [*TWO][::-1]], ids=["there first", "back first"])
def test_an_account_that_inherits_the_link_of_a_deleted_contact_is_a_letter(
    people: People, order: list[str]
) -> None:
    people.create("salesforce")
    people.delete("brightpearl", "P1")
    people.merge("P1", "P2")
    people.settle(order=tuple(order))
    assert people.letters()
    assert not people.contacts.of("P2")
