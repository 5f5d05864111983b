"""Person accounts, in orgs that have them: an account whose record type is one of persons (reference, section 4.1)."""

from __future__ import annotations

from .errors import ApiError
from .org import DmlContext, Org
from .schema import Entity
from .store import Row

# fields of the account, and of the contact that comes with it
_SHARED = {
    "FirstName": "FirstName",
    "LastName": "LastName",
    "PersonEmail": "Email",
    "PersonMobilePhone": "MobilePhone",
    "PersonTitle": "Title",
}


def is_person(org: Org, row: Row) -> bool:
    """True if the record type of an account is one of persons."""
    kind = org.store.row("RecordType", row.get("RecordTypeId"))
    return bool(org.settings["person_accounts"] and kind and kind.get("IsPersonType"))


def check_names(org: Org, entity: Entity, row: Row, changes: Row) -> None:
    """Complete the name of a person, and keep persons and businesses apart.

    Args:
        org: the org.
        entity: the object of the record.
        row: the record as it will be after the write.
        changes: the values being written; the name is added to it.

    Raises:
        ApiError: a name is missing, or given where it is another's.
    """
    if entity.name != "Account" or not org.settings["person_accounts"]:
        return
    person = is_person(org, row)
    wrong = [name for name in (("Name",) if person else _SHARED) if changes.get(name) is not None]
    if wrong:
        raise ApiError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(wrong)}. Please check the security settings of this field "
            "and verify that it is read/write for your profile or permission set.",
            wrong,
        )
    if person and not row.get("LastName"):
        raise ApiError("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ["LastName"])
    if person and any(name in changes for name in ("FirstName", "LastName")):
        changes["Name"] = " ".join(str(row[name]) for name in ("FirstName", "LastName") if row.get(name))


def keep_contact(org: Org, account: Row, dml: DmlContext) -> None:
    """Create or change the contact of a person account."""
    if not is_person(org, account):
        return
    table = org.store["Contact"]
    stamps = {"LastModifiedDate": dml.stamp, "LastModifiedById": dml.user, "SystemModstamp": dml.system_stamp}
    values: Row = {own: account.get(name) for name, own in _SHARED.items()}
    known = org.store.row("Contact", account.get("PersonContactId"))
    if known is not None:
        table.update(known, {**values, **stamps})
        return
    made: Row = {name: value for name, value in values.items() if value is not None}
    made |= {"Id": table.next_id(), "AccountId": account["Id"], "OwnerId": account.get("OwnerId")}
    table.insert({**made, **stamps, "CreatedDate": dml.stamp, "CreatedById": dml.user})
    org.store["Account"].update(account, {"PersonContactId": made["Id"], "IsPersonAccount": True})


def check_contact(org: Org, row: Row) -> None:
    """Raise ApiError for the contact of a person account, which cannot be deleted by itself."""
    account = org.store.row("Account", row.get("AccountId"))
    if account is not None and account.get("PersonContactId") == row.get("Id"):
        raise ApiError("DELETE_FAILED", "Person contacts are deleted with their account.", ["Id"])
