"""Two systems that both hold customers: what is matched, what is asked, and how the next run goes on by the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.matched import Found, MatchReport, MatchRow
from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Request, RunKind, Window
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.pipeline.matching import FlowLinks
from airflow_provider_brightpearl.runtime.match import match_records
from airflow_provider_brightpearl.runtime.match_answer import answer_match
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import reading
from tests.flows.site import Site
from tests.sandbox.salesforce_org import Api

NAME = "accounts_to_brightpearl"
FLOW = """
flow: accounts_to_brightpearl
source: salesforce.accounts
target: brightpearl
window: {lookback: 0m, delay: 0m}
load: {max_refused: 100%}
objects:
  Contact:
    key: {sf: Id}
    where: Name <> 'Left out'
    fields:
      companyName: Name
      telephone: Phone
      firstName: Contacts[1].FirstName
      lastName: Contacts[1].LastName
      primaryEmail: lower(Contacts[1].Email)
    match: [primaryEmail, [companyName, telephone]]
  Address:
    key: {sf: Id}
    parent: {contactId: Contact}
    fields: {type: "'DEF'", countryIsoCode: "'GBR'"}
    create_only: [type, countryIsoCode]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Sandbox(customers=6, products=1, orders=0, seed=3) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        mappings = tmp_path / "mappings"
        mappings.mkdir()
        (mappings / f"{NAME}.yaml").write_text(FLOW)
        site = Site(sandbox, tmp_path, mappings, latest=NAME)
        # the accounts that the sandbox begins with
        run(site, 0)
        yield site


def account(site: Site, name: str, email: str, phone: str = "") -> str:
    """A new account of Salesforce with one contact; returns its id."""
    site.pass_time(1)
    sf = site.salesforce().sf
    made: str = sf.Account.create({"Name": name, "Phone": phone})["id"]
    sf.Contact.create({"FirstName": "Ada", "LastName": "Fox", "Email": email, "AccountId": made})
    return made


def known(site: Site, number: int, email: str, company: str = "Fox Ltd", phone: str = "") -> None:
    """How Brightpearl knows one of its contacts."""
    lines = {"emails": {"PRI": {"email": email}}, "telephones": {"PRI": phone}}
    site.patch(f"/brightpearl/contact/{number}", {"communication": lines, "organisation": {"name": company}})


def run(site: Site, number: int) -> RunSummary:
    """A scheduled run, which takes letters up that are due."""
    site.pass_time(1)
    interval = Window(site.now(), site.now())
    return run_flow(site.wiring(NAME), Request(RunKind.SCHEDULED, interval), f"scheduled{number}")


def letters(site: Site) -> dict[str, Any]:
    with reading(site.database) as connection:
        return {row.source_id: row for row in connection.execute(sa.select(tables.dead_letter))}


def bound(site: Site) -> dict[str, str]:
    return {each.source_id: each.target_id for each in site.crosswalk.roots(NAME, "Contact")}


def companies(site: Site) -> dict[str, str]:
    found = site.here("contact", "contactId")
    return {key: each["organisation"].get("name") for key, each in found.items() if each.get("organisation")}


def question(site: Site) -> str:
    """An account of which a person has said that it is contact 204, which was deleted before the next run."""
    known(site, 203, "both@fox.example", "Fox One")
    known(site, 204, "both@fox.example", "Fox Two")
    fox = account(site, "Fox Ltd", "both@fox.example")
    run(site, 1)
    answer_match(site.wiring(NAME), fox, "204", "Jo")
    site.sandbox.control("DELETE", "/brightpearl/contact/204")
    assert Counts(extracted=1, rejected=1) == run(site, 2).counts
    return fox


@pytest.mark.parametrize("to", ["203", ""])
@pytest.mark.parametrize("two_way", [False, True])
def test_an_answer_is_corrected_once_its_row_is_gone(
    request: pytest.FixtureRequest, site: Site, two_way: bool, to: str
) -> None:
    if two_way:
        request.getfixturevalue("both_ways")
    fox = question(site)
    answer_match(site.wiring(NAME), fox, to, "Jo")
    again = run(site, 3).counts
    # of two flows, the contact's own name counts
    outcome = "created" if not to else "unchanged" if two_way else "updated"
    assert (1, 1, 0) == (again.extracted, getattr(again, outcome), again.rejected)
    assert bound(site)[fox] == to or (not to and bound(site)[fox] not in ("203", "204"))
    assert "Fox Ltd" == companies(site)[bound(site)[fox]] or two_way
    assert "resolved" == letters(site)[fox].state
    # what is there stays
    with pytest.raises(Misconfigured, match="nothing to answer"):
        answer_match(site.wiring(NAME), fox, "", "Jo")


