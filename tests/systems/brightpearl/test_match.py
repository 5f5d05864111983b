"""How a new record finds the contact or product that Brightpearl has already, and when a person is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.matching import NothingLinked
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.systems.brightpearl.merchant import Merchant, change, flow, record

TEXT = """
flow: people_to_brightpearl
source: salesforce.accounts
target: brightpearl
objects:
  Contact:
    key: {id: Id}
    fields: {firstName: a, lastName: b, primaryEmail: c, telephone: d, companyName: e}
    match: [primaryEmail, [lastName, companyName], [companyName, telephone]]
  Address:
    key: {id: Id}
    parent: {of: Contact}
    fields: {type: "'DEF'", countryIsoCode: "'GBR'"}
"""
PEOPLE = flow(TEXT)


def person(number: int, **fields: Any) -> RecordChange:
    key = f"SF{number}"
    head = {
        "firstName": "Ada", "lastName": f"Marsh {number}", "primaryEmail": f"ada{number}@new.example",
        "telephone": f"0117 9{number:06}", "companyName": f"Marsh {number} Ltd", **fields,
    }  # fmt: skip
    address = change("Address", key, {"type": "DEF", "countryIsoCode": "GBR"}, key)
    return record(key, change("Contact", key, head), address)


def heads(results: Iterable[RowResult]) -> dict[str, RowResult]:
    return {each.source_id: each for each in results if each.object == "Contact"}


def edit(
    merchant: Merchant, number: int, email: str, company: str, phone: str = "", last: str = "Fox"
) -> None:
    known = {
        "lastName": last,
        "organisation": {"name": company},
        "communication": {"emails": {"PRI": {"email": email}}, "telephones": {"PRI": phone}},
    }
    merchant.sandbox.control("PATCH", f"/brightpearl/contact/{number}", known)


def test_rules_are_tried_in_their_order_and_compare_exactly(merchant: Merchant) -> None:
    edit(merchant, 203, "old@fox.example", "Fox and Sons", "0117 900 0001", last="Marsh")
    edit(merchant, 204, "xada2@new.example", "Fox and Sons Holding", last="Marsh 2")
    edit(merchant, 205, "Ada3@New.Example ", "Other Ltd")
    results = merchant.write(
        PEOPLE,
        [
            # by name and company, but for case and blanks; the email is another one by now
            person(1, lastName="MARSH", companyName=" fox  and sons"),
            # both are only parts of what Brightpearl has
            person(2, companyName="Fox and Sons"),
            person(3),
        ],
    )
    found = heads(results)
    assert ("203", RowOutcome.UPDATED) == (found["SF1"].target_id, found["SF1"].outcome)
    assert RowOutcome.CREATED is found["SF2"].outcome
    assert ("205", RowOutcome.UPDATED) == (found["SF3"].target_id, found["SF3"].outcome)


def test_a_telephone_number_is_the_same_however_it_is_written(merchant: Merchant) -> None:
    edit(merchant, 203, "", "Quay Ltd", "+44 (0)117 900-0001")
    edit(merchant, 204, "", "Quay Ltd", "0117 900 0002")
    results = merchant.write(PEOPLE, [person(1, companyName="Quay Ltd", telephone="01179000001")])
    assert "203" == heads(results)["SF1"].target_id


def test_several_that_fit_are_a_question_with_what_people_know_them_by(merchant: Merchant) -> None:
    for number in range(203, 215):
        edit(merchant, number, "two@shop.example", f"Shop {number}")
    results = merchant.write(PEOPLE, [person(1, primaryEmail="TWO@shop.example"), person(2)])
    asked = heads(results)["SF1"]
    assert (
        "Brightpearl has 12 contacts of this primaryEmail; answer which one it is: "
        "`brightpearl match people_to_brightpearl --record SF1 --to CONTACT`, or --new for none of them"
    ) == asked.reason
    assert (True, True, False) == (asked.refused, asked.review, asked.passing)
    candidates = asked.value.split("; ")
    assert candidates[0].startswith("203 ") and candidates[0].endswith("Fox, two@shop.example, Shop 203")
    assert (11, "and 2 more") == (len(candidates), candidates[-1])
    assert RowOutcome.CREATED is heads(results)["SF2"].outcome


class Known(NothingLinked):
    """Contact 203 is that of record SF9, and SF5 is none that Brightpearl has."""

    def owners(self, object_name: str, target_ids: Iterable[str]) -> dict[str, str]:
        return {"203": "SF9"} if "203" in set(target_ids) else {}

    def new_ones(self, object_name: str, keys: Iterable[str]) -> set[str]:
        return {"SF5"} & set(keys)


def test_a_contact_of_another_record_is_not_taken_over(merchant: Merchant) -> None:
    edit(merchant, 203, "ada1@new.example", "Fox")
    edit(merchant, 204, "ada2@new.example", "Fox")
    edit(merchant, 205, "ada5@new.example", "Fox")
    sink = merchant.sink(PEOPLE)
    sink.linked = Known()
    # found by name and company, after it was taken by its email
    late = person(3, lastName="Fox", companyName="Fox")
    results = [each for some in sink.write([person(1), person(2), late, person(5)]) for each in some]
    found = heads(results)
    assert found["SF1"].reason.startswith(
        "contact 203 of Brightpearl has this primaryEmail and is that of record SF9: two records cannot be one contact;"
    )
    assert found["SF1"].value.endswith("(record SF9)")
    assert "204" == found["SF2"].target_id
    assert found["SF3"].reason.startswith(
        "Brightpearl has 3 contacts of this lastName and companyName; answer"
    )
    # a person has said so
    assert RowOutcome.CREATED is found["SF5"].outcome
    assert "Fox" == merchant.rows("contact", "contactId")["203"]["organisation"]["name"]


def test_two_records_that_find_one_contact_are_one_contact_and_one_question(merchant: Merchant) -> None:
    edit(merchant, 203, "ada1@new.example", "Quay")
    late = person(2, lastName="Fox", companyName="Quay")
    found = heads(merchant.write(PEOPLE, [person(1), late]))
    assert "203" == found["SF1"].target_id
    assert found["SF2"].reason.startswith(
        "contact 203 of Brightpearl has this lastName and companyName and is"
    )


def test_two_records_are_held_against_each_other_also_far_apart(merchant: Merchant) -> None:
    # further apart than one call reads
    people = [person(number) for number in range(210)]
    people.append(person(999, primaryEmail="ADA3@new.example"))
    found = heads(merchant.write(PEOPLE, people))
    assert found["SF999"].reason.startswith(
        "record SF3 has the same primaryEmail: two records cannot be one contact"
    )
    assert 210 == sum(each.outcome is RowOutcome.CREATED for each in found.values())


def test_searches_go_ten_to_a_call_and_stop_at_the_first_rule_that_finds(merchant: Merchant) -> None:
    for number in range(10):
        edit(merchant, 203 + number, f"ada{number}@new.example", "Fox")
    sink = merchant.sink(PEOPLE)
    people = [person(number) for number in range(20)]
    before = sink.calls
    results = [each for some in sink.write(people) for each in some]
    assert 20 == len(heads(results))
    searches = [uri for method, uri, _ in sink.client.sent if "contact-search" in uri]  # type: ignore[attr-defined]
    # all by email; those that are not found by names and by telephone as well
    assert (20 + 10 + 10, True) == (len(searches), sink.calls > before)


def test_products_by_their_codes(merchant: Merchant) -> None:
    spec = flow("""
