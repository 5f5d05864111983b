"""contact-service: contacts, addresses, companies, groups and tags (reference, section 4.1)."""

from __future__ import annotations

from .. import json_patch, reference_data, search_columns, search_rows
from ..call import Call, ServiceError, not_found, response, single_id
from ..collection import Record
from ..generated.countries import BY_CODE3, COUNTRY_BY_ID
from ..resources import (
    collection,
    id_set_uris,
    records_in_id_set,
    reference_list,
    register_custom_field_metadata,
    register_search,
    require_id,
    route,
    serve_custom_fields,
    without_custom_fields,
)
from ..search import Search

BASE = "contact-service/"
register_search(BASE + "contact-search", Search("contact", search_columns.CONTACT, search_rows.contact))
register_search(BASE + "company-search", Search("company", search_columns.COMPANY, search_rows.unchanged))
register_search(
    BASE + "contact-group-search",
    Search("contact-group", search_columns.CONTACT_GROUP, search_rows.unchanged),
)


@route("GET", BASE + "contact/{}", "includeOptional")
def get_contact(call: Call) -> Record:
    """Contacts by id set, with the paging and sorting envelope of this resource."""
    optional = call.optional_parts("customFields", "nullCustomFields", "postalAddresses")
    found = records_in_id_set(call, "contact", call.path_args[0], 200)
    if not found:
        raise not_found("No Contact Found")
    page = {
        "morePagesAvailable": False,
        "resultsReturned": len(found),
        "firstResult": 1,
        "lastResult": len(found),
    }
    shown = [_shown(call, record, optional) for record in found]
    return response(shown) | {"pagination": page, "sorting": [{"field": "contactId", "direction": "ASC"}]}


