"""Customers on both sides, what people do to them, and what has to hold whatever they do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from airflow_provider_brightpearl.stores.tables import conflict, dead_letter
from tests.convergence.sides import FIELDS, Accounts, Contacts, Customers, Side, Values
from tests.convergence.world import OpenRun, World
from tests.flows.test_two_way import BACK, THERE

TWO = {"people_to_salesforce": THERE, "people_to_brightpearl": BACK}
THERE_FLOW, BACK_FLOW = TWO
M3_THERE = """
flow: people_to_infor
source: brightpearl.contacts
target: infor
window: {lookback: 0m, delay: 0m}
objects:
  Customer:
    key: {contactId: contactId}
    fields:
      CUNO: >-
        CASE WHEN has_ref('people_to_infor.Customer', contactId) THEN ref('people_to_infor.Customer', contactId)
        ELSE 'BP' || contactId END
      CUTM: "'WEB'"
      CUNM: text(organisation.name)
      CUA1: "'-'"
      CSCD: "'GB'"
      YREF: text(concat_ws(' ', firstName, lastName))
      PHNO: text(communication.telephones.PRI)
      MAIL: lower(text(communication.emails.PRI.email))
    create_only: [CUTM, CUA1, CSCD]
authority:
  default: brightpearl
  fields: {Customer.PHNO: infor}
"""
M3_BACK = """
flow: infor_people_to_brightpearl
source: infor.customers
target: brightpearl
window: {lookback: 0m, delay: 0m}
objects:
  Contact:
    key: {customer: CUNO}
    fields:
      companyName: text(CUNM)
      firstName: split_part(text(YREF), ' ', 1)
      lastName: text(substr(text(YREF), length(split_part(text(YREF), ' ', 1)) + 1))
      telephone: text(PHNO)
      primaryEmail: lower(text(MAIL))
  Address:
    key: {customer: CUNO}
    parent: {contactId: Contact}
    fields: {type: "'DEF'", countryIsoCode: "'GBR'"}
    create_only: [type, countryIsoCode]
reverse:
  of: people_to_infor
  objects: {Customer: CUNO}
  fields:
    Contact.companyName: Customer.CUNM
    Contact.firstName: Customer.YREF
    Contact.lastName: Customer.YREF
    Contact.telephone: Customer.PHNO
    Contact.primaryEmail: Customer.MAIL
