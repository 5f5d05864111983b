"""Contacts without a key, below an account that the org has by its own.

The flow of the other direction has brought such an account to Brightpearl, and the state that linked its contact was
lost before this flow gave that one its key: an upsert would create the same person a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from more_itertools import chunked
from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Change
from airflow_provider_brightpearl.core.merge import Fields, normal
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.soql import KEYS_ASKED, listed

_fields = msgspec.json.Decoder(dict[str, str | int | float | bool | None]).decode


def unkeyed_contacts(
    client: SalesforceClient, key_field: str, new: Sequence[Change], accounts: Mapping[str, str]
) -> list[Change]:
    """New contacts, with the id of the first one of their account that has their email, or else their names.

    Args:
        client: calls to the org; one query for some hundred accounts.
        key_field: of contacts.
        new: contacts that are not bound.
        accounts: ids of their accounts, by key.
    """
    there: dict[str, list[Fields]] = {}
    for some in chunked(sorted(set(accounts.values())), KEYS_ASKED):
        soql = (
            f"SELECT Id, AccountId, Email, FirstName, LastName, {key_field} FROM Contact "  # noqa: S608
            f"WHERE AccountId IN {listed(some)} ORDER BY CreatedDate, Id"
        )
        for row in client.query(soql):
            there.setdefault(str(row["AccountId"]), []).append(row)
    return [_known(each, key_field, there.get(accounts[each.parent], ())) for each in new]


def _known(change: Change, key_field: str, contacts: Sequence[Fields]) -> Change:
    if any(row[key_field] == change.key for row in contacts):
        return change
    ours = _fields(change.payload)
    same = (row for row in contacts if row[key_field] is None and _same_person(ours, row))
    found = next(same, None)
    return replace(change, target_id=str(found["Id"])) if found else change


def _same_person(ours: Fields, theirs: Fields) -> bool:
    (email, *names), (their_email, *their_names) = _identity(ours), _identity(theirs)
    return email == their_email if email and their_email else names == their_names


def _identity(row: Fields) -> list[str]:
    return [str(normal(row.get(name)) or "").casefold() for name in ("Email", "FirstName", "LastName")]