def _shown(call: Call, record: Record, optional: set[str]) -> Record:
    found = without_custom_fields(record, optional)
    # INFERRED from two recordings, hence a setting: an unmodified contact shows the time of the request.
    if "updatedOn" not in found and call.account.settings["contact_updated_now"]:
        found["updatedOn"] = (
            call.account.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
    if "postalAddresses" in optional:
        ids = {int(id) for id in record.get("postAddressIds", {}).values()}
        addresses = [collection(call, "postal-address").get(id) for id in sorted(ids)]
        found["postalAddresses"] = {str(a["addressId"]): a for a in addresses if a}
    if "nullCustomFields" in optional:
        filled = record.get("customFields") or {}
        found["nullCustomFields"] = [
            code for _, code, *_ in reference_data.CONTACT_FIELDS if code not in filled
        ]
    return found


@route("OPTIONS", BASE + "contact")
def options_contacts(call: Call) -> Record:
    """Every contact id."""
    return id_set_uris(call, "contact", "/contact")


@route("OPTIONS", BASE + "contact/{}")
def options_contact(call: Call) -> Record:
    """The existing ids of an id set."""
    return id_set_uris(call, "contact", "/contact", call.path_args[0])


@route("POST", BASE + "contact")
def post_contact(call: Call) -> Record:
    """Create a contact that refers to existing addresses."""
    body = call.json_object()
    addresses = body.get("postAddressIds") or {}
    for id in addresses.values():
        if not isinstance(id, int) or not collection(call, "postal-address").has(id):
            raise ServiceError(400, "CNTC-011", f"Postal address {id} does not exist")  # INFERRED code
    if not addresses.get("DEF"):
        raise ServiceError(400, "CNTC-010", "A default postal address is required")  # INFERRED code
    for key in ("firstName", "lastName"):
        if len(str(body.get(key) or "")) > 32:
            raise ServiceError(
                400, "CNTC-012", f"{key} must not be longer than 32 characters"
            )  # INFERRED code
    id = collection(call, "contact").add({})
    collection(call, "contact").put(id, _new_contact(call, id, body))
    for address in addresses.values():
        collection(call, "postal-address").edit(address).setdefault("contactId", id)
    return response(id)


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
    json_patch.merge_patch(base, body)
    base |= {
        "createdByid": reference_data.STAFF,
        "createdOn": call.account.stamp(),
        "contactTags": "",
        "aliases": {},
    }
    return base | {"companyId": 0, "customFields": {}}


@route("PATCH", BASE + "contact/{}")
def patch_contact(call: Call) -> Record:
    """Patch a contact and return it."""
    id = require_id(call, "contact", call.path_args[0], "No Contact Found")
    changes = json_patch.parse_operations(call.json())
    for operation in changes:
        allowed = operation.get("op") in ("add", "replace", "remove")
        if not allowed or str(operation["path"]).strip("/") in ("contactId", "createdOn", "updatedOn", ""):
            raise json_patch.invalid_operation(operation)
    record = collection(call, "contact").edit(id)
    for operation in changes:
        value = None if operation["op"] == "remove" else operation.get("value")
        json_patch.set_path(record, operation["path"], value)
    return response(without_custom_fields(call.account.touch(record), set()))


@route("GET", BASE + "contact/{}/custom-field")
def get_contact_custom_field(call: Call) -> Record:
    """The custom fields of one contact."""
    return serve_custom_fields(call, "contact", reference_data.CONTACT_FIELDS)


@route("PATCH", BASE + "contact/{}/custom-field")
def patch_contact_custom_field(call: Call) -> Record:
    """Set custom fields of one contact."""
    return serve_custom_fields(call, "contact", reference_data.CONTACT_FIELDS)


register_custom_field_metadata(BASE + "customer", reference_data.CONTACT_FIELDS)
register_custom_field_metadata(BASE + "supplier", reference_data.SUPPLIER_FIELDS)


@route("GET", BASE + "postal-address/{}")
def get_postal_address(call: Call) -> Record:
    """Addresses by id set."""
    found = records_in_id_set(call, "postal-address", call.path_args[0], 200)
    if not found:
        raise not_found("No Postal Address Found")
    return response(found)


@route("POST", BASE + "postal-address")
def post_postal_address(call: Call) -> Record:
    """Create an address that belongs to no contact yet."""
    body = call.json_object()
    country = BY_CODE3.get(str(body.get("countryIsoCode"))) or COUNTRY_BY_ID.get(body.get("countryId"))
    if country is None:
        raise ServiceError(400, "CNTC-020", "A valid countryIsoCode is required")  # INFERRED code
    lines = {f"addressLine{n}": body.get(f"addressLine{n}") or "" for n in range(1, 5)}
    codes = {"countryIsoCode": country.code3, "countryIsoCode2": country.code, "countryId": country.id}
    return response(
        collection(call, "postal-address").add(lines | {"postalCode": body.get("postalCode") or ""} | codes)
    )


@route("POST", BASE + "company")
def post_company(call: Call) -> Record:
    """Create a company."""
    return response(collection(call, "company").add({"name": call.json_object().get("name") or ""}))


@route("GET", BASE + "company/{}")
def get_company(call: Call) -> Record:
    """Companies by id set."""
    found = records_in_id_set(call, "company", call.path_args[0], 200)
    if not found:
        raise not_found("No Company Found")
    return response(found)


@route("GET", BASE + "tag")
def get_tag(call: Call) -> Record:
    """All tags, as a map by id."""
    return response({str(tag["tagId"]): tag for tag in collection(call, "tag")})


@route("GET", BASE + "contact-group")
def get_contact_groups(call: Call) -> Record:
    """All contact groups."""
    return reference_list(call, "contact-group")


@route("GET", BASE + "contact-group/{}")
def get_contact_group(call: Call) -> Record:
    """Contact groups by id set."""
    return reference_list(call, "contact-group")


@route("GET", BASE + "contact-group/{}/member")
def get_contact_group_member(call: Call) -> Record:
    """The members of a group; the trade group has the contacts on the trade price list."""
    require_id(call, "contact-group", call.path_args[0], "No contact-group found")
    trade = single_id(call.path_args[0]) == reference_data.GROUPS[1][0]
    members = [
        {"contactId": c["contactId"]}
        for c in collection(call, "contact")
        if (c.get("financialDetails", {}).get("priceListId") == reference_data.TRADE) == trade
    ]
    return response(members)


@route("GET", BASE + "lead-source")
def get_lead_source(call: Call) -> Record:
    """All lead sources."""
    return reference_list(call, "lead-source")
