from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_brightpearl.core.changes import RecordChange, Removal, RowOutcome
from airflow_provider_brightpearl.errors import Misconfigured, TimedOut, Unavailable
from airflow_provider_brightpearl.systems import intent_log
from airflow_provider_brightpearl.systems.brightpearl.client import MessageAnswer
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.systems.brightpearl.merchant import Listening, Merchant, change, flow, record, with_ids

TEXT = """
flow: people_to_brightpearl
source: brightpearl.contacts
target: brightpearl
objects:
  Contact:
    key: {id: contactId}
    fields: {firstName: a, lastName: b, primaryEmail: c, telephone: d, companyName: e, priceListId: f}
    create_only: [priceListId]
  Address:
    key: {id: contactId}
    parent: {of: Contact}
    fields: {type: "'1'", addressLine1: "'1'", countryIsoCode: "'1'"}
"""
PEOPLE = flow(TEXT)


def person(number: int, street: str = "1 Quay St", delivery: str = "", **fields: Any) -> RecordChange:
    key = f"SF{number}"
    head = {
        "firstName": "Ada", "lastName": f"Marsh {number}", "primaryEmail": f"ada{number}@new.example",
        "telephone": "0117 000000", "companyName": "Marsh Ltd", "priceListId": 2, **fields,
    }  # fmt: skip
    places = {"DEF": street, "DEL": delivery or street}
    rows = [
        change("Address", f"{key}-{slot}", {"type": slot, "addressLine1": line, "countryIsoCode": "GBR"}, key)
        for slot, line in places.items()
    ]
    return record(key, change("Contact", key, head), *rows)


def contacts(merchant: Merchant, email: str) -> list[dict[str, Any]]:
    found = merchant.rows("contact", "contactId").values()
    return [each for each in found if each["communication"]["emails"].get("PRI", {}).get("email") == email]


def test_new_contacts_go_ten_to_a_call_and_equal_addresses_once(merchant: Merchant) -> None:
    results = merchant.write(PEOPLE, [person(number) for number in range(20)])
    assert {RowOutcome.CREATED} == {each.outcome for each in results}
    assert 60 == len(results)
    # searches by email, addresses, contacts
    assert 6 == merchant.calls == merchant.fewest
    [ada] = contacts(merchant, "ada3@new.example")
    assert ada["postAddressIds"]["DEF"] == ada["postAddressIds"]["DEL"]
    assert ("Marsh Ltd", "0117 000000", 2) == (
        ada["organisation"]["name"],
        ada["communication"]["telephones"]["PRI"],
        ada["financialDetails"]["priceListId"],
    )
    assert f"{ada['contactId']}|DEL" in {each.target_id for each in results if each.source_id == "SF3"}


def test_only_what_differs_is_changed(merchant: Merchant) -> None:
    first = merchant.write(PEOPLE, [person(1)])
    [ada] = contacts(merchant, "ada1@new.example")
    changed = person(1, telephone="0117 111111", companyName=None, priceListId=1, delivery="2 Dock Road")
    results = merchant.write(PEOPLE, [with_ids(changed, first)])
    assert {RowOutcome.UPDATED} == {each.outcome for each in results}
    address = {"addressLine1": "2 Dock Road", "countryIsoCode": "GBR"}
    [made, patch] = merchant.sent
    assert ("POST", "/contact-service/postal-address", address) == made
    new = contacts(merchant, "ada1@new.example")[0]["postAddressIds"]["DEL"]
    assert [
        {"op": "replace", "path": "/communication/telephones/PRI", "value": "0117 111111"},
        {"op": "remove", "path": "/organisation/name"},
        {"op": "replace", "path": "/postAddressIds/DEL", "value": new},
    ] == patch[2]
    assert new != ada["postAddressIds"]["DEL"]

    again = merchant.write(PEOPLE, [with_ids(changed, first)])
    assert ([], 3) == (merchant.sent, len(again))
    # the contact and its addresses are read
    assert 2 == merchant.calls


