"""Personal data replaced by values of the same shape."""

from __future__ import annotations

import unicodedata

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brightpearl.mapping.anonymise import anonymised

RECORD = {
    "id": 100391, "reference": "SO-100391", "placedOn": "2026-04-01T10:00:00.000+01:00", "isGift": "false",
    "orderStatus": {"name": "New web order", "orderStatusId": 1},
    "currency": {"orderCurrencyCode": "GBP"}, "totalValue": {"net": "10.00"},
    "parties": {"delivery": {
        "addressFullName": "Ada Lovelace", "companyName": "", "addressLine1": "12 St James's Square",
        "postalCode": "SW1Y 4JH",
        "telephone": "+44 20 7946 0958", "mobileTelephone": "12", "email": "ada@example.com", "countryIsoCode": "GB",
    }},
    "CUNM": "Zürich Möbel AG", "PONO": "28195", "CUNO": "C10001", "notes": ["said יהודה", "山田"],
}  # fmt: skip


def test_persons_are_gone_and_shapes_money_and_ids_stay() -> None:
    copy = anonymised(RECORD, {"New web order"}, "x")
    assert copy == anonymised(RECORD, {"New web order"}, "x") != anonymised(RECORD, {"New web order"}, "y")
    for name in ("id", "reference", "placedOn", "isGift", "orderStatus", "currency", "totalValue", "CUNO"):
        assert RECORD[name] == copy[name], name
    to, was = copy["parties"]["delivery"], RECORD["parties"]["delivery"]  # type: ignore[index]
    assert ("", "GB") == (to["companyName"], to["countryIsoCode"])
    for text in ("Ada", "Lovelace", "James", "SW1Y", "7946 0958", "Möbel", "28195", "יהודה", "山田", "ada@"):
        assert text not in str(copy)
    assert ["+", " ", " "] == [each for each in to["telephone"] if not each.isdigit()][:3]
    assert phonenumbers.is_valid_number(phonenumbers.parse(to["telephone"], "GB"))
    assert not phonenumbers.is_valid_number(phonenumbers.parse(to["mobileTelephone"], "GB"))
    assert [".com", "@"] == [to["email"][-4:], to["email"][3]]
    assert [len(each) for each in was.values()] == [len(each) for each in to.values()]


@given(st.text(max_size=40))
def test_a_text_keeps_its_length_kinds_direction_and_size(text: str) -> None:
    [copy] = anonymised({"name": text}, (), "x").values()
    assert [unicodedata.category(each) for each in text] == [unicodedata.category(each) for each in copy]
    assert [unicodedata.bidirectional(each) for each in text] == [
        unicodedata.bidirectional(each) for each in copy
    ]
    assert len(text.encode()) == len(copy.encode())
    assert len(unicodedata.normalize("NFC", text)) == len(unicodedata.normalize("NFC", copy))


@pytest.mark.parametrize("name", ["OwnerName", "BillingStreet", "CUA1", "notes", "userName", "comment"])
def test_members_that_name_persons(name: str) -> None:
    assert "A1 Smith" != anonymised({name: "A1 Smith"}, (), "x")[name]