def test_a_question_is_answered_and_the_next_run_goes_on(site: Site) -> None:
    known(site, 203, "both@fox.example", "Fox One")
    known(site, 204, "both@fox.example", "Fox Two")
    fox, hare = account(site, "Fox Ltd", "both@fox.example"), account(site, "Hare Ltd", "hare@hare.example")
    asked = run(site, 1)
    assert Counts(extracted=2, created=1, rejected=1) == asked.counts
    letter = letters(site)[fox]
    assert ("open", "review", "primaryEmail") == (letter.state, letter.kind, letter.field)
    assert letter.value.startswith("203 ") and "; 204 " in letter.value
    # the command of the letter can be copied, and letters of one cause are one line of the summary
    assert f"`brightpearl match {NAME} --record {fox} --to CONTACT`" in letter.reason
    assert f"`brightpearl match {NAME} --record ID --to CONTACT`" in asked.reasons[0][0]
    # nobody has answered, and nothing is guessed
    assert 0 == run(site, 2).counts.extracted

    for target_id, problem in (
        ("203x", "brightpearl has no Contact 203x"),
        ("999999", "brightpearl has no Contact 999999"),
        (bound(site)[hare], f"is that of record {hare}: two records cannot be one row"),
    ):
        with pytest.raises(Misconfigured, match=problem):
            answer_match(site.wiring(NAME), fox, target_id, "Jo")
    with pytest.raises(Misconfigured, match="nothing to answer"):
        answer_match(site.wiring(NAME), hare, "203", "Jo")
    with pytest.raises(Misconfigured, match=r"salesforce.accounts has no record 001000000000000AAA"):
        answer_match(site.wiring(NAME), "001000000000000AAA", "203", "Jo")
    assert 0 == run(site, 3).counts.extracted

    answer_match(site.wiring(NAME), fox, "204", "Jo")
    assert Counts(extracted=1, updated=1) == run(site, 4).counts
    assert ("Fox One", "Fox Ltd") == (companies(site)["203"], companies(site)["204"])
    assert "204" == bound(site)[fox]
    assert "resolved" == letters(site)[fox].state
    with reading(site.database) as connection:
        [answer] = connection.execute(sa.select(tables.match_answer))
        origins = connection.execute(
            sa.select(tables.binding.c.origin).where(
                tables.binding.c.key == fox, tables.binding.c.object == "Contact"
            )
        )
        assert ("204", "Jo", ["person"]) == (answer.target_id, answer.author, list(origins.scalars()))
    assert ["is Contact 204, says Jo"] == [
        each.note for each in site.wiring(NAME).events.of_record(NAME, fox) if each.stage == "match"
    ]
    # the second sync of everything writes nothing
    again = site.run(NAME, full_resync=True)
    assert (0, again.counts.extracted) == (again.counts.rejected, again.counts.unchanged)


def test_none_of_them_is_an_answer_too(site: Site) -> None:
    known(site, 203, "both@fox.example", "Fox One")
    known(site, 204, "both@fox.example", "Fox Two")
    before = len(companies(site))
    fox = account(site, "Fox Ltd", "both@fox.example")
    run(site, 1)
    answer_match(site.wiring(NAME), fox, "", "Jo")
    assert Counts(extracted=1, created=1) == run(site, 2).counts
    assert (before + 1, "Fox One", "Fox Two") == (
        len(companies(site)),
        companies(site)["203"],
        companies(site)["204"],
    )
    assert bound(site)[fox] not in ("203", "204")


def test_an_answer_can_be_given_before_the_first_run(site: Site) -> None:
    known(site, 203, "old@fox.example", "Renamed Ltd")
    fox = account(site, "Fox Ltd", "new@fox.example")
    answer_match(site.wiring(NAME), fox, "203", "Jo")
    assert Counts(extracted=1, updated=1) == run(site, 1).counts
    assert "Fox Ltd" == companies(site)["203"]