def test_a_changed_address_keeps_the_fields_that_the_flow_leaves_alone(merchant: Merchant) -> None:
    first = merchant.write(PEOPLE, [person(1)])
    [ada] = contacts(merchant, "ada1@new.example")
    place = f"/brightpearl/postal-address/{ada['postAddressIds']['DEF']}"
    merchant.sandbox.control("PATCH", place, {"addressLine3": "Hull", "postalCode": "HU1 1AA"})
    # of a two-way flow, only what differs is there
    moved = change("Address", "SF1-DEF", {"type": "DEF", "addressLine1": "9 Dock Road"}, "SF1")
    merchant.write(PEOPLE, [with_ids(record("SF1", change("Contact", "SF1", {}), moved), first)])
    kept = {"addressLine3": "Hull", "postalCode": "HU1 1AA", "countryIsoCode": "GBR"}
    assert (
        "POST",
        "/contact-service/postal-address",
        {"addressLine1": "9 Dock Road", **kept},
    ) == merchant.sent[0]


def test_an_address_that_is_removed_is_taken_off_its_contact(merchant: Merchant) -> None:
    results = merchant.write(PEOPLE, [person(1)])
    delivery, default = (
        next(each for each in results if each.target_id.endswith(slot)) for slot in ("|DEL", "|DEF")
    )
    gone = record("SF1", removals=(Removal("Address", delivery.key, delivery.target_id),))
    assert [RowOutcome.REMOVED] == [each.outcome for each in merchant.write(PEOPLE, [gone])]
    assert {"DEF"} == set(contacts(merchant, "ada1@new.example")[0]["postAddressIds"])
    gone = record("SF1", removals=(Removal("Address", default.key, default.target_id),))
    [refused] = merchant.write(PEOPLE, [gone])
    assert "a contact keeps its default address: map another one to type DEF" == refused.reason


def test_a_contact_of_the_same_email_is_taken_over(merchant: Merchant) -> None:
    before = merchant.rows("contact", "contactId")
    [known] = [each for each in before.values() if each["contactId"] == 203]
    email = known["communication"]["emails"]["PRI"]["email"]
    results = merchant.write(PEOPLE, [person(1, primaryEmail=email.upper())])
    assert {"203", "203|DEF", "203|DEL"} == {each.target_id for each in results}
    assert {RowOutcome.UPDATED} == {each.outcome for each in results}
    after = merchant.rows("contact", "contactId")
    assert len(before) == len(after)
    assert ("Marsh 1", known["financialDetails"]["priceListId"]) == (
        after["203"]["lastName"],
        after["203"]["financialDetails"]["priceListId"],
    )
    # a further address finds its contact without it
    more = change(
        "Address", "SF1-B", {"type": "BIL", "addressLine1": "3 Way", "countryIsoCode": "GBR"}, "SF1"
    )
    [billing] = merchant.write(PEOPLE, [record("SF1", more)])
    assert "203|BIL" == billing.target_id


def test_an_email_that_several_contacts_share_is_refused_with_their_ids(merchant: Merchant) -> None:
    path = "/brightpearl/contact/{}"
    for number in (203, 204):
        emails = {"emails": {"PRI": {"email": "two@shop.example"}}}
        merchant.sandbox.control("PATCH", path.format(number), {"communication": emails})
    results = merchant.write(PEOPLE, [person(1, primaryEmail="two@shop.example"), person(2)])
    [refused] = [each for each in results if each.refused]
    assert refused.reason.startswith(
        "Brightpearl has 2 contacts of this primaryEmail; answer which one it is:"
    )
    assert ("primaryEmail", ["203", "204"]) == (
        refused.field,
        [each.partition(" ")[0] for each in refused.value.split("; ")],
    )
    assert 4 == len(results)


def test_two_records_of_one_email_are_one_contact_and_one_refusal(merchant: Merchant) -> None:
    twin = person(2, primaryEmail="ADA1@new.example")
    results = merchant.write(PEOPLE, [person(1), twin])
    [refused] = [each for each in results if each.refused]
    assert refused.reason.startswith(
        "record SF1 has the same primaryEmail: two records cannot be one contact"
    )
    assert refused.review
    assert 1 == len(contacts(merchant, "ada1@new.example"))


@pytest.mark.parametrize("email", ["ada1@new.example", None], ids=["by email", "by name"])
def test_a_contact_whose_answer_was_lost_is_found(merchant: Merchant, email: str | None) -> None:
    people = [person(1, primaryEmail=email), person(2)]
    # after the searches, if any, and the addresses
    merchant.fault(path="multi-message", drop="after", skip=2)
    with pytest.raises(TimedOut, match="SF1, SF2: no answer, so they are in doubt until they are found"):
        merchant.write(PEOPLE, people)
    before = merchant.rows("contact", "contactId")
    results = merchant.write(PEOPLE, people)
    assert 6 == len(results)
    assert {RowOutcome.CREATED} == {each.outcome for each in results}
    assert before.keys() == merchant.rows("contact", "contactId").keys()
    assert [] == [each for each in merchant.sent if each[1].endswith("/contact")]


