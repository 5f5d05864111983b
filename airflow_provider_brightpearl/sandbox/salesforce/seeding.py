"""Seeds the org with users, standard records and a few accounts that exist before any sync."""

from __future__ import annotations

from datetime import timedelta

from ..countries import COUNTRIES
from .datetimes import stamp
from .objects.orders import STATUSES
from .org import Org
from .store import Row

ADMIN = "admin@acme.example"
PRICE_BOOKS = ("Trade", "Retail EUR", "Retail USD", "Wholesale")
OLD_ACCOUNTS = (
    ("Northgate Interiors", "Leeds", "GB", "Retail"),
    ("Maison Verte", "Lyon", "FR", "Wholesale"),
    ("Harbour & Finch Ltd", "Bristol", "GB", "Trade"),
    ("Skåne Möbler AB", "Malmö", "SE", "Customer"),
    ("Kestrel Outdoor Inc.", "Portland", "US", "Prospect"),
)


def seed_org(org: Org, seed: int) -> None:
    """Clear the org and create its initial records."""
    org.clear(seed)
    username = str(org.settings["username"])
    org.user = _person(org, username, "Integration", "User")
    _person(org, ADMIN, "Ada", "Admin")
    org.organization = _add(org, "Organization", Name="Acme Test", OrganizationType="Developer Edition",
                            InstanceName="SBX0", LanguageLocaleKey="en_US", DefaultLocaleSidKey="en_GB",
                            TimeZoneSidKey="Europe/London", IsSandbox=False, IsReadOnly=False,
                            FiscalYearStartMonth=1, Country="GB")  # fmt: skip
    _add(org, "RecordType", Name="Business Account", DeveloperName="Business", SobjectType="Account")
    if org.settings["person_accounts"]:
        _add(org, "RecordType", Name="Person Account", DeveloperName="PersonAccount", SobjectType="Account",
             IsActive=True, IsPersonType=True)  # fmt: skip
    for number, (label, category) in enumerate(STATUSES, 1):
        usual = label == category
        _add(org, "OrderStatus", ApiName=label, MasterLabel=label, StatusCode=category,
             IsDefault=usual, SortOrder=number)  # fmt: skip
    org.standard_pricebook = _add(
        org, "Pricebook2", Name="Standard Price Book", IsActive=True, IsStandard=True
    )
    for name in PRICE_BOOKS:
        _add(org, "Pricebook2", Name=name, IsActive=True)
    for name, city, country, kind in OLD_ACCOUNTS:
        place = {"BillingCity": city, "BillingCountryCode": country, "BillingCountry": COUNTRIES[country]}
        money = org.settings["corporate_currency"]
        _add(org, "Account", Name=name, Type=kind, CurrencyIsoCode=money, OwnerId=org.user, **place)
    org.store.log.on_change = org.change_log.record


def _person(org: Org, username: str, first: str, last: str) -> str:
    named = {"FirstName": first, "LastName": last, "Name": f"{first} {last}"}
    return _add(org, "User", Username=username, Email=username, IsActive=True, **named)


def _add(org: Org, name: str, **values: object) -> str:
    table = org.store[name]
    long_ago = stamp(org.clock.now() - timedelta(days=400))
    row: Row = {"Id": table.next_id(), **values}
    if name == "User" and not org.user:
        org.user = row["Id"]
    row.update(CreatedDate=long_ago, LastModifiedDate=long_ago, SystemModstamp=long_ago)
    row.update(CreatedById=org.user, LastModifiedById=org.user)
    table.insert(row)
    return str(row["Id"])
