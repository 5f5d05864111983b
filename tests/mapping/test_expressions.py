"""What a mapping's expressions may say, and how one that cannot be used is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from tests.mapping.bench import flow, lookup, run

LINE = {"rows": "lines", "key": {"Row__c": "row_id"}, "parent": {"ThingId": "Thing"}}


def refusal(expression: str, **more: Any) -> str:
    with pytest.raises(Misconfigured) as caught:
        run(flow({"Name": expression}, **more), [], lookups={"status": lookup({}), "kind": lookup({})})
    return str(caught.value)


PLACE = "bench.yaml: objects.Thing.fields.Name: "


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("nam", "unknown column nam; did you mean name? Known: id, name, status, "),
        ("party.citty", "unknown column citty in party; did you mean city? Known: id, city, address"),
        ("party.city.part", "party.city is a single VARCHAR and has nothing below it"),
        ("more.a.b", "more is a single JSON and has nothing below it"),
        ("lines.sku", "lines holds many rows; use it as rows: of an object, or in sum_rows(lines, row....)"),
        ("row.sku", "; row is there only in objects with rows:"),
        ("lookup('stat', status)", "unknown lookup 'stat'; known: kind, status"),
        ("lookup(status)", "use lookup('table', key)"),
        ("lookup(status, 'x')", "use lookup('table', key)"),
        ("ref('orders', id)", "ref needs 'flow.Object', got 'orders'"),
        ("has_ref('orders.', id)", "has_ref needs 'flow.Object', got 'orders.'"),
        ("source_of('a.B')", "use source_of('flow.Object', target_id, ...)"),
        ("ref('a.B')", "use ref('flow.Object', key, ...)"),
        ("sum_rows(name, amount)", " needs a map or list of rows; name is neither"),
        ("sum_rows(lines)", "use sum_rows(rows, expression over row)"),
        ("sum_rows(lines, row.nett)", "row.unknown column nett; did you mean net?"),
        ("sum(amount)", "SUM(amount) sums over records; within one record use sum_rows(rows, expression)"),
        ("max(name)", "MAX(name) sums over records"),
        ("count(*)", "COUNT(*) sums over records"),
        ("(SELECT 1)", "(SELECT 1) is not a single value of one record"),
        ("name IN (SELECT name FROM rec)", "is not a single value of one record"),
        ("row_number() OVER ()", "is not a single value of one record"),
        ("$1", "is not a single value of one record"),
        ("upper(name", "at column 10 of 'upper(name'"),
        ("name +", " of 'name +'"),
        ("DROP TABLE raw", "is not a single value"),
        ("COPY raw TO 'x'", "is not a single value"),
        ("name; name", "'name; name'"),
        ("name AS other", "is not a single value"),
        ("unnest([1, 2])", "is not a single value"),
    ],
)
def test_an_expression_that_cannot_be_used_is_told_with_its_place(expression: str, expected: str) -> None:
    found = refusal(expression)
    assert PLACE == found[: len(PLACE)]
    assert expected in found
    assert f"\n    {expression}" == found[-len(expression) - 5 :]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("uper(name)", "uper does not exist"),
        ("upper(name, name)", "provided arguments (2) is greater"),
        ("name + 1 + open", ""),
        ("CAST(name AS BANANA)", "BANANA"),
    ],
)
def test_what_only_the_database_knows_is_told_with_its_place_too(expression: str, expected: str) -> None:
    found = refusal(expression)
    assert PLACE == found[: len(PLACE)]
    assert expected in found


@pytest.mark.parametrize(
    "expression", ["sqrt(amount)", "amount * 1e0", "amount::DOUBLE", "1.5::FLOAT", "[1e0]", "{'a': 1e0}"]
)
def test_floating_point_is_refused(expression: str) -> None:
    assert "Thing.fields.Name: gives floating point, which is not exact; cast it" in refusal(expression)


@pytest.mark.parametrize(
    "expression", ["now()", "today()", "current_date", "random()::DECIMAL(9,2)", "uuid()"]
)
def test_what_differs_from_run_to_run_is_refused(expression: str) -> None:
    assert "gives another value at every run, so no record would ever be unchanged" in refusal(expression)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"root": {"where": "nope = 1"}}, "bench.yaml: objects.Thing.where: unknown column nope"),
        ({"root": {"key": {"Id__c": "nope"}}}, "bench.yaml: objects.Thing.key.Id__c: unknown column nope"),
        ({"root": {"where": "uper(name) = 'x'"}}, "bench.yaml: objects.Thing.where: "),
        ({"root": {"key": {"Id__c": "uper(name)"}}}, "bench.yaml: objects.Thing.key.Id__c: "),
        ({"root": {"distinct_on": ["uper(name)"]}}, "bench.yaml: objects.Thing.distinct_on: "),
        ({"totals": {"amount": "amont", "currency": "currency"}}, "bench.yaml: totals.amount: unknown column amont"),
        ({"totals": {"amount": "uper(name)", "currency": "currency"}}, "bench.yaml: totals.amount: "),
        ({"totals": {"amount": "amount::DOUBLE", "currency": "currency"}}, "bench.yaml: totals.amount: is DOUBLE"),
        ({"totals": {"amount": "name", "currency": "currency"}}, "bench.yaml: totals.amount: "),
        ({"totals": {"amount": "amount", "currency": "lookup('status', status)"}}, "bench.yaml: totals"),
        ({"rows": {"Line": {**LINE, "rows": "linez", "fields": {}}}}, "bench.yaml: objects.Line.rows: unknown column"),
        ({"rows": {"Line": {**LINE, "rows": "party", "fields": {}}}}, "bench.yaml: objects.Line.rows: party does not"),
        ({"rows": {"Line": {**LINE, "fields": {"A": "row.skuu"}}}}, "bench.yaml: objects.Line.fields.A: row.unknown"),
    ],
)  # fmt: skip
def test_other_places_are_named_as_well(more: dict[str, Any], place: str) -> None:
    found = refusal("name", **more)
    assert place == found[: len(place)]


LINES = {"lines": {"1": {"qty": {"n": "2"}, "net": "1.5"}, "2": {"qty": {"n": "1"}, "net": "4"}}}
VALUES: list[tuple[str, dict[str, Any], Any]] = [
    ("upper(name)", {"name": "ab"}, "AB"),
    ("party.city", {"party": {"city": "Bath"}}, "Bath"),
    ("party.address.addressLine1", {"party": {"address": {"addressLine1": "1 High St"}}}, "1 High St"),
    ("street(party.address)", {"party": {"address": {"addressLine1": " a ", "addressLine2": "b"}}}, "a\nb"),
    ("street(party.address)", {}, None),
    ("text(name)", {"name": "  "}, None),
    ("more->>'PCF_X'", {"more": {"PCF_X": "y"}}, "y"),
    ("more.PCF_X", {"more": {"PCF_X": "y"}}, "y"),
    ("named.A__c", {"named": {"A__c": "y"}}, "y"),
    ("named.A__c", {"named": {"A__c": None}}, None),
    ("named.A__c", {}, None),
    ("more.Count__c::BIGINT + 1", {"more": {"Count__c": "4"}}, 5),
    ("coalesce(more.None__c, more.Flag__c)", {"more": {"Flag__c": True}}, "true"),
    ("join_rows(tags, row.more.X, '-')", {"tags": [{"more": {"X": "a"}}, {"more": {"X": "b"}}]}, "a-b"),
    ("price_at(more, 1)", {"more": {"1": "9.99", "10": "8"}}, "9.99"),
    ("status = 'LIVE'", {"status": "LIVE"}, True),
    ("concat_ws(' ', name, status)", {"name": "a"}, "a"),
    ("'it''s'", {}, "it's"),
    ("true", {}, True),
    ("at::DATE", {"at": "2026-01-02T23:59:59Z"}, "2026-01-02"),
    ("at", {"at": "2026-01-02T23:59:59.1239+01:00"}, "2026-01-02T22:59:59.123Z"),
    ("sum_rows(lines, row.qty.n * row.net)", LINES, 7),
    ("sum_rows(tags, row.rank)", {"tags": [{"rank": 1}, {"rank": 41}]}, 42),
    ("sum_rows(tags, row.rank)", {}, None),
    ("convert_money(amount, 1.25::DECIMAL(18,6), currency)", {"amount": "10.01", "currency": "GBP"}, "8.01"),
    ("round_money(amount, currency)", {"amount": "10.5", "currency": "JPY"}, "11"),
    ("round_money(amount, currency)", {"amount": "1.2345", "currency": "KWD"}, "1.235"),
]  # fmt: skip


def test_expressions_give_the_value_they_say() -> None:
    fields = {f"F{n}": expression for n, (expression, _, _) in enumerate(VALUES)}
    mapped = run(flow(fields), [{"id": n, "lines": {}, **record} for n, (_, record, _) in enumerate(VALUES)])
    assert {} == mapped.reasons
    for n, (expression, _, expected) in enumerate(VALUES):
        found = mapped.rows["Thing"][n][f"F{n}"]
        assert (expression, Decimal(expected) if isinstance(found, Decimal) else expected) == (
            expression,
            found,
        )


@pytest.mark.parametrize("expression", ["named.Lyalty__c", "join_rows(tags, row.named.Lyalty__c, '-')"])
def test_a_field_that_the_source_does_not_read_rejects_instead_of_being_empty(expression: str) -> None:
    named = {"named": {"Loyalty__c": "gold"}}
    mapped = run(flow({"Name": expression}), [{"id": 1, **named, "tags": [named]}])
    reason = mapped.rejections["1"].reason
    assert "named.Lyalty__c is not a field that is read: correct its name, or grant access to it" in reason