def test_a_message_that_the_answer_leaves_out_is_looked_for(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, whole = [person(number) for number in (1, 2)], Listening.multi_message

    def forgetful(
        client: Listening, messages: Sequence[Mapping[str, Any]], **options: Any
    ) -> list[MessageAnswer]:
        answers = whole(client, messages, **options)
        return answers[:-1] if messages[0]["uri"].endswith("/contact") else answers

    monkeypatch.setattr(Listening, "multi_message", forgetful)
    with pytest.raises(TimedOut, match="SF2: no answer"):
        merchant.write(PEOPLE, people)
    monkeypatch.undo()
    assert 6 == len(merchant.write(PEOPLE, people))
    assert [1, 1] == [len(contacts(merchant, f"ada{number}@new.example")) for number in (1, 2)]


def test_a_write_that_another_run_took_while_it_waited_is_given_up(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Listening.multi_message

    def late(client: Listening, messages: Sequence[Mapping[str, Any]], **options: Any) -> list[MessageAnswer]:
        if messages[0]["uri"].endswith("/contact"):
            [known] = merchant.intents.of(PEOPLE.flow, "Contact", ["SF1"]).values()
            merchant.intents.begin([known])
        return whole(client, messages, **options)

    monkeypatch.setattr(Listening, "multi_message", late)
    # every wait is a long one
    monkeypatch.setattr(intent_log, "_FRESH", timedelta(0))
    with pytest.raises(Unavailable, match="another"):
        merchant.write(PEOPLE, [person(1)])
    assert [] == contacts(merchant, "ada1@new.example")


def test_a_contact_in_doubt_does_not_take_that_of_a_namesake(merchant: Merchant) -> None:
    first, second = (person(number, primaryEmail=None, firstName="Ada", lastName="Twin") for number in (1, 2))
    made = merchant.write(PEOPLE, [first])
    merchant.fault(path="multi-message", drop="before", skip=1)
    with pytest.raises(TimedOut):
        merchant.write(PEOPLE, [second])
    results = merchant.write(PEOPLE, [second])
    assert 2 == len({each.target_id for each in (*made, *results) if each.object == "Contact"})
    twins = [each for each in merchant.rows("contact", "contactId").values() if each["lastName"] == "Twin"]
    assert 2 == len(twins)


def test_a_contact_that_was_not_created_in_the_end_is_created(merchant: Merchant) -> None:
    merchant.fault(path="multi-message", drop="before", skip=2)
    with pytest.raises(TimedOut):
        merchant.write(PEOPLE, [person(1)])
    assert 3 == len(merchant.write(PEOPLE, [person(1)]))
    assert 1 == len(contacts(merchant, "ada1@new.example"))


def test_an_id_that_the_account_does_not_answer_for_stops_no_other(merchant: Merchant) -> None:
    results = merchant.write(PEOPLE, [person(number) for number in (1, 2, 3)])
    ids = [each.target_id for each in results if each.object == "Contact"]
    body = {"errors": [{"code": "CNTC-001", "message": "odd contact"}]}
    # alone, at the end of a set, or within one
    merchant.fault(
        path=rf"contact-service/contact/([\d,-]*,|\d+-)?{ids[1]}\b", times=0, status=400, body=body
    )
    merchant.fault(path=rf"contact-service/contact/{ids[0]}-{ids[2]}", times=0, status=400, body=body)
    try:
        again = merchant.write(
            PEOPLE, [with_ids(person(number, telephone="1"), results) for number in (1, 2, 3)]
        )
    finally:
        merchant.sandbox.control("DELETE", "/faults")
    [refused] = [each for each in again if each.refused]
    assert (f"Brightpearl does not answer for {ids[1]}: odd contact", True) == (
        refused.reason,
        refused.passing,
    )
    assert (7, 2) == (len(again), len(merchant.sent))


def test_an_email_that_cannot_be_searched_stops_no_other(merchant: Merchant) -> None:
    content = '{"errors":[{"code":"CMNC-018","message":"The filter cannot be parsed"}]}'
    nothing = '{"response":{"results":[],"metaData":{"columns":[]}}}'
    processed = [
        {"label": "0", "statusCode": 500, "body": {"content": content}},
        {"label": "1", "statusCode": 200, "body": {"content": nothing}},
    ]
    body = {"response": {"processedMessages": processed, "unprocessedMessages": []}}
    merchant.fault(path="multi-message", status=207, body=body)
    results = merchant.write(PEOPLE, [person(1), person(2)])
    [refused] = [each for each in results if each.refused]
    assert "Brightpearl cannot search for it: CMNC-018 The filter cannot be parsed" == refused.reason
    assert ("primaryEmail", "ada1@new.example", 4) == (refused.field, refused.value, len(results))


def test_of_two_workers_one_waits(merchant: Merchant) -> None:
    first, second = merchant.sink(PEOPLE), merchant.sink(PEOPLE, run="run2")
    log = second.intent_log
    log.load({"SF1": "d"})
    assert 3 == len([each for answered in first.write([person(1)]) for each in answered])
    with pytest.raises(Unavailable):
        log.begin({"SF1": "d"})
    assert 3 == len([each for answered in second.write([person(1)]) for each in answered])
    assert 1 == len(contacts(merchant, "ada1@new.example"))


def test_a_contact_deleted_in_brightpearl(merchant: Merchant) -> None:
    first = merchant.write(PEOPLE, [person(1)])
    merchant.sandbox.control("DELETE", f"/brightpearl/contact/{first[0].target_id}")
    [refused] = merchant.write(PEOPLE, [with_ids(person(1), first)])
    assert f"Brightpearl no longer has contact {first[0].target_id}" == refused.reason
    # a reconciliation unbinds it, and it is written anew
    anew = merchant.write(PEOPLE, [person(1)])
    assert {RowOutcome.CREATED} == {each.outcome for each in anew}
    assert first[0].target_id != anew[0].target_id


@pytest.mark.parametrize(
    ("fields", "reason", "name"),
    [
        ({"priceListId": "retail"}, "is not an id", "priceListId"),
        ({"lastName": "x" * 33}, "is longer than the 32 characters that Brightpearl stores", "lastName"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_sent(
    merchant: Merchant, fields: dict[str, Any], reason: str, name: str
) -> None:
    results = merchant.write(PEOPLE, [person(1, **fields), person(2)])
    [refused] = [each for each in results if each.refused]
    assert (reason, name, str(fields[name])) == (refused.reason, refused.field, refused.value)
    assert (4, []) == (len(results), contacts(merchant, "ada1@new.example"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  Contact:", "  Person:", "objects.Person: flows into Brightpearl begin with no 'Person'"),
        ("telephone:", "phone:", "objects.Contact.fields.phone: is not a field of Contact; did you mean"),
        ("type: ", "kind: ", "objects.Address.fields.kind: is not a field of Address"),
        ("    parent: {of: Contact}\n", "", "objects.Address.parent: write a field of yours with Contact"),
        ("    create_only", "    set_last: {firstName: A}\n    create_only", "objects.Contact.set_last: Brightpearl"),
        ("objects:", "reconcile: {deleted: remove}\nobjects:", "reconcile.deleted: rows of Brightpearl are not"),
        ("objects:", "reconcile: {deleted: propagate}\nobjects:", "reconcile.deleted: rows of Brightpearl are not"),
    ],
)  # fmt: skip
def test_what_brightpearl_does_not_take_is_refused_when_the_flow_is_loaded(
    old: str, new: str, told: str
) -> None:
    text = TEXT.replace(old, new, 1)
    if old == "  Contact:":
        text = text.replace("of: Contact", "of: Person")
    with pytest.raises(Misconfigured) as caught:
        check_flow(flow(text))
    assert f"people_to_brightpearl.yaml: {told}" in str(caught.value)


def test_a_refused_address_names_its_country(merchant: Merchant) -> None:
    place = {"type": "DEF", "addressLine1": "1 Way", "countryIsoCode": "SWX"}
    head = {"firstName": "Ada", "lastName": "Marsh", "primaryEmail": "ada@far.example"}
    results = merchant.write(
        PEOPLE, [record("SF9", change("Contact", "SF9", head), change("Address", "SF9-D", place, "SF9"))]
    )
    assert ("countryIsoCode", "SWX") in {(each.field, each.value) for each in results if each.refused}
