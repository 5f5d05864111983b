"""How an org is asked for the rows of a flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_brightpearl.core.ports.sides import Span
from airflow_provider_brightpearl.systems.salesforce.target import SalesforceTarget, _pieces
from tests.systems.reconciled import flow


def test_a_range_of_numbers_is_asked_for_in_pieces_whose_text_sorts_alike() -> None:
    assert [(8, 9), (10, 99), (100, 120)] == list(_pieces(8, 120))
    assert [(5, 5)] == list(_pieces(5, 5))


class Asked:
    """An org that answers every query with the same rows."""

    calls = 0

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.queries: list[str] = []

    def query(self, soql: str) -> Iterator[dict[str, Any]]:
        self.queries.append(soql)
        return iter(self.rows)


def target(org: Asked) -> SalesforceTarget:
    client: Any = org
    return SalesforceTarget(client, flow())


def test_rows_that_only_sort_into_a_range_are_left_out() -> None:
    org = Asked({"Id": "a", "Key__c": "998"}, {"Id": "b", "Key__c": "9985"}, {"Id": "c", "Key__c": "x"})
    rows = target(org).read_span(Span(998, 1002, 5), [])
    assert ["998"] == [row.key for row in rows]
    assert [
        "SELECT Id, Key__c FROM Order WHERE (Key__c >= '998' AND Key__c <= '999')"
        " OR (Key__c >= '1000' AND Key__c <= '1002')"
    ] == org.queries


def test_keys_that_are_no_numbers_are_asked_for_one_by_one_and_quoted() -> None:
    org = Asked()
    assert [] == list(target(org).read(["O'Hara", "b\\"], [], {}))
    assert ["SELECT Id, Key__c FROM Order WHERE Key__c IN ('O\\'Hara', 'b\\\\')"] == org.queries
