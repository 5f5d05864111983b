"""What happens in Brightpearl between the passes, and what may be written because of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from demo.compare import KEYS
from demo.expected import Expected, Link, Record
from demo.sandbox import Sandbox

SOURCE = ("contact", "postal-address", "product", "product-price", "order")
ACTIVITY = {
    "customers_changed": 40,
    "products_changed": 15,
    "orders_changed": 60,
    "orders_created": 30,
    "seed": 11,
}
BAD_EMAIL = "address unknown"


@dataclass(frozen=True, slots=True)
class Touched:
    """Ids of the source records that something happened to."""

    customers: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()


Snapshot = Mapping[str, list[Record]]


def source(sandbox: Sandbox) -> Snapshot:
    """Brightpearl's records, as far as the flows use them."""
    return {name: list(sandbox.snapshot("brightpearl", name)) for name in SOURCE}


def target(sandbox: Sandbox) -> Snapshot:
    """Salesforce's records."""
    return {name: list(sandbox.snapshot("salesforce", name)) for name in KEYS}


def spoil(sandbox: Sandbox, records: Mapping[str, Iterable[Record]], count: int) -> dict[str, str]:
    """Gives the customers with most orders an e-mail address that is none; what they had, by id."""
    orders = Counter(order["parties"]["customer"]["contactId"] for order in records["order"])
    by_id = {contact["contactId"]: contact for contact in records["contact"]}
    chosen = [contact for contact, _ in orders.most_common() if _email(by_id.get(contact))][:count]
    was = {str(contact): str(_email(by_id[contact])) for contact in chosen}
    for contact in was:
        _set_email(sandbox, contact, BAD_EMAIL)
    return was


def repair(sandbox: Sandbox, emails: Mapping[str, str]) -> None:
    """Gives customers their e-mail address back."""
    for contact, email in emails.items():
        _set_email(sandbox, contact, email)


def _email(contact: Record | None) -> str | None:
    return contact["communication"]["emails"].get("PRI", {}).get("email") if contact else None


def _set_email(sandbox: Sandbox, contact: str, email: str) -> None:
    patch: dict[str, Any] = {"communication": {"emails": {"PRI": {"email": email}}}}
    sandbox.control("PATCH", f"/brightpearl/contact/{contact}", patch)


def a_day(sandbox: Sandbox) -> Touched:
    """Lets orders come in and move on, and customers and products change."""
    ids = sandbox.control("POST", "/brightpearl/activity", ACTIVITY)
    orders = [*ids["orders_created"], *ids["orders_changed"]]
    return Touched(
        frozenset(map(str, ids["customers_changed"])),
        frozenset(map(str, ids["products_changed"])),
        frozenset(map(str, orders)),
    )


def may_be_written(touched: Touched, wanted: Expected) -> dict[str, set[str]]:
    """Per object the keys of the Salesforce records that come from touched source records."""
    items = wanted.records["OrderItem"].items()
    entries = wanted.records["PricebookEntry"].items()
    return {
        "Account": set(touched.customers),
        "Contact": set(touched.customers),
        "Product2": set(touched.products),
        "PricebookEntry": {
            key for key, fields in entries if _belongs(fields["Product2Id"], touched.products)
        },
        "Order": set(touched.orders),
        "OrderItem": {key for key, fields in items if _belongs(fields["OrderId"], touched.orders)},
        "Pricebook2": set(),
    }


def _belongs(link: object, keys: frozenset[str]) -> bool:
    return isinstance(link, Link) and link.key in keys
