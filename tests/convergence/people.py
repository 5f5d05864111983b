"""Customers on both sides, what people do to them, and what has to hold whatever they do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.convergence.world import OpenRun, World
from tests.flows.test_two_way import BACK, THERE

FLOWS = {"people_to_salesforce": THERE, "people_to_brightpearl": BACK}
THERE_FLOW, BACK_FLOW = FLOWS
FIELDS = ("first", "last", "phone", "email")
# the object and field of the linking flow
PLACES = {
    "first": "Contact.FirstName",
    "last": "Contact.LastName",
    "phone": "Account.Phone",
    "email": "Contact.Email",
}
PATHS = {
    "first": "/firstName",
    "last": "/lastName",
    "phone": "/communication/telephones/PRI",
    "email": "/communication/emails/PRI/email",
}
SIDES = ("brightpearl", "salesforce")
_CONFLICT = re.compile(r"(\w+\.\w+) was changed in \w+ and in \w+")
Values = dict[str, str | None]
Sides = dict[str, dict[str, Values]]


@dataclass
class Person:
    """A customer by the name of the company, which nobody changes, and what people have done to it.

    ``pending`` holds what each side was changed to since both last agreed, by field and side; ``excused`` are fields of
    which a run has said since that both sides changed them; ``base`` is what both held after a settled run. ``deleted``
    are the sides that have it no more, and ``agreed`` is what both held until then.
    """

    name: str
    pending: dict[str, dict[str, str | None]] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    base: Values = field(default_factory=dict)
    agreed: Values = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


class People:
    """The customers of a world, and the story of what happened to them."""

    def __init__(self, world: World, tell: Callable[[str], object]) -> None:
        self.world, self.tell = world, tell
        self.known: dict[str, Person] = {}
        self.open: list[OpenRun] = []

    @classmethod
    def begun(cls, world: World, tell: Callable[[str], object]) -> People:
        """The customer P1, whom both sides know, in a world that begins anew."""
        world.begin()
        people = cls(world, tell)
        people.known["P1"] = Person("P1")
        people.note_agreed()
        return people

    # what people do

    def create_here(self) -> None:
        """A new contact in Brightpearl."""
        name = self._new_name()
        desk = self.world.desk
        address = desk.post(
            "contact-service/postal-address", {"addressLine1": "1 Road", "countryIsoCode": "GBR"}
        )
        body = {
            "firstName": "Ann",
            "lastName": "Lee",
            "organisation": {"name": name},
            "postAddressIds": {"DEF": address},
            "communication": {
                "emails": {"PRI": {"email": f"{name.lower()}@b.example"}},
                "telephones": {"PRI": "1"},
            },
        }
        made = desk.post("contact-service/contact", body)
        self.tell(f"{name} is created in Brightpearl as contact {made}")

    def create_there(self) -> None:
        """A new account with a contact in Salesforce."""
        name = self._new_name()
        org = self.world.people
        account = org.create("Account", Name=name, Phone="1")
        email = f"{name.lower()}@s.example"
        org.create("Contact", AccountId=account, FirstName="Ann", LastName="Lee", Email=email)
        self.tell(f"{name} is created in Salesforce as account {account}")

    def _new_name(self) -> str:
        self.world.pass_time(1)
        name = f"P{len(self.known) + 1}"
        self.known[name] = Person(name)
        return name

    def edit(self, side: str, name: str, what: str, value: str | None) -> None:
        """One field of a customer is changed on one side, if the customer is there."""
        self.world.pass_time(1)
        before = self.view()
        mine, other = (before[each].get(name) for each in (side, *(s for s in SIDES if s != side)))
        if mine is None or mine[what] == value:
            return
        if side == "brightpearl":
            self._edit_here(name, what, value)
        else:
            self._edit_there(name, what, value)
        self.tell(f"{name}: {what} becomes {value!r} in {side}, where it was {mine[what]!r}")
        person = self.known[name]
        changed = person.pending.setdefault(what, {})
        [theirs] = [each for each in SIDES if each != side]
        if theirs in changed and mine[what] == changed[theirs] and side not in changed:
            # the other side's edit was here already, and is changed knowingly
            del changed[theirs]
        changed[side] = value
        if what in person.base and person.base[what] == value:
            # taken back before any run saw it
            del changed[side]
        person.excused.discard(what)

    def delete(self, side: str, name: str) -> None:
        """A customer that both sides have is deleted on one of them."""
        self.world.pass_time(1)
        here, there = (held.get(name) for held in self.view().values())
        if not (here and there):
            return
        if side == "brightpearl":
            [contact] = self._contacts(name)
            self.world.sandbox.control("DELETE", f"/brightpearl/contact/{contact['contactId']}")
        else:
            [account] = self._accounts(name)
            answer = self.world.people("DELETE", f"sobjects/Account/{account['Id']}")
            assert answer.status_code == 204, answer.text
        self.known[name].deleted.add(side)
        self.known[name].agreed = {what: here[what] for what in FIELDS if here[what] == there[what]}
        self.tell(f"{name} is deleted in {side}")

    def _edit_here(self, name: str, what: str, value: str | None) -> None:
        [contact] = self._contacts(name)
        path = PATHS[what]
        there: Any = contact
        for step in path.split("/")[1:]:
            there = there.get(step) if isinstance(there, dict) else None
        operation: dict[str, Any] = {
            "op": "add" if there is None else "replace",
            "path": path,
            "value": value,
        }
        if value is None:
            operation = {"op": "remove", "path": path}
        self.world.desk.patch(f"contact-service/contact/{contact['contactId']}", [operation])

    def _edit_there(self, name: str, what: str, value: str | None) -> None:
        object_name, _, field_name = PLACES[what].partition(".")
        [account] = self._accounts(name)
        row = account["Id"] if object_name == "Account" else self._people_of(account["Id"])[0]["Id"]
        answer = self.world.people("PATCH", f"sobjects/{object_name}/{row}", {field_name: value})
        assert answer.status_code == 204, answer.text

    # what both sides hold

    def _contacts(self, name: str) -> list[dict[str, Any]]:
        contacts = self.world.sandbox.snapshot("brightpearl", "contact")
        return [each for each in contacts if (each.get("organisation") or {}).get("name") == name]

    def _accounts(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.world.sandbox.snapshot("salesforce", "Account") if each["Name"] == name]

    def _people_of(self, account: str) -> list[dict[str, Any]]:
        people = self.world.sandbox.snapshot("salesforce", "Contact")
        return [each for each in people if each["AccountId"] == account]

    def view(self) -> Sides:
        """What each side holds of each customer.

        Raises:
            AssertionError: one is on a side twice.
        """
        snapshot = self.world.sandbox.snapshot
        here: dict[str, Values] = {}
        for contact in snapshot("brightpearl", "contact"):
            name = (contact.get("organisation") or {}).get("name")
            if name in self.known:
                assert name not in here, f"{name} is in Brightpearl twice"
                lines = contact.get("communication") or {}
                here[name] = {
                    "first": contact.get("firstName") or None,
                    "last": contact.get("lastName") or None,
                    "phone": (lines.get("telephones") or {}).get("PRI"),
                    "email": ((lines.get("emails") or {}).get("PRI") or {}).get("email"),
                }
        there: dict[str, Values] = {}
        people: dict[str, list[dict[str, Any]]] = {}
        for row in snapshot("salesforce", "Contact"):
            people.setdefault(row["AccountId"], []).append(row)
        for account in snapshot("salesforce", "Account"):
            name = account["Name"]
            if name in self.known:
                assert name not in there, f"{name} is in Salesforce twice"
                mine = people.get(account["Id"], [])
                assert len(mine) < 2, f"{name} has {len(mine)} contacts in Salesforce"
                one = mine[0] if mine else {}
                there[name] = {
                    "first": one.get("FirstName"),
                    "last": one.get("LastName"),
                    "phone": account["Phone"],
                    "email": one.get("Email"),
                }
        found = {"brightpearl": here, "salesforce": there}
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
            here, there = (now[side].get(person.name) for side in SIDES)
            for what in FIELDS:
                if here and there and here[what] == there[what]:
                    person.pending.pop(what, None)
                    person.base[what] = here[what]

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
        if run.summary:
            places = {match[1] for text in run.summary.warnings if (match := _CONFLICT.match(text))}
            for person in self.known.values():
                person.excused |= {what for what in FIELDS if PLACES[what] in places}
        view = self.view()
        for name in self.known:
            for side in SIDES:
                shown = ", ".join(f"{k} {v!r}" for k, v in (view[side].get(name) or {}).items()) or "nothing"
                self.tell(f"    {name} in {side}: {shown}")
        if run.done[-1] == "settle":
            self.note_agreed(view)

    # what has to hold

    def settle(self, order: tuple[str, ...] = tuple(FLOWS)) -> None:
        """Nobody edits any more: after two rounds both sides agree, and the third one writes nothing."""
        self.tell("nobody edits any more")
        expected = {name: {k: dict(v) for k, v in each.pending.items()} for name, each in self.known.items()}
        self.open.clear()
        # note that runs take what people did from the windows, which end where the run begins
        for _ in range(2):
            # as long as letters wait for another look
            self.world.pass_time(60)
            for flow in order:
                run = self.run(flow)
                assert run.summary, f"{run.name} ended as {run.done[-1]}: {run.error}"
        self.agree(expected)
        self.world.sandbox.control("DELETE", "/log")
        for flow in order:
            self.run(flow)
        assert [] == self.world.writes(), "the third round writes"

    def _left_alone(self, person: Person, left: Values | None) -> None:
        """What one side deleted is changed on the other by nobody but people, and their edits are letters."""
        changed = {what for what, value in person.agreed.items() if left and left[what] != value}
        by_nobody = changed - person.pending.keys()
        assert not by_nobody, f"{person.name} was deleted, and {by_nobody} changed on the other side"
        assert not changed or self.letters(), (
            f"{person.name} was deleted, and an edit of {changed} has no letter"
        )

    def letters(self) -> int:
        """How many records wait for a person or for another try."""
        waiting = dead_letter.c.state.in_(("open", "parked", "missing", "retry", "review"))
        with self.world.database.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).where(waiting)).scalar() or 0)

    def agree(self, expected: dict[str, dict[str, dict[str, str | None]]]) -> None:
        """Both sides hold the same, and no edit was lost without a word."""
        view = self.view()
        for name, person in self.known.items():
            here, there = (view[side].get(name) for side in SIDES)
            if person.deleted:
                self._left_alone(person, here or there)
                continue
            assert here is not None and there is not None, f"{name}: brightpearl {here}, salesforce {there}"
            for what in FIELDS:
                assert here[what] == there[what], f"{name} {what}: {here[what]!r} and {there[what]!r}"
            for what, edits in expected[name].items():
                lost = {side: value for side, value in edits.items() if value != here[what]}
                assert len(lost) < len(edits), f"{name} {what}: is {here[what]!r}, nobody wrote that: {edits}"
                assert not lost or what in person.excused, (
                    f"{name} {what}: {lost} is lost without a word; both hold {here[what]!r}"
                )
