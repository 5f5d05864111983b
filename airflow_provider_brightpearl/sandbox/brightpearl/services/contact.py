"""contact-service: contacts, addresses, companies, groups and tags (reference, section 4.1)."""

from __future__ import annotations

from .. import json_patch, reference_data, search_columns, search_rows
from ..call import Call, Failure, answer, missing, one
from ..collection import Record
from ..generated.countries import BY_CODE3
from ..resources import custom_fields, existing, held, listed, searches, serves, several, uris, without_fields
from ..search import Search

S = "contact-service/"
searches(S + "contact-search", Search("contact", search_columns.CONTACT, search_rows.contact))
searches(S + "company-search", Search("company", search_columns.COMPANY, search_rows.as_it_is))
searches(
    S + "contact-group-search", Search("contact-group", search_columns.CONTACT_GROUP, search_rows.as_it_is)
)


@serves("GET", S + "contact/{}", "includeOptional")
def get_contact(call: Call) -> Record:
    """Contacts by id set, with the page and sort envelope this resource has."""
    optional = call.optional("customFields", "nullCustomFields", "postalAddresses")
    found = several(call, "contact", call.parts[0], 200)
    if not found:
        raise missing("No Contact Found")
    page = {
        "morePagesAvailable": False,
        "resultsReturned": len(found),
        "firstResult": 1,
        "lastResult": len(found),
    }
    shown = [_shown(call, record, optional) for record in found]
    return answer(shown) | {"pagination": page, "sorting": [{"field": "contactId", "direction": "ASC"}]}


def _shown(call: Call, record: Record, optional: set[str]) -> Record:
    found = without_fields(record, optional)
    # A contact never modified shows the time of the call (INFERRED from two recordings, hence switchable).
    if "updatedOn" not in found and call.world.settings["contact_updated_now"]:
        found["updatedOn"] = call.world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if "postalAddresses" in optional:
        ids = {int(id) for id in record.get("postAddressIds", {}).values()}
        addresses = [held(call, "postal-address").get(id) for id in sorted(ids)]
        found["postalAddresses"] = {str(a["addressId"]): a for a in addresses if a}
    if "nullCustomFields" in optional:
        filled = record.get("customFields") or {}
        found["nullCustomFields"] = [
            code for _, code, *_ in reference_data.CONTACT_FIELDS if code not in filled
        ]
    return found


@serves("OPTIONS", S + "contact")
def options_contacts(call: Call) -> Record:
    """Every contact id."""
    return uris(call, "contact", "/contact")


@serves("OPTIONS", S + "contact/{}")
def options_contact(call: Call) -> Record:
    """Those of an id set that exist."""
    return uris(call, "contact", "/contact", call.parts[0])


@serves("POST", S + "contact")
def post_contact(call: Call) -> Record:
    """A new contact, over addresses that are there already."""
    body = call.record()
    addresses = body.get("postAddressIds") or {}
    for id in addresses.values():
        if not isinstance(id, int) or not held(call, "postal-address").has(id):
            raise Failure(400, "CNTC-011", f"Postal address {id} does not exist")  # INFERRED code
    if not addresses.get("DEF"):
        raise Failure(400, "CNTC-010", "A default postal address is required")  # INFERRED code
    for key in ("firstName", "lastName"):
        if len(str(body.get(key) or "")) > 32:
            raise Failure(400, "CNTC-012", f"{key} must not be longer than 32 characters")  # INFERRED code
    id = held(call, "contact").add({})
    held(call, "contact").put(id, _new_contact(call, id, body))
    for address in addresses.values():
        held(call, "postal-address").edit(address).setdefault("contactId", id)
    return answer(id)


def _new_contact(call: Call, id: int, body: Record) -> Record:
    base: Record = {
        "contactId": id,
        "isPrimaryContact": True,
        "salutation": "",
        "firstName": "",
        "lastName": "",
    }
    base |= {
        "postAddressIds": {},
        "communication": {"emails": {}, "telephones": {}, "messagingVoips": {}, "websites": {}},
        "contactStatus": {"current": {"contactStatusId": 0}},
        "relationshipToAccount": {"isSupplier": False, "isStaff": False},
        "marketingDetails": {"isReceiveEmailNewsletter": False},
        "financialDetails": {"priceListId": 2, "nominalCode": "4000", "creditLimit": 0, "creditTermDays": 0}
        | {"currencyId": 1, "discountPercentage": 0.0, "creditTermTypeId": 1},
        "assignment": {"current": {}},
        "organisation": {"organisationId": id},
        "tradeStatus": "UNKNOWN",
    }
    json_patch.merge(base, body)
    base |= {
        "createdByid": reference_data.STAFF,
        "createdOn": call.world.stamp(),
        "contactTags": "",
        "aliases": {},
    }
    return base | {"companyId": 0, "customFields": {}}


