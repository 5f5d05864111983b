"""Organization, users, record types and permission sets (reference, section 4.8)."""

from __future__ import annotations

from ..fields import SObject, checkbox, field_of_type, lookup, picklist, text

ORGANIZATION = SObject(
    "Organization",
    "00D",
    (
        text("Name", 80, required=True),
        picklist("OrganizationType", "Developer Edition", "Enterprise Edition"),
        checkbox("IsSandbox"),
        text("InstanceName", 5),
        picklist("LanguageLocaleKey", "en_US"),
        picklist("TimeZoneSidKey", "Europe/London"),
        picklist("DefaultLocaleSidKey", "en_GB"),
        text("NamespacePrefix", 15),
        field_of_type("TrialExpirationDate", "datetime"),
        field_of_type("FiscalYearStartMonth", "int"),
        field_of_type("Phone", "phone", length=40),
        text("PrimaryContact", 80),
        field_of_type("Street", "textarea", length=255),
        text("City", 40),
        text("State", 80),
        text("PostalCode", 20),
        text("Country", 80),
        picklist("SignupCountryIsoCode", "GB"),
        checkbox("IsReadOnly"),
    ),
    writable=False,
)

USER = SObject(
    "User",
    "005",
    (
        text("Username", 80, required=True, unique=True, id_lookup=True),
        text("LastName", 80, required=True),
        text("FirstName", 40),
        text("Name", 121, createable=False, updateable=False),
        field_of_type("Email", "email", length=128, required=True),
        checkbox("IsActive", True),
    ),
    writable=False,
)

RECORD_TYPE = SObject(
    "RecordType",
    "012",
    (
        text("Name", 80, required=True),
        text("DeveloperName", 80, required=True),
        text("SobjectType", 40),
        checkbox("IsActive", True),
        checkbox("IsPersonType", when="person_accounts"),
    ),
    label="Record Type",
    writable=False,
)

PERMISSION_SET = SObject(
    "PermissionSet",
    "0PS",
    (
        text("Name", 80, required=True),
        text("Label", 80, required=True),
        checkbox("IsCustom", True, createable=False, updateable=False),
    ),
    label="Permission Set",
)

PERMISSION_SET_ASSIGNMENT = SObject(
    "PermissionSetAssignment",
    "0Pa",
    (
        lookup("PermissionSetId", "PermissionSet", required=True, updateable=False, children="Assignments"),
        lookup("AssigneeId", "User", required=True, updateable=False, children="PermissionSetAssignments"),
    ),
    label="Permission Set Assignment",
    has_recycle_bin=False,
)

OBJECTS = (ORGANIZATION, USER, RECORD_TYPE, PERMISSION_SET, PERMISSION_SET_ASSIGNMENT)
