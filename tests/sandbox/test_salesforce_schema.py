"""Objects and fields that are deployed while the org runs, and ids (reference, sections 3 and 4.8)."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.sandbox.clock import Clock
from airflow_provider_brightpearl.sandbox.salesforce.fields import SObject, key, lookup, text
from airflow_provider_brightpearl.sandbox.salesforce.ids import full_id, make_id
from airflow_provider_brightpearl.sandbox.salesforce.system import Salesforce
from airflow_provider_brightpearl.sandbox.salesforce.writes import create, matches
from airflow_provider_brightpearl.sandbox.system import SeedOptions


@pytest.fixture
def salesforce() -> Salesforce:
    return Salesforce(Clock())


def test_a_new_field_is_indexed_over_what_is_there(salesforce: Salesforce) -> None:
    org = salesforce.org
    salesforce.patch("Account", "001000000000001AAA", {"Shop_Id__c": "S1"})
    org.add_field("Account", key("Shop_Id__c", "Shop Id"))
    account = org.schema.in_body("Account")
    assert ["001000000000001AAA"] == matches(org, account, account.fields["Shop_Id__c"], "s1")


def test_a_new_object_takes_records_with_parents(salesforce: Salesforce) -> None:
    org = salesforce.org
    fields = (text("Name", 80, required=True), lookup("Account__c", "Account", children="Shipments__r"))
    org.add_object(SObject("Shipment__c", "a01", fields))
    parent = {"Name": "Northgate Interiors"}
    values = {"Name": "S", "Account__c": "001000000000001"}
    made = create(org, org.schema.in_body("shipment__C"), values, org.dml(org.user))
    assert "001000000000001AAA" == org.store["Shipment__c"].rows[made]["Account__c"]
    assert parent["Name"] == next(salesforce.snapshot("Account"))["Name"]


def test_seeding_brings_the_first_org_back(salesforce: Salesforce) -> None:
    before = {name: salesforce.count(name) for name in salesforce.collections()}
    salesforce.org.add_field("Account", key("Shop_Id__c", "Shop Id"))
    salesforce.patch("Account", None, {"Name": "A"})
    salesforce.seed(SeedOptions())
    assert before == {name: salesforce.count(name) for name in salesforce.collections()}
    assert salesforce.org.schema.in_body("Account").field("Shop_Id__c") is None


def test_ids_in_both_lengths() -> None:
    assert "001D000000IRFmaIAH" == full_id("001D000000IRFma")
    assert full_id("001D000000IRFmaIAX") is None
    assert full_id("nonsense") is None
    assert make_id("001", 61)[:15] == "00100000000000z"