@serves("PATCH", S + "contact/{}")
def patch_contact(call: Call) -> Record:
    """Change parts of a contact; gives the contact."""
    id = existing(call, "contact", call.parts[0], "No Contact Found")
    changes = json_patch.operations(call.json())
    for operation in changes:
        allowed = operation.get("op") in ("add", "replace", "remove")
        if not allowed or str(operation["path"]).strip("/") in ("contactId", "createdOn", "updatedOn", ""):
            raise json_patch.invalid(operation)
    record = held(call, "contact").edit(id)
    for operation in changes:
        value = None if operation["op"] == "remove" else operation.get("value")
        json_patch.write(record, operation["path"], value)
    return answer([without_fields(call.world.touch(record), set())])


@serves("GET", S + "contact/{}/custom-field")
def get_contact_custom_field(call: Call) -> Record:
    """The custom fields of one contact."""
    return custom_fields(call, "contact", reference_data.CONTACT_FIELDS)


@serves("PATCH", S + "contact/{}/custom-field")
def patch_contact_custom_field(call: Call) -> Record:
    """Set custom fields of one contact."""
    return custom_fields(call, "contact", reference_data.CONTACT_FIELDS)


@serves("GET", S + "contact/customer/custom-field-meta-data")
def get_customer_custom_field_meta_data(call: Call) -> Record:
    """The custom fields contacts can have."""
    return answer(reference_data.field_metadata(reference_data.CONTACT_FIELDS))


@serves("GET", S + "postal-address/{}")
def get_postal_address(call: Call) -> Record:
    """Addresses by id set."""
    found = several(call, "postal-address", call.parts[0], 200)
    if not found:
        raise missing("No Postal Address Found")
    return answer(found)


@serves("POST", S + "postal-address")
def post_postal_address(call: Call) -> Record:
    """A new address, not yet of any contact."""
    body = call.record()
    country = BY_CODE3.get(str(body.get("countryIsoCode")))
    if country is None:
        raise Failure(400, "CNTC-020", "A valid countryIsoCode is required")  # INFERRED code
    lines = {f"addressLine{n}": body.get(f"addressLine{n}") or "" for n in range(1, 5)}
    codes = {"countryIsoCode": country.code3, "countryIsoCode2": country.code, "countryId": country.id}
    return answer(
        held(call, "postal-address").add(lines | {"postalCode": body.get("postalCode") or ""} | codes)
    )


@serves("POST", S + "company")
def post_company(call: Call) -> Record:
    """A new company."""
    return answer(held(call, "company").add({"name": call.record().get("name") or ""}))


@serves("GET", S + "company/{}")
def get_company(call: Call) -> Record:
    """Companies by id set."""
    found = several(call, "company", call.parts[0], 200)
    if not found:
        raise missing("No Company Found")
    return answer(found)


@serves("GET", S + "tag")
def get_tag(call: Call) -> Record:
    """All tags, as a map by id."""
    return answer({str(tag["tagId"]): tag for tag in held(call, "tag")})


@serves("GET", S + "contact-group")
def get_contact_groups(call: Call) -> Record:
    """All contact groups."""
    return listed(call, "contact-group")


@serves("GET", S + "contact-group/{}")
def get_contact_group(call: Call) -> Record:
    """Contact groups by id set."""
    return listed(call, "contact-group")


@serves("GET", S + "contact-group/{}/member")
def get_contact_group_member(call: Call) -> Record:
    """The members of a group: traders are the contacts on the trade price list."""
    existing(call, "contact-group", call.parts[0], "No contact-group found")
    trade = one(call.parts[0]) == reference_data.GROUPS[1][0]
    members = [
        {"contactId": c["contactId"]}
        for c in held(call, "contact")
        if (c.get("financialDetails", {}).get("priceListId") == reference_data.TRADE) == trade
    ]
    return answer(members)


@serves("GET", S + "lead-source")
def get_lead_source(call: Call) -> Record:
    """All lead sources."""
    return listed(call, "lead-source")
