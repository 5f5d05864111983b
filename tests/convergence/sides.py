"""What people do with customers in each system, and what each of them holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from airflow_provider_brightpearl.systems.infor.client import Transaction
from tests.convergence.world import World

FIELDS = ("first", "last", "phone", "email")
Values = dict[str, str | None]


class Side(Protocol):
    """The customers of one system, by the name of the company."""

    def create(self, name: str) -> str:
        """A new customer Ann Lee with phone 1; gives its id."""
        ...

    def edit(self, name: str, what: str, value: str | None) -> None: ...

    def delete(self, name: str) -> None: ...

    def held(self) -> Iterator[tuple[str, Values]]:
        """Each customer with its fields, as often as it is there."""
        ...


class Contacts:
    """Contacts of Brightpearl."""

    PATHS = {
        "first": "/firstName",
        "last": "/lastName",
        "phone": "/communication/telephones/PRI",
        "email": "/communication/emails/PRI/email",
    }

    def __init__(self, world: World) -> None:
        self.world = world

    def create(self, name: str) -> str:
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
        return str(desk.post("contact-service/contact", body))

    def edit(self, name: str, what: str, value: str | None) -> None:
        [contact] = self.of(name)
        path = self.PATHS[what]
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

    def delete(self, name: str) -> None:
        [contact] = self.of(name)
        self.world.sandbox.control("DELETE", f"/brightpearl/contact/{contact['contactId']}")

    def of(self, name: str) -> list[dict[str, Any]]:
        contacts = self.world.sandbox.snapshot("brightpearl", "contact")
        return [each for each in contacts if (each.get("organisation") or {}).get("name") == name]

    def held(self) -> Iterator[tuple[str, Values]]:
        for contact in self.world.sandbox.snapshot("brightpearl", "contact"):
            lines = contact.get("communication") or {}
            yield (
                str((contact.get("organisation") or {}).get("name")),
                {
                    "first": contact.get("firstName") or None,
                    "last": contact.get("lastName") or None,
                    "phone": (lines.get("telephones") or {}).get("PRI"),
                    "email": ((lines.get("emails") or {}).get("PRI") or {}).get("email"),
                },
            )


class Accounts:
    """Accounts of Salesforce, each with a contact."""

    PLACES = {
        "first": "Contact.FirstName",
        "last": "Contact.LastName",
        "phone": "Account.Phone",
        "email": "Contact.Email",
    }

    def __init__(self, world: World) -> None:
        self.world = world

    def create(self, name: str) -> str:
        org = self.world.people
        account = org.create("Account", Name=name, Phone="1")
        email = f"{name.lower()}@s.example"
        org.create("Contact", AccountId=account, FirstName="Ann", LastName="Lee", Email=email)
        return account

    def edit(self, name: str, what: str, value: str | None) -> None:
        object_name, _, field_name = self.PLACES[what].partition(".")
        [account] = self.of(name)
        row = account["Id"] if object_name == "Account" else self.people_of(account["Id"])[0]["Id"]
        answer = self.world.people("PATCH", f"sobjects/{object_name}/{row}", {field_name: value})
        assert answer.status_code == 204, answer.text

    def delete(self, name: str) -> None:
        [account] = self.of(name)
        answer = self.world.people("DELETE", f"sobjects/Account/{account['Id']}")
        assert answer.status_code == 204, answer.text

    def merge(self, loser: str, survivor: str) -> None:
        """Merges two accounts, and then their contacts: the survivor keeps its values."""
        [gone], [kept] = self.of(loser), self.of(survivor)
        [their], [own] = self.people_of(gone["Id"]), self.people_of(kept["Id"])
        for name, master, merged in (
            ("Account", kept["Id"], gone["Id"]),
            ("Contact", own["Id"], their["Id"]),
        ):
            answer = self.world.people.merge(name, master, merged)
            assert "<success>true</success>" in answer.text, answer.text

    def of(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.world.sandbox.snapshot("salesforce", "Account") if each["Name"] == name]

    def people_of(self, account: str) -> list[dict[str, Any]]:
        people = self.world.sandbox.snapshot("salesforce", "Contact")
        return [each for each in people if each["AccountId"] == account]

    def held(self) -> Iterator[tuple[str, Values]]:
        people: dict[str, list[dict[str, Any]]] = {}
        for row in self.world.sandbox.snapshot("salesforce", "Contact"):
            people.setdefault(row["AccountId"], []).append(row)
        for account in self.world.sandbox.snapshot("salesforce", "Account"):
            mine = people.get(account["Id"], [])
            assert len(mine) < 2, f"{account['Name']} has {len(mine)} contacts in Salesforce"
            one = mine[0] if mine else {}
            yield (
                account["Name"],
                {
                    "first": one.get("FirstName"),
                    "last": one.get("LastName"),
                    "phone": account["Phone"],
                    "email": one.get("Email"),
                },
            )


class Customers:
    """Customers of M3. The reference has both names of the person."""

    def __init__(self, world: World) -> None:
        self.world = world

    def create(self, name: str) -> str:
        self._do(
            "Add", CUNO=f"C{name}", CUTM="WEB", CUNM=name, CUA1="1 Road", CSCD="GB", YREF="Ann Lee", PHNO="1",
            MAIL=f"{name.lower()}@m.example",
        )  # fmt: skip
        return f"C{name}"

    def edit(self, name: str, what: str, value: str | None) -> None:
        [(number, held)] = [
            (row["CUNO"], _customer(row)) for row in self.world.m3("customers") if row["CUNM"] == name
        ]
        new = {**held, what: value}
        field_name = {"phone": "PHNO", "email": "MAIL"}.get(what, "YREF")
        text = f"{new['first']} {new['last']}" if field_name == "YREF" else str(value)
        self._do("ChgBasicData", CUNO=number, **{field_name: text})

    def delete(self, name: str) -> None:
        [number] = [row["CUNO"] for row in self.world.m3("customers") if row["CUNM"] == name]
        self._do("Delete", CUNO=number)

    def _do(self, transaction: str, **fields: str) -> None:
        [answer] = self.world.m3_people.bulk("CRS610MI", [Transaction(transaction, fields)])
        assert answer.done, answer.reason

    def held(self) -> Iterator[tuple[str, Values]]:
        for row in self.world.m3("customers"):
            yield row["CUNM"], _customer(row)


def _customer(row: dict[str, Any]) -> Values:
    first, _, last = str(row.get("YREF") or "").partition(" ")
    return {
        "first": first or None,
        "last": last or None,
        "phone": row.get("PHNO") or None,
        "email": row.get("MAIL") or None,
    }
