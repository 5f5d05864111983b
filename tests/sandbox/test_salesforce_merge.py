"""merge(): losers are deleted with the survivor's id, and what referred to them refers to it."""

from __future__ import annotations

import pytest

from tests.sandbox.salesforce_org import Api, api

__all__ = ["api"]


def test_a_merge_deletes_the_loser_and_moves_what_refers_to_it(api: Api) -> None:
    winner, loser = (api.create("Account", Name=name, Brightpearl_Id__c=name) for name in ("Won", "Lost"))
    contact = api.create("Contact", LastName="Doe", AccountId=loser)
    order = api.draft_order(AccountId=loser)
    answer = api.merge("Account", winner, loser, Phone="123")
    assert (
        f"<id>{winner}</id><mergedRecordIds>{loser}</mergedRecordIds><success>true</success>" in answer.text
    )
    assert all(f"<updatedRelatedIds>{moved}</updatedRelatedIds>" in answer.text for moved in (contact, order))

    (row,) = api.rows(f"SELECT IsDeleted, MasterRecordId FROM Account WHERE Id = '{loser}'", "queryAll")
    assert (True, winner) == (row["IsDeleted"], row["MasterRecordId"])
    found = api.rows("SELECT Id FROM Account WHERE IsDeleted = TRUE AND MasterRecordId != NULL", "queryAll")
    assert [loser] == [each["Id"] for each in found]
    assert [] == api.rows(f"SELECT Id FROM Account WHERE Id = '{loser}'")
    (kept,) = api.rows(f"SELECT Phone, Brightpearl_Id__c FROM Account WHERE Id = '{winner}'")
    assert ("123", "Won") == (kept["Phone"], kept["Brightpearl_Id__c"])
    for name, moved in (("Contact", contact), ("Order", order)):
        (child,) = api.rows(f"SELECT AccountId FROM {name} WHERE Id = '{moved}'")
        assert winner == child["AccountId"]

    assert (
        "ENTITY_IS_DELETED"
        == api.refusal("POST", "sobjects/Contact", {"LastName": "X", "AccountId": loser})[1]
    )
    (again,) = api.upsert("Account", "Brightpearl_Id__c", [{"Name": "Again", "Brightpearl_Id__c": "Lost"}])
    # the external id is free
    assert again["created"]


@pytest.mark.parametrize("losers", [0, 1, 3])
def test_a_merge_that_cannot_be_changes_nothing(api: Api, losers: int) -> None:
    winner = api.create("Account", Name="Won")
    others = [api.create("Account", Name=f"Lost {n}") for n in range(losers)] if losers != 1 else [winner]
    assert "<success>false</success>" in api.merge("Account", winner, *others).text
    assert [] == api.rows("SELECT Id FROM Account WHERE IsDeleted = TRUE", "queryAll")
    product = api.create("Product2", Name="Lamp")
    assert "does not support merge" in api.merge("Product2", product, product).text