flow: items_to_brightpearl
source: infor.items
target: brightpearl
objects:
  Product:
    key: {sku: ITNO}
    fields: {name: a, brandId: b, ean: c}
    match: [sku, ean]
""")
    merchant.sandbox.control(
        "PATCH", "/brightpearl/product/1001", {"identity": {"sku": "OLD", "ean": "5012345678900"}}
    )
    rows = {"name": "Lamp", "brandId": 74, "ean": "5012345678900"}
    [found] = merchant.write(spec, [record("N1", change("Product", "N1", rows))])
    assert ("1001", RowOutcome.UPDATED) == (found.target_id, found.outcome)
    assert "N1" == merchant.rows("product")["1001"]["identity"]["sku"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[lastName, companyName]", "[lastName, postalCode]", "does not return postalCode of a contact; it returns"),
        ("[lastName, companyName]", "[lastName, companyNme]", "did you mean companyName?"),
        ("[lastName, companyName]", "mobileTelephone", "mobileTelephone is not among the fields of this object"),
        ("[companyName, telephone]", "telephone", "compared, not searched for; add one of primaryEmail"),
        ("[lastName, companyName]", "lastName", "lastName alone identifies nobody; add another field"),
        ("[lastName, companyName]", "[lastName, lastName]", "lastName and lastName: names a field twice"),
        ("parent: {of: Contact}", "parent: {of: Contact}\n    match: [type]",
         "brightpearl is not searched for Address; it is for Contact and Product"),
    ],
)  # fmt: skip
def test_what_cannot_identify_is_refused_when_the_flow_is_loaded(old: str, new: str, reason: str) -> None:
    assert old in TEXT
    with pytest.raises(Misconfigured, match=reason.replace("?", r"\?")):
        check_flow(flow(TEXT.replace(old, new)))


def test_other_targets_take_no_match() -> None:
    text = TEXT.replace("target: brightpearl", "target: salesforce").replace(
        "salesforce.accounts", "brightpearl.contacts"
    )
    with pytest.raises(
        Misconfigured,
        match="salesforce is not searched for Contact; its rows are found by",
    ):
        check_flow(flow(text))