def test_a_contact_of_another_record_is_not_taken_over_by_a_later_run(site: Site) -> None:
    known(site, 203, "fox@fox.example")
    fox = account(site, "Fox Ltd", "fox@fox.example")
    run(site, 1)
    twin = account(site, "Fox Two", "fox@fox.example")
    assert Counts(extracted=1, rejected=1) == run(site, 2).counts
    letter = letters(site)[twin]
    assert ("open", "review") == (letter.state, letter.kind)
    assert letter.reason.startswith(
        f"contact 203 of Brightpearl has this primaryEmail and is that of record {fox}:"
    )
    assert ("203", False) == (bound(site)[fox], twin in bound(site))
    assert "Fox Ltd" == companies(site)["203"]
    # both are one person's accounts, and the second is to have a contact of its own
    answer_match(site.wiring(NAME), twin, "", "Jo")
    assert Counts(extracted=1, created=1) == run(site, 3).counts


def dry_run(site: Site, **asked: Any) -> tuple[MatchReport, dict[str, MatchRow]]:
    report = MatchReport(NAME)
    wiring = replace(site.wiring(NAME), read_only=True)
    rows = list(match_records(wiring, Request(RunKind.MANUAL, **asked), report))
    return report, {each.source_id: each for each in rows}


def everything(site: Site) -> dict[str, list[Any]]:
    with reading(site.database) as connection:
        return {
            table.name: list(connection.execute(sa.select(table))) for table in tables.metadata.sorted_tables
        }


def test_the_dry_run_says_what_the_run_will_do_and_writes_nothing(site: Site) -> None:
    known(site, 203, "fox@fox.example")
    known(site, 204, "other@quay.example", "Quay Ltd", "+44 117 900 0001")
    for number in (205, 206):
        known(site, number, "both@shop.example", f"Shop {number}")
    fox = account(site, "Fox Ltd", "FOX@fox.example")
    quay = account(site, "Quay Ltd", "new@quay.example", "0117 900 0001")
    shop = account(site, "Shop", "both@shop.example")
    hare = account(site, "Hare Ltd", "hare@hare.example")
    twin = account(site, "Hare Two", "hare@hare.example")
    account(site, "Left out", "left@out.example")
    before, seeds = everything(site), bound(site)
    site.sandbox.control("DELETE", "/log")
    site.pass_time(1)
    report, rows = dry_run(site)
    assert before == everything(site)
    log = [each for each in site.sandbox.control("GET", "/log") if "token" not in each["path"]]
    # searches travel in multi-messages
    assert all(each["method"] == "GET" or each["path"].endswith("/multi-message") for each in log)
    assert (6, 1) == (report.records - len(seeds), report.left_out)
    assert {Found.LINK: 2, Found.REVIEW: 2, Found.CREATE: 1, Found.LINKED: len(seeds)} == report.counts
    assert (Found.LINK, "203", "primaryEmail") == (rows[fox].found, rows[fox].target_id, rows[fox].rule)
    assert (Found.LINK, "204", "companyName and telephone") == (
        rows[quay].found,
        rows[quay].target_id,
        rows[quay].rule,
    )
    assert (Found.REVIEW, True) == (rows[shop].found, rows[shop].candidates.startswith("205 "))
    assert {Found.CREATE, Found.REVIEW} == {rows[hare].found, rows[twin].found}
    created = {key for key in (hare, twin) if rows[key].found is Found.CREATE}

    summary = run(site, 1)
    assert Counts(extracted=6, created=1, updated=2, unchanged=1, rejected=2) == summary.counts
    assert {fox: "203", quay: "204"}.items() <= bound(site).items()
    assert created == set(bound(site)) - {fox, quay, *seeds}
    again, rows = dry_run(site)
    assert {Found.LINKED: 3 + len(seeds), Found.REVIEW: 2} == again.counts
    assert "203" == rows[fox].target_id


def test_the_dry_run_of_a_window_reads_no_more(site: Site) -> None:
    account(site, "Fox Ltd", "fox@fox.example")
    site.pass_time(5)
    since = site.now()
    late = account(site, "Hare Ltd", "hare@hare.example")
    site.pass_time(5)
    report, rows = dry_run(site, start=since)
    assert (1, [late]) == (report.records, list(rows))


