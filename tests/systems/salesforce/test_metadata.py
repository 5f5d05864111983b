"""The shipped Salesforce source: what flows write is in it, and an org is compared with it."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import parse

import pytest

from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.metadata.compare import (
    SOURCE,
    WantedField,
    compare,
    wanted_fields,
)
from tests.systems.live import salesforce

MAPPINGS = Path(__file__).parents[3] / "include" / "mappings"
FLOWS = sorted(MAPPINGS.rglob("*_to_salesforce.yaml"))
NS = "{http://soap.sforce.com/2006/04/metadata}"


@pytest.fixture(scope="module")
def org():
    with Sandbox(customers=1, products=1, orders=1) as sandbox:
        yield sandbox


@pytest.fixture
def client(org) -> SalesforceClient:
    return salesforce(org)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: str(path.relative_to(MAPPINGS)))
def test_every_custom_field_that_a_flow_writes_is_in_the_source(path):
    flow = load_flow(path)
    there = {(field.object, field.name) for field in wanted_fields()}
    for name, spec in flow.objects.items():
        written = {spec.key_field, *spec.fields, *spec.parent}
        custom = {field for field in written if field.endswith("__c")}
        assert set() == {(flow.target_object(name), field) for field in custom} - there


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: str(path.relative_to(MAPPINGS)))
def test_every_standard_field_that_a_flow_writes_is_in_the_org(path, client):
    flow = load_flow(path)
    for name, spec in flow.objects.items():
        known = {field["name"] for field in client.describe(flow.target_object(name))["fields"]}
        written = {spec.key_field, *spec.fields, *spec.parent}
        assert set() == {field for field in written if not field.endswith("__c")} - known


def test_every_key_of_a_flow_is_a_unique_external_id():
    keys = {(field.object, field.name) for field in wanted_fields() if field.external_id and field.unique}
    flows = [load_flow(path) for path in FLOWS]
    named = {
        (flow.target_object(name), spec.key_field)
        for flow in flows
        for name, spec in flow.objects.items()
        # every object has an id, by which no row is created
        if spec.key_field != "Id"
    }
    assert set() == named - keys


def test_the_org_of_the_sandbox_has_all_of_it(client):
    assert [] == [str(finding) for finding in compare(wanted_fields(), client.describe)]


def test_fields_without_permission_are_named(org, client):
    org.control("POST", "/settings/salesforce", {"invisible_fields": ["Order.Net__c"]})
    found = [str(finding) for finding in compare(wanted_fields(), client.describe)]
    org.control("POST", "/settings/salesforce", {"invisible_fields": []})
    assert ["Order.Net__c: not found, or this user may not see it (permission set Brightpearl_Sync)"] == found


def test_objects_that_are_not_there_are_named_once(client):
    wanted = [WantedField("Nothing__c", name, "Text", 80) for name in ("A__c", "B__c")]
    found = [str(finding) for finding in compare(wanted, client.describe)]
    assert ["Nothing__c: is not in this org, or this user may not see it"] == found


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        ({"type": "double"}, "is of type double, where string or textarea is needed"),
        ({"length": 40}, "holds 40 characters, 80 are needed"),
        ({"externalId": False}, "is not an external id"),
        ({"unique": False}, "is not unique"),
        ({"createable": False}, "this user may not write it (permission set Brightpearl_Sync)"),
    ],
)
def test_a_field_of_another_kind_is_named_with_what_is_wrong(there, problem):
    right = {
        "name": "K__c",
        "type": "string",
        "length": 80,
        "externalId": True,
        "unique": True,
        "createable": True,
    }
    wanted = [WantedField("Order", "K__c", "Text", 80, external_id=True, unique=True)]
    assert [] == compare(wanted, lambda name: {"fields": [right]})
    assert [problem] == [each.problem for each in compare(wanted, lambda name: {"fields": [right | there]})]


def test_numbers_need_digits_and_decimals():
    there = {"name": "N__c", "type": "double", "precision": 10, "scale": 2, "createable": True}
    wanted = [WantedField("Order", "N__c", "Number", precision=18, scale=4)]
    found = [each.problem for each in compare(wanted, lambda name: {"fields": [there]})]
    assert ["holds 8 digits before the point, 14 are needed", "holds 2 decimals, 4 are needed"] == found


def test_errors_other_than_not_found_stay_errors():
    def describe(name):
        raise SchemaMismatch("odd", status=500)

    with pytest.raises(SchemaMismatch):
        compare(wanted_fields(), describe)


def test_the_permission_set_grants_every_field_but_those_salesforce_grants_itself():
    sets = SOURCE / "force-app/main/default/permissionsets"
    root = parse(sets / "Brightpearl_Sync.permissionset-meta.xml").getroot()  # noqa: S314
    granted = {each.findtext(f"{NS}field") for each in root.iter(f"{NS}fieldPermissions")}
    objects = SOURCE / "force-app/main/default/objects"
    for field in wanted_fields():
        own = parse(objects / field.object / "fields" / f"{field.name}.field-meta.xml").getroot()  # noqa: S314
        demanded = own.findtext(f"{NS}required") == "true" or field.kind == "MasterDetail"
        assert (not demanded) == (f"{field.object}.{field.name}" in granted)
