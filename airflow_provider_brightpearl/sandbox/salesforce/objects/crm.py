"""Account, Contact and Task (reference, section 4.1)."""

from __future__ import annotations

from ..fields import (
    SObject,
    address,
    checkbox,
    decimal,
    field_of_type,
    key,
    lookup,
    money,
    picklist,
    read_only,
    text,
)

ACCOUNT = SObject(
    "Account",
    "001",
    (
        read_only(lookup("MasterRecordId", "Account")),
        text("Name", required=True),
        text("AccountNumber", 40),
        picklist("Type", "Customer", "Retail", "Wholesale", "Trade", "Prospect", "Other"),
        picklist("Industry", "Retail", "Apparel", "Manufacturing", "Other"),
        picklist("AccountSource", "Web", "Other"),
        picklist("Rating", "Hot", "Warm", "Cold"),
        lookup("ParentId", "Account", children="ChildAccounts"),
        # the record that this one was merged into
        read_only(lookup("MasterRecordId", "Account")),
        lookup("OwnerId", "User", default="@user"),
        lookup("RecordTypeId", "RecordType"),
        field_of_type("Phone", "phone", length=40),
        field_of_type("Fax", "phone", length=40),
        field_of_type("Website", "url", length=255),
        field_of_type("Description", "textarea", length=32000),
        money("AnnualRevenue", 18, 0),
        field_of_type("NumberOfEmployees", "int"),
        text("Site", 80),
        *address("Billing"),
        *address("Shipping"),
        read_only(checkbox("IsPersonAccount", when="person_accounts")),
        read_only(lookup("PersonContactId", "Contact", when="person_accounts")),
        text("FirstName", 40, when="person_accounts"),
        text("LastName", 80, when="person_accounts"),
        field_of_type("PersonEmail", "email", length=80, when="person_accounts"),
        field_of_type("PersonMobilePhone", "phone", length=40, when="person_accounts"),
        text("PersonTitle", 80, when="person_accounts"),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        text("Brightpearl_Customer_Group__c", 80),
        # a non-unique external id: several records may match it
        text("Legacy_Code__c", 80, external_id=True, id_lookup=True),
        text("Brightpearl_Hash__c", 64),
        field_of_type("Brightpearl_Synced_At__c", "datetime"),
    ),
    has_currency=True,
)

CONTACT = SObject(
    "Contact",
    "003",
    (
        read_only(lookup("MasterRecordId", "Contact")),
        lookup("AccountId", "Account", children="Contacts", indexed=True),
        read_only(lookup("MasterRecordId", "Contact")),
        text("LastName", 80, required=True),
        text("FirstName", 40),
        picklist("Salutation", "Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."),
        field_of_type(
            "Name", "string", length=121, createable=False, updateable=False, computed="contact_name"
        ),
        field_of_type("Email", "email", length=80, id_lookup=True),
        field_of_type("Phone", "phone", length=40),
        field_of_type("MobilePhone", "phone", length=40),
        field_of_type("HomePhone", "phone", length=40),
        field_of_type("Fax", "phone", length=40),
        text("Title", 128),
        text("Department", 80),
        picklist("LeadSource", "Web", "Phone Inquiry", "Other"),
        field_of_type("Birthdate", "date"),
        field_of_type("Description", "textarea", length=32000),
        checkbox("HasOptedOutOfEmail"),
        checkbox("DoNotCall"),
        lookup("ReportsToId", "Contact", children="Subordinates"),
        lookup("OwnerId", "User", default="@user"),
        *address("Mailing"),
        *address("Other"),
        key("Brightpearl_Id__c", "Brightpearl Id"),
        text("Brightpearl_Hash__c", 64),
        field_of_type("Brightpearl_Synced_At__c", "datetime"),
    ),
    has_currency=True,
)

TASK = SObject(
    "Task",
    "00T",
    (
        text("Subject"),
        picklist("Status", "Not Started", "In Progress", "Completed", default="Not Started"),
        picklist("Priority", "High", "Normal", "Low", default="Normal"),
        field_of_type("ActivityDate", "date"),
        field_of_type("Description", "textarea", length=32000),
        lookup("WhoId", "Contact"),
        lookup("WhatId", "Account"),
        lookup("OwnerId", "User", default="@user"),
        decimal("CallDurationInSeconds", 8, 0),
    ),
)

OBJECTS = (ACCOUNT, CONTACT, TASK)