def test_the_dry_run_of_a_flow_into_salesforce_looks_for_the_keys(site: Site) -> None:
    (site.mappings / "people_to_salesforce.yaml").write_text("""
flow: people_to_salesforce
source: brightpearl.contacts
target: salesforce
objects:
  Account:
    key: {Brightpearl_Id__c: contactId}
    fields: {Name: "coalesce(text(lastName), 'Unknown')"}
""")
    site.salesforce().sf.Account.create({"Name": "Fox", "Brightpearl_Id__c": "203"})
    report = MatchReport("people_to_salesforce")
    wiring = replace(site.wiring("people_to_salesforce"), read_only=True)
    rows = {each.source_id: each for each in match_records(wiring, Request(RunKind.MANUAL), report)}
    assert (Found.LINK, "Brightpearl_Id__c", 1) == (
        rows["203"].found,
        rows["203"].rule,
        report.counts[Found.LINK],
    )
    assert rows["203"].target_id.startswith("001")
    assert report.records - 1 == report.counts[Found.CREATE]
    with pytest.raises(Misconfigured, match="salesforce finds each Account by its key"):
        answer_match(wiring, "203", "", "Jo")


THERE = """
flow: people_to_salesforce
source: brightpearl.contacts
target: salesforce
window: {lookback: 0m, delay: 0m}
objects:
  Account:
    key: {Brightpearl_Id__c: contactId}
    fields:
      Name: coalesce(text(organisation.name), text(lastName), 'Unknown')
      Phone: text(communication.telephones.PRI)
authority:
  default: brightpearl
  fields: {Account.Phone: salesforce}
"""
BACK = """
reverse:
  of: people_to_salesforce
  objects: {Account: Id}
  fields: {Contact.companyName: Account.Name, Contact.telephone: Account.Phone}
"""


@pytest.fixture
def both_ways(site: Site) -> Site:
    """A site whose customers are edited on both sides."""
    (site.mappings / "people_to_salesforce.yaml").write_text(THERE)
    text = FLOW.replace("create_only: [type, countryIsoCode]", "create_only: [type, countryIsoCode]" + BACK)
    text = text.replace("    match:", "    create_only: [firstName, lastName, primaryEmail]\n    match:")
    (site.mappings / f"{NAME}.yaml").write_text(text)
    return site


@pytest.mark.parametrize("answered", [False, True])
def test_what_is_matched_is_merged_before_its_first_write(both_ways: Site, answered: bool) -> None:
    site = both_ways
    known(site, 203, "fox@fox.example", "Fox of Brightpearl", "111")
    fox = account(site, "Fox of Salesforce", "other@fox.example" if answered else "fox@fox.example", "222")
    if answered:
        answer_match(site.wiring(NAME), fox, "203", "Jo")
    else:
        before = everything(site)
        report, rows = dry_run(site)
        assert before == everything(site)
        expected = ("Account.Name: brightpearl counts", "Account.Phone: salesforce counts")
        assert expected == tuple(sorted(rows[fox].conflicts))
        assert 1 == report.conflicts["Account.Phone: salesforce counts"]
    run(site, 1)
    # whose value counts is what the flow file says
    contact = site.here("contact", "contactId")["203"]
    assert ("Fox of Brightpearl", "222") == (
        contact["organisation"]["name"],
        contact["communication"]["telephones"]["PRI"],
    )
    assert "203" == bound(site)[fox]
    site.pass_time(1)
    site.run("people_to_salesforce")
    linked = site.there("Account")["203"]
    assert (fox, "Fox of Brightpearl", "222") == (linked["Id"], linked["Name"], linked["Phone"])


def test_a_contact_that_the_other_direction_has_linked_is_taken(both_ways: Site) -> None:
    site = both_ways
    known(site, 203, "fox@fox.example")
    site.run("people_to_salesforce")
    linked = site.there("Account")["203"]["Id"]
    twin = account(site, "Fox Two", "fox@fox.example")
    run(site, 1)
    letter = letters(site)[twin]
    assert letter.reason.startswith(
        f"contact 203 of Brightpearl has this primaryEmail and is that of record {linked}:"
    )
    with pytest.raises(Misconfigured, match=f"is that of record {linked}: two records cannot be one row"):
        answer_match(site.wiring(NAME), twin, "203", "Jo")
    with pytest.raises(Misconfigured, match=r"nothing to answer"):
        answer_match(site.wiring(NAME), linked, "204", "Jo")


