"""What a flow writes is compared with the org, and with what other flows write, before anything is read."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from airflow_provider_brightpearl.errors import Misconfigured, SchemaMismatch
from tests.flows.site import MAPPINGS, Site

FLOW = "customers_to_salesforce"
FIELD = "Type:"


@pytest.fixture
def own_site(bare_site: Site) -> Site:
    """A site whose flow files may be changed."""
    folder = bare_site.folder / "mappings"
    shutil.copytree(MAPPINGS, folder)
    return replace(bare_site, mappings=folder)


def edit(site: Site, old: str, new: str) -> None:
    file = site.mappings / f"{FLOW}.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def asked(site: Site, path: str) -> int:
    """Calls whose path holds this."""
    return sum(path in each["path"] for each in site.sandbox.control("GET", "/log"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            FIELD,
            "Typ:",
            "objects.Account.fields.Typ: Account has no field Typ in the org, "
            "or this user may not see it; did you mean Type?",
        ),
        (
            "  Account:\n",
            "  Account:\n    object: Acount\n",
            "objects.Account: the org has no object Acount, or this user may not see it; did you mean Account?",
        ),
    ],
)
def test_a_run_stops_before_it_reads_anything(own_site: Site, old: str, new: str, problem: str) -> None:
    edit(own_site, old, new)
    with pytest.raises(SchemaMismatch) as caught:
        own_site.run(FLOW)
    assert f"{FLOW}.yaml: {problem}" in str(caught.value)
    assert 0 == asked(own_site, "/public-api/")
    (entry,) = own_site.ledger.runs(FLOW)
    assert "failed" == entry.state
    assert problem in entry.note
    edit(own_site, new, old)
    assert "done" == own_site.run(FLOW).state


def test_the_org_is_asked_again_only_after_a_change_or_a_failure(own_site: Site) -> None:
    own_site.run(FLOW)
    first = asked(own_site, "/describe")
    own_site.run(FLOW)
    assert first == asked(own_site, "/describe") > 0
    edit(own_site, FIELD, "BillingCountry: country(addresses.BIL.countryIsoCode)\n      " + FIELD)
    own_site.run(FLOW)
    assert first < asked(own_site, "/describe")


COPY = "web_customers_to_salesforce"


def copy(site: Site, declared: str = "") -> None:
    """A copy of the flow of customers under another name, which writes one field of its own accord."""
    (site.mappings / f"{COPY}.yaml").write_text(
        f"""
flow: {COPY}
source: brightpearl.contacts
target: salesforce
objects:
  Account:
    key: {{Brightpearl_Id__c: contactId}}
    fields: {{Phone: "'1'", Name: "'Web ' || contactId", Site: "'web'"}}
    {declared}
"""
    )


def test_two_flows_that_write_one_field_are_both_refused(own_site: Site) -> None:
    copy(own_site)
    for name in (FLOW, COPY):
        with pytest.raises(Misconfigured, match=r"both write Account\.Name, Account\.Phone by the key"):
            own_site.run(name)
    assert 0 == asked(own_site, "/public-api/")
    assert "done" == own_site.run("products_to_salesforce").state


def test_what_another_flow_owns_is_sent_with_new_rows_only(own_site: Site) -> None:
    own_site.run(FLOW)
    before = {key: (row["Name"], row["Phone"]) for key, row in own_site.there("Account").items()}
    copy(own_site, f"owner: {{Phone: {FLOW}, Name: {FLOW}}}")
    own_site.run(COPY)
    accounts = own_site.there("Account")
    assert before == {key: (row["Name"], row["Phone"]) for key, row in accounts.items()}
    assert {"web"} == {row["Site"] for row in accounts.values()}


def test_a_row_that_its_owner_has_not_written_yet_is_created_with_all_fields(own_site: Site) -> None:
    copy(own_site, f"owner: {{Phone: {FLOW}, Name: {FLOW}}}")
    own_site.run(COPY)
    assert all(row["Name"].startswith("Web ") for row in own_site.there("Account").values())
    own_site.run(FLOW)
    assert not any(row["Name"].startswith("Web ") for row in own_site.there("Account").values())
