"""What systems offer to a reconciliation: lists of records and of rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_brightpearl.core.window import Window
from airflow_provider_brightpearl.endpoints.brightpearl_census import BrightpearlCensus
from airflow_provider_brightpearl.endpoints.reconciling import check_reconcile
from airflow_provider_brightpearl.endpoints.salesforce_listing import SalesforceListing, _spans
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.spec import FlowSpec, parse_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.clients.live import brightpearl

NOW = datetime(2026, 3, 31, 12, 30, tzinfo=UTC)

FLOW = """
flow: test_flow
source: brightpearl.{stream}
target: {target}
objects:
  {object}:
    key: {{Key__c: id}}
    fields: {{}}
totals: {{amount: totalValue.net, currency: currency.orderCurrencyCode}}
reconcile: {{{reconcile}}}
"""


def flow(
    reconcile: str = "period: 7d",
    stream: str = "sales_orders",
    target: str = "salesforce",
    object: str = "Order",
) -> FlowSpec:
    text = FLOW.format(reconcile=reconcile, stream=stream, target=target, object=object)
    return parse_flow(text, "test_flow.yaml")


@pytest.mark.parametrize(
    ("stream", "collection", "key"),
    [
        ("sales_orders", "order", "id"),
        ("contacts", "contact", "contactId"),
        ("products", "product", "id"),
        ("payments", "customer-payment", "paymentId"),
    ],
)
def test_a_stream_lists_what_it_would_read(sandbox: Sandbox, stream: str, collection: str, key: str) -> None:
    census = BrightpearlCensus(brightpearl(sandbox), stream)
    listed = [seen.source_id for seen in census.created(Window(None, NOW))]
    stored = {str(row[key]) for row in sandbox.snapshot("brightpearl", collection) if _wanted(stream, row)}
    assert stored == set(listed)
    assert len(stored) == len(listed)


def _wanted(stream: str, row: dict[str, object]) -> bool:
    if stream == "sales_orders":
        return row["orderTypeCode"] == "SO"
    if stream == "contacts":
        position = row["relationshipToAccount"]
        return not (position["isSupplier"] or position["isStaff"])  # type: ignore[index]
    return True


@pytest.mark.parametrize("stream", ["sales_orders", "payments", "goods_out_notes", "shipments"])
def test_a_period_lists_the_records_created_in_it(sandbox: Sandbox, stream: str) -> None:
    whole = list(BrightpearlCensus(brightpearl(sandbox), stream).created(Window(None, NOW)))
    middle = datetime(2026, 3, 15, tzinfo=UTC)
    parts = [
        list(BrightpearlCensus(brightpearl(sandbox), stream).created(window))
        for window in (Window(None, middle), Window(middle, NOW))
    ]
    assert all(parts)
    assert sorted(seen.source_id for seen in whole) == sorted(
        seen.source_id for part in parts for seen in part
    )


@pytest.mark.parametrize("stream", ["sales_orders", "products", "contacts", "payments", "goods_out_notes"])
def test_ids_that_do_not_exist_are_told(sandbox: Sandbox, stream: str) -> None:
    census = BrightpearlCensus(brightpearl(sandbox), stream)
    there = [seen.source_id for seen in census.created(Window(None, NOW))][:5]
    before = census.calls
    assert {"98765432"} == census.gone([*there, "98765432"])
    assert 1 == census.calls - before
    assert set() == census.gone([])


def test_records_are_read_without_what_a_stream_joins(sandbox: Sandbox) -> None:
    census = BrightpearlCensus(brightpearl(sandbox), "contacts")
    ids = [seen.source_id for seen in census.created(Window(None, NOW))]
    before = census.calls
    assert len(ids) == len(list(census.records(ids)))
    assert 1 == census.calls - before


def test_a_range_of_numbers_is_asked_for_in_spans_whose_text_sorts_alike() -> None:
    assert [(8, 9), (10, 99), (100, 120)] == list(_spans(8, 120))
    assert [(5, 5)] == list(_spans(5, 5))


class Asked:
    """An org that answers every query with the same rows."""

    calls = 0

    def __init__(self, *rows: dict[str, object]) -> None:
        self.rows = rows
        self.queries: list[str] = []

    def query(self, soql: str) -> list[dict[str, object]]:
        self.queries.append(soql)
        return list(self.rows)


def test_rows_that_only_sort_into_a_range_are_left_out() -> None:
    org = Asked({"Id": "a", "Key__c": "998"}, {"Id": "b", "Key__c": "9985"}, {"Id": "c", "Key__c": "x"})
    rows = SalesforceListing(org, flow()).rows(["998", "1002"], {}, ranged=True)  # type: ignore[arg-type]
    assert ["998"] == [row.key for row in rows]
    assert [
        "SELECT Id, Key__c FROM Order WHERE (Key__c >= '998' AND Key__c <= '999')"
        " OR (Key__c >= '1000' AND Key__c <= '1002')"
    ] == org.queries


def test_keys_that_are_no_numbers_are_asked_for_one_by_one_and_quoted() -> None:
    org = Asked()
    list(SalesforceListing(org, flow()).rows(["O'Hara", "b\\"], {}, ranged=False))  # type: ignore[arg-type]
    assert ["SELECT Id, Key__c FROM Order WHERE Key__c IN ('O\\'Hara', 'b\\\\')"] == org.queries


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"stream": "availability"}, "brightpearl.availability is made of figures"),
        (
            {"target": "infor", "reconcile": "deleted: remove"},
            "reconcile.deleted: rows of M3 are not removed by flows",
        ),
        (
            {"target": "infor", "object": "Journal", "reconcile": "amount: CUAM"},
            "reconcile.amount: M3 tells no amounts of Journal",
        ),
        ({"target": "elsewhere"}, "records of elsewhere cannot be listed; known: salesforce, infor"),
    ],
)
def test_a_flow_that_asks_too_much_is_told_so(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        check_reconcile(flow(**wrong))
    assert told in str(raised.value)
    assert "test_flow.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("perod: 7d", "reconcile.perod: unknown key; known here: amount, currency, deleted"),
        ("period: 7h", "reconcile.period: '7h' is not a number of days; write it as 7d"),
        ("period: 0d", "reconcile.period: '0d' is not a number of days"),
        ("deleted: maybe", "reconcile.deleted: Input should be 'ignore', 'report' or 'remove'"),
        ("removed_as: {IsActive: false}", "reconcile: removed_as goes with deleted: remove"),
        ("tolerance: 0.01", "reconcile: currency and tolerance go with amount"),
        ("amount: Net__c, tolerance: -1", "reconcile.tolerance: Input should be greater than or equal to 0"),
        ("max_repair: -1", "reconcile.max_repair"),
    ],
)
def test_a_wrong_block_is_named_with_its_field(wrong: str, told: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        flow(wrong)
    assert told in str(raised.value)


def test_a_tolerance_is_exact() -> None:
    spec = flow("amount: Net__c, tolerance: 0.1").reconcile
    assert spec is not None
    assert "0.1" == str(spec.tolerance)
