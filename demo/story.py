"""The faults at the start, the changes in Brightpearl between the passes, and the corrections."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.expected.infor_journals import ACCOUNTS, moves_money
from demo.expected.records import NOWHERE, Record, Source, is_customer
from demo.sandbox import Sandbox

ACTIVITY = {
    "customers_changed": 40,
    "products_changed": 15,
    "orders_changed": 60,
    "orders_created": 30,
    "stock_corrected": 10,
    "notes_shipped": 10,
    "parts_shipped": 5,
    "drop_shipped": 3,
    "credits_created": 4,
    "seed": 11,
}
BAD_EMAIL = "address unknown"
# a way to pay that M3's bookkeepers have no account for yet
NEW_METHOD, ITS_ACCOUNT = "KLARNA", "1240"
ALL_ACCOUNTS = ACCOUNTS | {NEW_METHOD: ITS_ACCOUNT}
# of so many customers one is spoiled in each way, and of so many payments one; more than two in a hundred
# would close the gate
ONE_CUSTOMER_IN, ONE_PAYMENT_IN = 500, 200
# repaid, captured, and only authorised, which moves no money
PAYMENTS = (("PAYMENT", "12.00"), ("CAPTURE", "99.00"), ("AUTH", "0.00"))


@dataclass(frozen=True, slots=True)
class Spoiled:
    """What customers had before they were spoiled, by id: their email address; address id and country."""

    emails: dict[str, str]
    countries: dict[str, tuple[int, str]]


def spoil(sandbox: Sandbox, source: Source) -> Spoiled:
    """Breaks customers for Salesforce, customers for both, and payments for M3."""
    customers = [each for each in source["contact"] if is_customer(each)]
    many = max(1, len(customers) // ONE_CUSTOMER_IN)
    orders = Counter(_customers(source).values())
    by_id = {contact["contactId"]: contact for contact in customers}
    emails = {
        str(id): _email(by_id[id]) for id, _ in orders.most_common() if id in by_id and _email(by_id[id])
    }
    emails = dict(list(emails.items())[:many])
    countries = _countries(source, [id for id in orders if id in by_id and str(id) not in emails], many)
    for contact in emails:
        _set_email(sandbox, contact, BAD_EMAIL)
    for address, _ in countries.values():
        _set_country(sandbox, address, NOWHERE)
    payments = [each for each in source["customer-payment"] if moves_money(each)]
    for payment in payments[: max(1, len(payments) // ONE_PAYMENT_IN)]:
        change = {"paymentMethodCode": NEW_METHOD}
        sandbox.control("PATCH", f"/brightpearl/customer-payment/{payment['paymentId']}", change)
    return Spoiled(emails, countries)


def _countries(source: Source, customers: list[int], count: int) -> dict[str, tuple[int, str]]:
    """Customers with orders of which nothing is shipped, with address and country.

    What M3 hears of a shipment after the stock was counted makes its count wrong until the next one.
    """
    of_order = _customers(source)
    shipped = {
        of_order.get(note["orderId"]) for note in source["goods-out-note"] if note["status"]["shipped"]
    }
    contacts = {each["contactId"]: each for each in source["contact"]}
    countries = {each["addressId"]: each["countryIsoCode"] for each in source["postal-address"]}
    chosen = [id for id in customers if id not in shipped][:count]
    addresses = {str(id): contacts[id]["postAddressIds"]["BIL"] for id in chosen}
    return {id: (address, countries[address]) for id, address in addresses.items()}


def _customers(source: Source) -> dict[int, int]:
    """The customer of each order; a purchase has a supplier."""
    orders = (order for order in source["order"] if "customer" in order["parties"])
    return {order["id"]: order["parties"]["customer"]["contactId"] for order in orders}


def repair(sandbox: Sandbox, spoiled: Spoiled, mappings: Path) -> None:
    """Gives customers back what they had, and payments an account, in the lookup file of the flow."""
    for contact, email in spoiled.emails.items():
        _set_email(sandbox, contact, email)
    for contact, (address, country) in spoiled.countries.items():
        _set_country(sandbox, address, country)
        # an address has no date of change, its contact has
        sandbox.control("PATCH", f"/brightpearl/contact/{contact}")
    with (mappings / "lookups" / "m3_accounts.csv").open("a") as file:
        file.write(f"{NEW_METHOD},{ITS_ACCOUNT}\n")


def a_day(sandbox: Sandbox, source: Source) -> None:
    """Lets orders come in and move on, goods be shipped, and customers, products and payments change."""
    sandbox.control("POST", "/brightpearl/activity", ACTIVITY)
    payments = [each for each in source["customer-payment"] if moves_money(each)]
    for place, (kind, amount) in enumerate(PAYMENTS):
        like = payments[-1 - place]
        kept = {name: like[name] for name in ("orderId", "currencyId", "currencyCode", "paymentMethodCode")}
        new = {"paymentType": kind, "amountPaid": amount, "amountAuthorized": "0.00", "journalId": None}
        dates = {"paymentDate": like["paymentDate"], "expires": None}
        words = {"transactionRef": f"PSP-NEW-{place}", "transactionCode": f"NEW{place}"}
        sandbox.control("POST", "/brightpearl/customer-payment", kept | new | dates | words)


def _email(contact: Record) -> str:
    return str(contact["communication"]["emails"].get("PRI", {}).get("email") or "")


def _set_email(sandbox: Sandbox, contact: str, email: str) -> None:
    patch: dict[str, Any] = {"communication": {"emails": {"PRI": {"email": email}}}}
    sandbox.control("PATCH", f"/brightpearl/contact/{contact}", patch)


def _set_country(sandbox: Sandbox, address: int, code: str) -> None:
    sandbox.control("PATCH", f"/brightpearl/postal-address/{address}", {"countryIsoCode": code})
