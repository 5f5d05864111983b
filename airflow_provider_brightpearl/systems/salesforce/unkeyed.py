"""Contacts without a key, below an account that the org has by its own.

The flow of the other direction has brought such an account to Brightpearl, and the state that linked its contact was
lost before this flow gave that one its key: an upsert would create the same person a second time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.changes import Change
from airflow_provider_brightpearl.core.merge import Fields, normal
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.soql import KEYS_ASKED, listed

_fields = msgspec.json.Decoder(dict[str, str | int | float | bool | None]).decode


def unkeyed_contacts(
    client: SalesforceClient,
    key_field: str,
    new: Sequence[Change],
    accounts: Mapping[str, str],
    taken: Collection[str] = (),
) -> dict[str, str]:
    """Ids of contacts that are new contacts' own, by key: of their account, with their email, or else their names.

    Each is the own one of one new contact at most; who has its email and names comes first.

    Args:
        client: calls to the org; one query for some hundred accounts.
        key_field: of contacts.
        new: contacts that are not bound.
        accounts: ids of their accounts, by key.
        taken: ids of contacts that others are bound to.
    """
    there: dict[str, list[Fields]] = {}
    for some in chunked(sorted(set(accounts.values())), KEYS_ASKED):
        soql = (
            f"SELECT Id, AccountId, Email, FirstName, LastName, {key_field} FROM Contact "  # noqa: S608
            f"WHERE AccountId IN {listed(some)} ORDER BY CreatedDate, Id"
        )
        for row in client.query(soql):
            there.setdefault(str(row["AccountId"]), []).append(row)
    keyed = {row[key_field] for rows in there.values() for row in rows}
    missing = [(each, _fields(each.payload)) for each in new if each.key not in keyed]
    used, found = set(taken), dict[str, str]()
    for is_same in (_is_alike, _is_same_person):
        for change, ours in missing:
            free = (
                str(theirs["Id"])
                for theirs in there.get(accounts[change.parent], ())
                if theirs[key_field] is None and theirs["Id"] not in used and is_same(ours, theirs)
            )
            if change.key not in found and (own := next(free, "")):
                found[change.key] = own
                used.add(own)
    return found


def _is_alike(ours: Fields, theirs: Fields) -> bool:
    return _identity(ours) == _identity(theirs)


def _is_same_person(ours: Fields, theirs: Fields) -> bool:
    (email, *names), (their_email, *their_names) = _identity(ours), _identity(theirs)
    return email == their_email if email and their_email else names == their_names


def _identity(row: Fields) -> list[str]:
    return [str(normal(row.get(name)) or "").casefold() for name in ("Email", "FirstName", "LastName")]
