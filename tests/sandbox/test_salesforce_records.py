"""Single records and what the org checks in them (reference, sections 3.4, 3.9, 3.11)."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
import requests

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]


def test_create_read_change_delete(api: Api) -> None:
    account = api.create("Account", Name="Café", AnnualRevenue="12")
    assert 18 == len(account)
    record = api("GET", f"sobjects/Account/{account[:15]}").json()
    assert {"type": "Account", "url": f"/services/data/v62.0/sobjects/Account/{account}"} == record[
        "attributes"
    ]
    assert ("Café", None, "GBP") == (record["Name"], record["Phone"], record["CurrencyIsoCode"])
    assert 204 == api("PATCH", f"sobjects/Account/{account}", {"name": "Other"}).status_code
    part = api("GET", f"sobjects/Account/{account}", params={"fields": "Name"}).json()
    assert {"attributes", "Id", "Name"} == set(part)
    assert 204 == api("DELETE", f"sobjects/Account/{account}").status_code
    assert (404, "ENTITY_IS_DELETED") == api.refusal("GET", f"sobjects/Account/{account}")
    assert (404, "NOT_FOUND") == api.refusal("GET", "sobjects/Account/001000000000999AAA")


def test_money_keeps_its_scale(api: Api) -> None:
    order = api.draft_order(Net__c=10, Tax__c="0.1")
    text = api("GET", f"sobjects/Order/{order}", params={"fields": "Net__c,Tax__c"}).text
    assert '"Net__c":10.00,"Tax__c":0.10' in text
    order = api.draft_order(Net__c="12345678901234.56")
    text = api("GET", f"sobjects/Order/{order}", params={"fields": "Net__c"}).text
    assert '"Net__c":12345678901234.56' in text


def test_upsert_by_external_id(api: Api) -> None:
    path = "sobjects/Account/Brightpearl_Id__c/5021"
    first = api("PATCH", path, {"Name": "A"})
    assert (201, True) == (first.status_code, first.json()["created"])
    second = api("PATCH", path.lower(), {"Name": "B"})
    assert (200, False, first.json()["id"]) == (
        second.status_code,
        second.json()["created"],
        second.json()["id"],
    )
    api.settings(upsert_update_status=204)
    third = api("PATCH", path, {"Name": "C"})
    assert (204, b"") == (third.status_code, third.content)
    assert "C" == api("GET", path).json()["Name"]
    assert (404, "NOT_FOUND") == api.refusal("PATCH", f"{path}9?updateOnly=true", {"Name": "C"})


@pytest.mark.parametrize("key", ["a/b#c", "Ünï cöde", "a+b", "a b", "50%", "%2F", "e\u0301 \U0001f6d2"])
def test_keys_with_any_character(api: Api, key: str) -> None:
    path = f"sobjects/Account/Brightpearl_Id__c/{quote(key, safe='')}"
    created = api("PATCH", path, {"Name": "A"})
    rows = api.rows("SELECT Brightpearl_Id__c FROM Account WHERE Name = 'A'")
    assert [key] == [row["Brightpearl_Id__c"] for row in rows]
    assert created.json()["id"] == api("GET", path).json()["Id"]


def test_upsert_refuses_the_key_in_the_body_and_unknown_key_fields(api: Api) -> None:
    path = "sobjects/Account/Brightpearl_Id__c/1"
    assert (400, "INVALID_FIELD") == api.refusal("PATCH", path, {"Name": "A", "Brightpearl_Id__c": "1"})
    assert (400, "INVALID_FIELD") == api.refusal("PATCH", path, {"Name": "A", "Id": "x"})
    answer = api("PATCH", "sobjects/Account/Name/1", {"Type": "A"})
    assert 404 == answer.status_code
    assert "Provided external ID field does not exist or is not accessible" == answer.json()[0]["message"]


def test_keys_ignore_case_and_are_unique(api: Api) -> None:
    api.create("Account", Name="A", Brightpearl_Id__c="Abc")
    body = {"Name": "B", "Brightpearl_Id__c": "aBC"}
    assert (400, "DUPLICATE_VALUE") == api.refusal("POST", "sobjects/Account", body)


def test_several_matches_are_300(api: Api) -> None:
    ids = [api.create("Account", Name=name, Legacy_Code__c="L1") for name in ("A", "B")]
    urls = [f"/services/data/v62.0/sobjects/Account/{one}" for one in ids]
    for method, body in (("GET", None), ("PATCH", {"Name": "C"})):
        answer = api(method, "sobjects/Account/Legacy_Code__c/l1", body)
        assert (300, urls) == (answer.status_code, answer.json())
    assert 404 == api("GET", "sobjects/Account/Name/A").status_code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "REQUIRED_FIELD_MISSING"),
        ({"Name": "x" * 256}, "STRING_TOO_LONG"),
        ({"Name": "A", "ShippingCity": "x" * 41}, "STRING_TOO_LONG"),
        ({"Name": "A", "Nope__c": 1}, "INVALID_FIELD"),
        ({"Name": "A", "CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Name": 5}, "JSON_PARSER_ERROR"),
        ({"Name": "A", "AnnualRevenue": "many"}, "JSON_PARSER_ERROR"),
        ({"Name": "A", "AnnualRevenue": 10**19}, "NUMBER_OUTSIDE_VALID_RANGE"),
        ({"Name": "A", "Brightpearl_Synced_At__c": "2026-01-02 03:04:05"}, "JSON_PARSER_ERROR"),
        ({"Name": "A", "CurrencyIsoCode": "XXX"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Name": "A", "ShippingCountryCode": "UK"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Name": "A", "ShippingCountryCode": "GB", "ShippingStateCode": "TX"}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"Name": "A", "ParentId": "nonsense"}, "MALFORMED_ID"),
        ({"Name": "A", "ParentId": "003000000000001AAA"}, "MALFORMED_ID"),
        ({"Name": "A", "ParentId": "001000000000999AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Name": "A", "Parent": {"Brightpearl_Id__c": "404"}}, "INVALID_FIELD"),
    ],
)
def test_refusals(api: Api, body: dict[str, object], code: str) -> None:
    answer = api("POST", "sobjects/Account", body)
    assert (400, code) == (answer.status_code, answer.json()[0]["errorCode"]), answer.text


def test_country_code_fills_the_country(api: Api) -> None:
    account = api.create("Account", Name="A", ShippingCountryCode="US", ShippingStateCode="TX")
    assert "United States" == api("GET", f"sobjects/Account/{account}").json()["ShippingCountry"]
    api.settings(country_picklists=False)
    body = {"Name": "A", "ShippingCountryCode": "US"}
    assert (400, "INVALID_FIELD") == api.refusal("POST", "sobjects/Account", body)


@pytest.mark.parametrize(
    ("country", "state", "code"),
    [
        ("US", "Texas", "TX"),
        ("US", "texas", "TX"),
        ("US", "TX", None),  # the code is not the name
        ("GB", "Bristol", None),  # no list, so no state is right
        ("DE", "Bayern", None),
        (None, "Texas", None),
        ("GB", "", ""),
    ],
)
def test_text_of_states_in_orgs_with_picklists(
    api: Api, country: str | None, state: str, code: str | None
) -> None:
    body = {"Name": "A", "BillingCountryCode": country, "BillingState": state}
    if code is None:
        assert (400, "FIELD_INTEGRITY_EXCEPTION") == api.refusal("POST", "sobjects/Account", body)
        api.settings(country_picklists=False)
        del body["BillingCountryCode"]
        assert api.create("Account", **body)
    else:
        account = api("GET", f"sobjects/Account/{api.create('Account', **body)}").json()
        assert (code or None) == account["BillingStateCode"]


def test_picklists_of_states_depend_on_countries(api: Api) -> None:
    fields = {each["name"]: each for each in api("GET", "sobjects/Account/describe").json()["fields"]}
    state, country = fields["BillingStateCode"], fields["BillingCountryCode"]
    assert ("picklist", True, "BillingCountryCode") == (
        state["type"],
        state["dependentPicklist"],
        state["controllerName"],
    )
    texas = next(each for each in state["picklistValues"] if each["label"] == "Texas")
    bits = "".join(f"{byte:08b}" for byte in base64.b64decode(texas["validFor"]))
    assert ["US"] == [
        each["value"] for each, bit in zip(country["picklistValues"], bits, strict=False) if bit == "1"
    ]


def test_system_fields_in_describe(api: Api) -> None:
    fields = {each["name"]: each for each in api("GET", "sobjects/Account/describe").json()["fields"]}
    never = [
        name
        for name in ("CreatedDate", "CreatedById", "SystemModstamp", "OwnerId")
        if fields[name]["nillable"]
    ]
    assert [] == never
    assert [True, True, False] == [
        fields[name]["groupable"] for name in ("Phone", "BillingStreet", "Description")
    ]


def test_a_record_by_any_field_that_looks_up(api: Api) -> None:
    first = api("PATCH", "sobjects/Contact/Email/ada@example.test", {"LastName": "Marsh"}).json()
    again = api("PATCH", "sobjects/Contact/Email/ada@example.test", {"LastName": "Moss"}).json()
    assert (True, False, first["id"]) == (first["created"], again["created"], again["id"])


def test_currency_only_in_multi_currency_orgs(api: Api) -> None:
    api.settings(multi_currency=False)
    body = {"Name": "A", "CurrencyIsoCode": "GBP"}
    assert (400, "INVALID_FIELD") == api.refusal("POST", "sobjects/Account", body)


def test_parent_by_external_id(api: Api) -> None:
    account = api.create("Account", Name="A", Brightpearl_Id__c="5021")
    contact = api.create("Contact", LastName="Doe", Account={"Brightpearl_Id__c": "5021"})
    assert account == api("GET", f"sobjects/Contact/{contact}").json()["AccountId"]


def test_stamps_come_from_the_sandbox_clock(api: Api) -> None:
    api.sandbox.control("POST", "/clock", {"now": "2030-05-01T10:00:00Z"})
    api.login()
    account = api.create("Account", Name="A")
    api.sandbox.control("POST", "/clock", {"now": "2030-05-01T10:30:00Z"})
    api("PATCH", f"sobjects/Account/{account}", {"Name": "B"})
    record = api("GET", f"sobjects/Account/{account}").json()
    assert record["CreatedDate"].startswith("2030-05-01T10:00:0")
    assert record["SystemModstamp"].startswith("2030-05-01T10:30:0")
    assert record["SystemModstamp"].endswith(".000+0000")


def test_late_commit_has_an_older_stamp(api: Api) -> None:
    api.settings(stamp_lag_seconds=600)
    account = api.create("Account", Name="A")
    record = api("GET", f"sobjects/Account/{account}").json()
    assert record["SystemModstamp"] < record["CreatedDate"]


def test_updated_and_deleted_feeds(api: Api) -> None:
    api.sandbox.control("POST", "/clock", {"now": "2030-05-01T10:00:00Z"})
    api.login()
    kept, lost = api.create("Account", Name="A"), api.create("Account", Name="B")
    api("DELETE", f"sobjects/Account/{lost}")
    window = {"start": "2030-05-01T09:00:00+00:00", "end": "2030-05-01T10:30:00+00:00"}
    assert [kept] == api("GET", "sobjects/Account/updated", params=window).json()["ids"]
    deleted = api("GET", "sobjects/Account/deleted", params=window).json()
    assert [lost] == [row["id"] for row in deleted["deletedRecords"]]
    bad = {"start": window["end"], "end": window["start"]}
    assert (400, "INVALID_REPLICATION_DATE") == api.refusal("GET", "sobjects/Account/updated", params=bad)


def test_duplicate_rules(api: Api) -> None:
    api.settings(duplicate_rules={"Account": "alert"})
    body = {"Name": "maison verte"}
    answer = api("POST", "sobjects/Account", body)
    assert (400, "DUPLICATES_DETECTED") == (answer.status_code, answer.json()[0]["errorCode"])
    result = answer.json()[0]["duplicateResut"]
    assert "001" == result["matchResults"][0]["matchRecords"][0]["record"]["Id"][:3]
    header = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    assert 201 == api("POST", "sobjects/Account", body, headers=header).status_code
    api.settings(duplicate_rules={"Account": "block"})
    assert 400 == api("POST", "sobjects/Account", body, headers=header).status_code


def test_edited_records_bypass_every_check(api: Api) -> None:
    account = api.create("Account", Name="A")
    control = api.sandbox.control
    control("PATCH", f"/salesforce/Account/{account}", {"Name": None, "Type": "Nonsense"})
    record = api("GET", f"sobjects/Account/{account}").json()
    assert (None, "Nonsense") == (record["Name"], record["Type"])
    assert record["LastModifiedById"] != record["CreatedById"]
    control("DELETE", f"/salesforce/Account/{account}")
    assert 404 == api("GET", f"sobjects/Account/{account}").status_code


def test_edited_records_of_a_wrong_type_is_the_vendors_own_500(api: Api) -> None:
    account = api.create("Account", Name="A")
    api.sandbox.control("PATCH", f"/salesforce/Account/{account}", {"AnnualRevenue": ["x"], "Site": 5})
    assert 5 == api("GET", f"sobjects/Account/{account}").json()["Site"]
    text = "SELECT Id FROM Account WHERE AnnualRevenue > 1"
    assert (500, "UNKNOWN_EXCEPTION") == api.refusal("GET", "query", params={"q": text})


def test_answer_lost_after_the_commit(api: Api) -> None:
    fault = {"system": "salesforce", "method": "PATCH", "drop": "after"}
    api.sandbox.control("POST", "/faults", fault)
    path = "sobjects/Account/Brightpearl_Id__c/1"
    with pytest.raises(requests.ConnectionError):
        api("PATCH", path, {"Name": "A"})
    assert (200, False) == ((again := api("PATCH", path, {"Name": "A"})).status_code, again.json()["created"])