def test_a_contact_that_both_flows_know_is_no_question_once_it_is_gone(both_ways: Site) -> None:
    site = both_ways
    known(site, 203, "fox@fox.example")
    fox = account(site, "Fox Ltd", "fox@fox.example")
    run(site, 1)
    assert "203" == bound(site)[fox]
    site.sandbox.control("DELETE", "/brightpearl/contact/203")
    with pytest.raises(Misconfigured, match=r"nothing to answer, as people_to_salesforce shares it"):
        answer_match(site.wiring(NAME), fox, "204", "Jo")


def test_a_new_record_of_both_directions_is_looked_for_once(both_ways: Site) -> None:
    site = both_ways
    hare = account(site, "Hare Ltd", "hare@hare.example")
    site.sandbox.control("DELETE", "/log")
    assert 1 == run(site, 1).counts.created
    assert hare in bound(site)
    sent = [each for each in site.sandbox.control("GET", "/log") if each["path"].endswith("multi-message")]
    # a search, an address, a contact
    assert 3 == len(sent)


def merge(site: Site, survivor: str, loser: str) -> None:
    site.pass_time(1)
    Api(site.sandbox).merge("Account", survivor, loser)


def test_the_survivor_of_a_merge_takes_the_contact_over(site: Site) -> None:
    flow = FLOW.replace("Name <> 'Left out'", "NOT IsDeleted")
    (site.mappings / f"{NAME}.yaml").write_text(flow)
    known(site, 203, "fox@fox.example")
    loser = account(site, "Fox Ltd", "fox@fox.example")
    run(site, 1)
    survivor = account(site, "Fox and Sons", "sons@fox.example")
    merge(site, survivor, loser)
    before = len(companies(site))
    assert Counts(extracted=2, updated=1, unchanged=1) == run(site, 2).counts
    assert ("203", False) == (bound(site)[survivor], loser in bound(site))
    assert (before, "Fox and Sons") == (len(companies(site)), companies(site)["203"])
    assert Counts(extracted=0) == run(site, 3).counts


@pytest.mark.parametrize("left_out", [True, False])
def test_a_merge_of_two_linked_records_is_a_question(site: Site, left_out: bool) -> None:
    if left_out:
        (site.mappings / f"{NAME}.yaml").write_text(FLOW.replace("Name <> 'Left out'", "NOT IsDeleted"))
    known(site, 203, "fox@fox.example")
    known(site, 204, "sons@fox.example")
    loser, survivor = (
        account(site, "Fox Ltd", "fox@fox.example"),
        account(site, "Fox Two", "sons@fox.example"),
    )
    run(site, 1)
    assert ("203", "204") == (bound(site)[loser], bound(site)[survivor])
    merge(site, survivor, loser)
    run(site, 2)
    letter = letters(site)[loser]
    assert ("open", "review", f"203 is this record, 204 is {survivor}") == (
        letter.state,
        letter.kind,
        letter.value,
    )
    assert letter.reason.startswith(
        f"salesforce has merged this record into {survivor}, and both are linked to a Contact"
    )
    assert ("203", "204") == (bound(site)[loser], bound(site)[survivor])
    # it is no longer read, and the question stays
    assert 0 == run(site, 3).counts.extracted
    assert "open" == letters(site)[loser].state


def test_two_parts_that_take_one_contact_at_once_are_noticed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(site, 203, "fox@fox.example")
    fox = account(site, "Fox Ltd", "fox@fox.example")
    run(site, 1)
    twin = account(site, "Fox Two", "fox@fox.example")
    with monkeypatch.context() as blind:
        # the other part has not bound it yet when this one looks
        blind.setattr(FlowLinks, "owners", lambda *_: {})
        assert 1 == run(site, 2).counts.rejected
    assert "retry" == letters(site)[twin].state
    assert ("203", False) == (bound(site)[fox], twin in bound(site))
    assert 1 == run(site, 3).counts.rejected
    letter = letters(site)[twin]
    assert ("open", "review") == (letter.state, letter.kind)
    assert f"is that of record {fox}" in letter.reason
