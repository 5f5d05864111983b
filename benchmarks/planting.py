"""Plants accounts with a contact, and activated orders, in a simulated Salesforce."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from more_itertools import chunked
from simple_salesforce import Salesforce

from airflow_provider_brightpearl.sandbox.salesforce.datetimes import stamp
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.http.transport import new_session
from demo.sandbox import CONNECTIONS

_AT_ONCE = 200
_PLACE = {"Street": "1 High Street", "City": "Bath", "PostalCode": "BA1 1AA", "CountryCode": "GB"}
Values = Mapping[str, Any]


class Org:
    """Adds and changes records, by the API that everybody uses."""

    def __init__(self, url: str) -> None:
        extra = CONNECTIONS["salesforce_default"]["extra"]
        login = {name: extra[name] for name in ("consumer_key", "consumer_secret", "domain")}
        self.salesforce = Salesforce(**login, session=new_session(endpoint_override=url))

    def add(self, kind: str, count: int, values: Callable[[int], Values]) -> Iterator[str]:
        """Ids of as many new records, in their order."""
        for numbers in chunked(range(count), _AT_ONCE):
            records = [{"attributes": {"type": kind}, **values(number)} for number in numbers]
            yield from self._send("POST", records)

    def change(self, kind: str, ids: Sequence[str], values: Values) -> None:
        for some in chunked(ids, _AT_ONCE):
            self._send("PATCH", [{"attributes": {"type": kind}, "id": each, **values} for each in some])

    def _send(self, method: str, records: list[dict[str, Any]]) -> list[str]:
        body = {"allOrNone": True, "records": records}
        answers = self.salesforce.restful("composite/sobjects", method=method, json=body)
        if wrong := [answer for answer in answers if not answer["success"]]:
            raise RuntimeError(f"{method} {records[0]}: {wrong[0]}")
        return [answer["id"] for answer in answers]


def plant_accounts(sandbox: Sandbox, count: int) -> None:
    """Accounts of customers made an hour ago, each with a contact that has an email of its own.

    They go past the API into the store of a sandbox of this process: 200,000 would take minutes.
    """
    org = sandbox._server.config.app.state.systems["salesforce"].org  # type: ignore[union-attr]
    made = stamp(org.clock.now() - timedelta(hours=1))
    of_all = {"CreatedDate": made, "LastModifiedDate": made, "SystemModstamp": made, "OwnerId": org.user}
    of_all |= {"CreatedById": org.user, "LastModifiedById": org.user, "CurrencyIsoCode": "GBP"}
    places = {
        kind: {f"{kind}{name}": each for name, each in _PLACE.items()} for kind in ("Billing", "Mailing")
    }
    accounts, contacts = org.store["Account"], org.store["Contact"]
    for number in range(count):
        account = {"Id": accounts.next_id(), "Name": f"Shop {number:06}", "Type": "Customer"}
        accounts.insert({**account, **places["Billing"], **of_all})
        who = {"FirstName": "Ada", "LastName": f"Marsh {number:06}", "Name": f"Ada Marsh {number:06}"}
        who |= {"Email": f"ada.{number:06}@example.com", "AccountId": account["Id"]}
        contacts.insert({"Id": contacts.next_id(), **who, **places["Mailing"], **of_all})


def plant_orders(sandbox: Any, count: int) -> None:
    """Activated orders of one row for customers and products that Brightpearl knows; of a sandbox of any process."""
    org = Org(sandbox.url)
    accounts = [
        row["Id"] for row in sandbox.snapshot("salesforce", "Account") if row.get("Brightpearl_Id__c")
    ]
    entries = [
        row
        for row in sandbox.snapshot("salesforce", "PricebookEntry")
        if row.get("Brightpearl_Id__c") and row["CurrencyIsoCode"] == "GBP"
    ]
    book = entries[0]["Pricebook2Id"]
    entries = [row for row in entries if row["Pricebook2Id"] == book]
    places = {f"{side}{name}": each for side in ("Billing", "Shipping") for name, each in _PLACE.items()}
    head = {"CurrencyIsoCode": "GBP", "EffectiveDate": "2026-03-31", "Status": "Draft", **places}
    orders = list(
        org.add(
            "Order",
            count,
            lambda n: {
                "AccountId": accounts[n % len(accounts)],
                "Pricebook2Id": book,
                "PoNumber": f"PO{n}",
                **head,
            },
        )
    )
    rows = org.add(
        "OrderItem",
        count,
        lambda n: {
            "OrderId": orders[n],
            "PricebookEntryId": entries[n % len(entries)]["Id"],
            "Quantity": 1 + n % 7,
            "UnitPrice": f"{n % 100}.{n % 97:02}",
        },
    )
    if count != sum(1 for _ in rows):
        raise RuntimeError("rows of orders are missing")
    org.change("Order", orders, {"Status": "Activated"})