"""
THREE = {**TWO, "people_to_infor": M3_THERE, "infor_people_to_brightpearl": M3_BACK}
M3_THERE_FLOW, M3_BACK_FLOW = list(THREE)[2:]
# objects and fields of the linking flows
PLACES = {
    "first": ("Contact.FirstName", "Customer.YREF"),
    "last": ("Contact.LastName", "Customer.YREF"),
    "phone": ("Account.Phone", "Customer.PHNO"),
    "email": ("Contact.Email", "Customer.MAIL"),
}
SIDES = ("brightpearl", "salesforce", "infor")
_CONFLICT = re.compile(r"(\w+\.\w+) was changed in \w+ and in \w+")
# in which nobody edits until all sides agree, and after which nothing is written. Of three of them see ADR 0024
ROUNDS = {2: 2, 3: 3}
Sides = dict[str, dict[str, Values]]


@dataclass
class Person:
    """A customer by the name of the company, which nobody changes, and what people have done to it.

    ``pending`` holds what each side was changed to since both last agreed, by field and side; ``excused`` are fields of
    which a run has said since that both sides changed them; ``base`` is what both held after a settled run. ``deleted``
    are the sides that have it no more, and ``agreed`` is what all held until then. ``merged``: its account was merged
    into another one. ``heir``: into its account one was merged whose contact Brightpearl has no more.
    """

    name: str
    pending: dict[str, dict[str, str | None]] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    base: Values = field(default_factory=dict)
    agreed: Values = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    merged: bool = False
    heir: bool = False


class People:
    """The customers of a world, and the story of what happened to them."""

    def __init__(self, world: World, tell: Callable[[str], object]) -> None:
        self.world, self.tell = world, tell
        self.flows = tuple(TWO) if world.systems == 2 else tuple(THREE)
        self.contacts, self.accounts = Contacts(world), Accounts(world)
        every: dict[str, Side] = {
            "brightpearl": self.contacts,
            "salesforce": self.accounts,
            "infor": Customers(world),
        }
        self.sides = {name: every[name] for name in SIDES[: world.systems]}
        self.known: dict[str, Person] = {}
        self.open: list[OpenRun] = []

    @classmethod
    def begun(cls, world: World, tell: Callable[[str], object]) -> People:
        """The customer P1, whom all sides know, in a world that begins anew."""
        world.begin()
        people = cls(world, tell)
        people.known["P1"] = Person("P1")
        people.note_agreed()
        return people

    # what people do

    def create(self, side: str) -> None:
        """A new customer on one side."""
        self.world.pass_time(1)
        name = f"P{len(self.known) + 1}"
        self.known[name] = Person(name)
        self.tell(f"{name} is created in {side} as {self.sides[side].create(name)}")

    def edit(self, side: str, name: str, what: str, value: str | None) -> None:
        """One field of a customer is changed on one side, if the customer is there."""
        self.world.pass_time(1)
        mine = self.view()[side].get(name)
        if mine is None or mine[what] == value:
            return
        self.sides[side].edit(name, what, value)
        self.tell(f"{name}: {what} becomes {value!r} in {side}, where it was {mine[what]!r}")
        person = self.known[name]
        changed = person.pending.setdefault(what, {})
        for theirs in [each for each in changed if each != side and side not in changed]:
            if mine[what] == changed[theirs]:
                # the other side's edit was here already, and is changed knowingly
                del changed[theirs]
        changed[side] = value
        if what in person.base and person.base[what] == value:
            # taken back before any run saw it
            del changed[side]
        person.excused.discard(what)

    def delete(self, side: str, name: str) -> None:
        """A customer that all sides have is deleted on one of them."""
        self.world.pass_time(1)
        held = [each.get(name) for each in self.view().values()]
        if not all(held):
            return
        self.sides[side].delete(name)
        self._note_gone(side, name, held)
        self.tell(f"{name} is deleted in {side}")

    def merge(self, loser: str, survivor: str) -> None:
        """Two accounts of Salesforce are merged, as far as both are there, whoever knows them."""
        self.world.pass_time(1)
        view = self.view()
        there = view["salesforce"]
        whole = [name for name in (loser, survivor) if name in there and there[name]["last"] is not None]
        if loser == survivor or len(whole) < 2:
            return
        self.accounts.merge(loser, survivor)
        self._note_gone("salesforce", loser, [each.get(loser) for each in view.values()])
        self.known[loser].merged = True
        self.known[survivor].heir |= "brightpearl" in self.known[loser].deleted or self.known[loser].heir
        # what the survivor takes along is up to the links: only that all sides agree counts
        if not self.known[survivor].deleted:
            self.known[survivor].pending, self.known[survivor].base = {}, {}
        self.tell(f"{loser} is merged into {survivor}")

    def _note_gone(self, side: str, name: str, held: Sequence[Values | None]) -> None:
        person = self.known[name]
        person.deleted.add(side)
        first = held[0] or {}
        person.agreed = {
            what: value for what, value in first.items() if all(each and each[what] == value for each in held)
        }

    # what the sides hold

    def view(self) -> Sides:
        """What each side holds of each customer.

        Raises:
            AssertionError: one is on a side twice, or back where it was deleted.
        """
        found: Sides = {}
        for side, customers in self.sides.items():
            mine = found[side] = {}
            for name, values in customers.held():
                if name in self.known:
                    assert name not in mine, f"{name} is in {side} twice"
                    mine[name] = values
        for person in self.known.values():
            for side in person.deleted:
                assert person.name not in found[side], f"{person.name} was deleted in {side}, and is back"
        return found

    def note_agreed(self, now: Sides | None = None) -> None:
        """Fields on which both sides agree have nothing pending."""
        if any(not each.ended for each in self.open):
            return
        now = now or self.view()
        for person in self.known.values():
            held = [each.get(person.name) for each in now.values()]
            first = held[0]
            for what in FIELDS:
                if first and all(each and each[what] == first[what] for each in held):
                    person.pending.pop(what, None)
                    person.base[what] = first[what]

    # runs

    def start(self, flow: str) -> None:
        """A run begins, and does nothing yet."""
        self.open.append(self.world.start(flow))

    def step(self, run: OpenRun) -> None:
        """The next stage of an open run."""
        stage = run.step()
        self.tell(f"{run.run} of {run.name}: {stage}{self._said(run)}")
        self._after(run)

    def run(self, flow: str) -> OpenRun:
        """A whole run."""
        run = self.world.start(flow)
        run.finish()
        self.tell(f"{run.run} of {run.name}: {run.done[-1]}{self._said(run)}")
        self._after(run)
        return run

    def kill(self, flow: str, steps: int, *, from_write: bool = False) -> None:
        """A run that dies after so many requests, answers and commits, counted from its start or its first write."""
        self.world.fuse.light(steps, from_write=from_write)
        self.tell(f"a run dies at step {steps}" + (" from its first write on" if from_write else ""))
        self.run(flow)
        self.world.fuse.left = -1

    def lose(self, flow: str, skip: int, times: int, drop: str) -> None:
        """A run whose calls are lost on the way: some of those that write, or their answers."""
        self.tell(f"{drop} {times} writing calls after {skip} the connection is lost")
        for system in self.sides:
            rule = {"system": system, "path": "^(?!.*token)", "drop": drop, "skip": skip, "times": times}
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                self.world.sandbox.control("POST", "/faults", {**rule, "method": method})
        self.run(flow)
        self.world.sandbox.control("DELETE", "/faults")

    def _said(self, run: OpenRun) -> str:
        if run.error:
            return f" with {type(run.error).__name__}: {run.error}"
        if run.summary:
            counts = run.summary.counts
            found = {
                name: getattr(counts, name)
                for name in ("created", "updated", "unchanged", "rejected", "parked")
            }
            said = [f"{count} {name}" for name, count in found.items() if count]
            reasons = [reason for reason, _ in run.summary.reasons]
            return " " + ", ".join([*said, *run.summary.warnings, *reasons] or ["nothing"])
        return ""

    def _after(self, run: OpenRun) -> None:
        self.open = [each for each in self.open if not each.ended]
        if run.done[-1] not in ("load", "settle", "killed", "failed"):
            return
        places = self._recorded(run)
        if run.summary:
            places |= {match[1] for text in run.summary.warnings if (match := _CONFLICT.match(text))}
        for person in self.known.values():
            person.excused |= {what for what in FIELDS if not places.isdisjoint(PLACES[what])}
        view = self.view()
        for name in self.known:
            for side in self.sides:
                shown = ", ".join(f"{k} {v!r}" for k, v in (view[side].get(name) or {}).items()) or "nothing"
                self.tell(f"    {name} in {side}: {shown}")
        if run.done[-1] == "settle":
            self.note_agreed(view)

    def _recorded(self, run: OpenRun) -> set[str]:
        """The fields of the conflicts that a run has recorded, also one that was abandoned once it had written."""
        query = sa.select(conflict.c.object, conflict.c.field).where(
            conflict.c.run.startswith(f"{run.run}@", autoescape=True)
        )
        with self.world.database.connect() as connection:
            return {f"{row.object}.{row.field}" for row in connection.execute(query)}

    # what has to hold

    def settle(self, order: Sequence[str] = (), rounds: int = 0) -> None:
        """Nobody edits any more: after a few rounds all sides agree, and another one writes nothing."""
        self.tell("nobody edits any more")
        expected = {name: {k: dict(v) for k, v in each.pending.items()} for name, each in self.known.items()}
        self.open.clear()
        # note that runs take what people did from the windows, which end where the run begins
        for _ in range(rounds or ROUNDS[len(self.sides)]):
            # as long as letters wait for another look
            self.world.pass_time(60)
            for flow in order or self.flows:
                run = self.run(flow)
                assert run.summary, f"{run.name} ended as {run.done[-1]}: {run.error}"
        self.agree(expected)
        self.world.sandbox.control("DELETE", "/log")
        before = self.world.m3("customers")
        for flow in order or self.flows:
            self.run(flow)
        assert [] == self.world.writes(), "another round writes"
        assert before == self.world.m3("customers"), "another round writes to M3"

    def letters(self) -> int:
        """How many records wait for a person or for another try."""
        waiting = dead_letter.c.state.in_(("open", "parked", "missing", "retry", "review"))
        with self.world.database.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).where(waiting)).scalar() or 0)

    def agree(self, expected: dict[str, dict[str, Values]]) -> None:
        """Sides that are still linked hold the same, and no edit was lost without a word."""
        view = self.view()
        for name, person in self.known.items():
            held = {side: view[side].get(name) for side in self.sides if side not in person.deleted}
            if "brightpearl" not in held:
                # nothing leads from one side to the other any more
                for side, values in held.items():
                    self._left_alone(person, side, values)
                continue
            if len(held) == 1 or person.merged:
                # a survivor that was not linked takes over the link, and with it the contact
                self._left_alone(person, "brightpearl", held["brightpearl"])
                if person.merged:
                    continue
            if person.heir and not held["brightpearl"]:
                assert self.letters(), f"{name} takes the place of a deleted contact, and has no letter"
                continue
            assert all(held.values()), f"{name}: {held}"
            self._same(person, {side: values for side, values in held.items() if values}, expected[name])

    def _left_alone(self, person: Person, side: str, left: Values | None) -> None:
        """What another side deleted is changed on this one by nobody but people, and their edits are letters."""
        changed = {what for what, value in person.agreed.items() if left and left[what] != value}
        by_nobody = changed - person.pending.keys()
        assert not by_nobody, f"{person.name} was deleted, and {by_nobody} changed in {side}"
        assert not changed or self.letters(), (
            f"{person.name} was deleted, and an edit of {changed} in {side} has no letter"
        )

    def _same(self, person: Person, held: dict[str, Values], expected: dict[str, Values]) -> None:
        name, here = person.name, held["brightpearl"]
        for what in FIELDS:
            found = {side: values[what] for side, values in held.items()}
            assert len(set(found.values())) == 1, f"{name} {what}: {found}"
        for what, edits in expected.items():
            lost = {side: value for side, value in edits.items() if value != here[what]}
            # of one field of M3, one side's first name may win over the other's last name
            joined = "infor" in held and what in ("first", "last") and what in person.excused
            assert len(lost) < len(edits) or joined or edits.keys() <= person.deleted, (
                f"{name} {what}: is {here[what]!r}, nobody wrote that: {edits}"
            )
            mine = {side: value for side, value in lost.items() if side not in person.deleted}
            assert not mine or what in person.excused, (
                f"{name} {what}: {mine} is lost without a word; all hold {here[what]!r}"
            )
