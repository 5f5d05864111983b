"""What becomes of records in a mapping: rows, rejections, money, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.records import Stage
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.mapped import read_versions
from tests.fakes import EverythingBound, MemoryCrosswalk, NothingBound
from tests.mapping.bench import SCHEMA, flow, lookup, map_with, opened, run

LINE = {
    "rows": "lines",
    "key": {"Row__c": "row_id"},
    "parent": {"ThingId": "Thing"},
    "fields": {"Sku": "row.sku", "Price": "row.net / row.qty.n"},
}
TOTALS = {"amount": "amount", "currency": "currency"}
KEY = {"key": {"Id__c": "id"}, "fields": {}}


def row(qty: str = "1", net: str = "1", **more: Any) -> dict[str, Any]:
    return {"sku": "S", "qty": {"n": qty}, "net": net, **more}


def test_rows_of_a_map_carry_their_key_and_their_parents() -> None:
    spec = flow({"Name": "name"}, rows={"Line": {**LINE, "fields": {"Sku": "row.sku", "No": "row_no"}}})
    records = [{"id": 1, "name": "a", "lines": {"11": row(), "12": row()}}, {"id": 2, "lines": {}}]
    mapped = run(spec, records)
    assert [("11", "1", "S", 1), ("12", "1", "S", 2)] == [
        (each["_key"], each["_parent"], each["Sku"], each["No"]) for each in mapped.rows["Line"]
    ]
    assert {"Thing": 2, "Line": 2} == mapped.result.rows


def test_rows_of_a_list_are_numbered_and_may_be_absent() -> None:
    tag = {"rows": "tags", "key": {"Id__c": "concat_ws('|', id, row.name)"}, "fields": {"No": "row_id"}}
    records = [{"id": 1, "tags": [{"name": "x"}, {"name": "y"}]}, {"id": 2}, {"id": 3, "tags": None}]
    mapped = run(flow({}, rows={"Tag": tag}), records)
    assert [("1|x", "1"), ("1|y", "2")] == [(each["_key"], each["No"]) for each in mapped.rows["Tag"]]
    assert 3 == mapped.result.rows["Thing"]


def test_a_map_that_is_missing_is_no_empty_map() -> None:
    mapped = run(flow({}, rows={"Line": LINE}), [{"id": 1}, {"id": 2, "lines": None}, {"id": 3, "lines": {}}])
    assert {
        "1": ("lines", "", "lines: is missing"),
        "2": ("lines", "", "lines: is missing"),
    } == mapped.reasons
    assert {"Thing": 1, "Line": 0} == mapped.result.rows


def test_a_bad_row_takes_its_whole_record_and_no_other() -> None:
    records = [
        {"id": 1, "lines": {"11": row(), "12": row(qty="0")}},
        {"id": 2, "lines": {"21": row(), "22": row(net="ten")}},
        {"id": 3, "lines": {"31": row()}},
    ]
    mapped = run(flow({}, rows={"Line": LINE}), records)
    assert {
        "1": ("Price", "0.0000", "Price: '0.0000' cannot divide by zero"),
        "2": ("Price", "ten", "Price: 'ten' row.net is not a DECIMAL(18,4)"),
    } == mapped.reasons
    assert [("Line", "12", Stage.TRANSFORM), ("Line", "22", Stage.TRANSFORM)] == [
        (each.object, each.row, each.stage) for each in mapped.rejections.values()
    ]
    assert (["3"], ["31"]) == (
        [each["_id"] for each in mapped.rows["Thing"]],
        mapped.column("_key", of="Line"),
    )


def test_all_that_is_wrong_with_a_record_is_told_with_the_first_defect_first() -> None:
    fields = {"A": "amount", "B": "count", "C": "lookup('status', status)"}
    mapped = run(
        flow(fields),
        [{"id": 1, "amount": "x", "count": "1.5x", "status": "s"}],
        lookups={"status": lookup({})},
    )
    assert {
        "1": ("A", "x", "A: 'x' amount is not a DECIMAL(18,4); B: '1.5x' count is not a BIGINT; "
              "C: 's' is not in lookup status")
    } == mapped.reasons  # fmt: skip


SHAPES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"party": "Bath"}, "party", "Bath", "is not an object"),
    ({"party": 7}, "party", "7", "is not an object"),
    ({"party": [{"city": "Bath"}]}, "party", '[{"city": "Bath"}]', "is not an object"),
    ({"party": {"address": "x"}}, "party.address", "x", "is not an object"),
    ({"lines": [row()]}, "lines", "", "is not an object"),
    ({"lines": "none"}, "lines", "none", "is not an object"),
    ({"lines": {"11": 4}}, "lines.11", "4", "is not an object"),
    ({"lines": {"11": row(qty="1") | {"qty": "1"}}}, "lines.11.qty", "1", "is not an object"),
    ({"tags": {"name": "x"}}, "tags", '{"name": "x"}', "is not a list"),
    ({"tags": ["x"]}, "tags.1", "x", "is not an object"),
]
LINES = [
    (b'{"id":90,"id":90,"lines":{}}', "90", "id", "90", "duplicate key"),
    (b'{"id":91,"lines":{"11":{},"11":{}}}', "91", "lines.11", "{}", "duplicate key"),
    (b'{"id":92,"lines":{},"name":"\\ud83d"}', "92", "name", "?", "holds half a character"),
    (b'{"id":93,"lines":{}', "line {}", "", '{"id":93,"lines":{}', "is not JSON"),
    (b'{"id":94,"lines":{},"name":"\xff"}', "line {}", "", '{"id":94,"lines":{},"name":"\ufffd"}', "is not JSON"),
    (b'{"id":95,"lines":{},"amount":NaN}', "line {}", "", '{"id":95,"lines":{},"amount":NaN}', "is not JSON"),
    (b"[1]", "line {}", "", "[1]", "is not an object"),
    (b"null", "line {}", "Id__c", "", "the key has no value"),
]  # fmt: skip


def test_a_record_of_another_shape_is_rejected_alone_with_the_place() -> None:
    fields = {"City": "party.city", "Street": "street(party.address)", "Name": "name", "Amount": "amount"}
    tag = {"rows": "tags", "key": {"Id__c": "row.name"}, "fields": {}}
    spec = flow(fields, rows={"Line": LINE, "Tag": tag}, totals=TOTALS)
    good = {"amount": "2", "currency": "GBP", "lines": {}}
    records: list[Any] = [{"id": 1, "name": "first", **good}]
    records += [{"id": 10 + n, **good, **wrong} for n, (wrong, *_) in enumerate(SHAPES)]
    records += [text for text, *_ in LINES]
    records += [{"id": 2, "name": "last", **good, "lines": {"12": row()}}]
    mapped = run(spec, records)
    expected = {str(10 + n): wrong for n, (_, *wrong) in enumerate(SHAPES)}
    expected |= {name.format(n): wrong for n, (_, name, *wrong) in enumerate(LINES, 2 + len(SHAPES))}
    assert list(expected) == list(mapped.rejections)
    for source_id, (field, value, reason) in expected.items():
        found = mapped.rejections[source_id]
        assert (field, value or found.value) == (found.field, found.value)
        assert reason in found.reason
    assert ["1", "2"] == [each["_id"] for each in mapped.rows["Thing"]]
    # what can be read of a misshapen record still counts
    assert {"GBP": Decimal(2) * (2 + len(SHAPES))} == mapped.result.money
    assert Decimal(2) == mapped.rejections["10"].amount


def test_an_object_that_is_missing_gives_empty_fields() -> None:
    mapped = run(
        flow({"City": "party.city", "Street": "street(party.address)"}), [{"id": 1}, {"id": 2, "party": None}]
    )
    assert ([None, None], [None, None]) == (mapped.column("City"), mapped.column("Street"))


def test_an_expression_that_raises_rejects_its_record_alone() -> None:
    records = [{"id": n, "count": 2**40 if n in (3, 17, 18) else n} for n in range(40)]
    mapped = run(flow({"Same": "count", "Big": "count * 100000000"}), records)
    assert {"3", "17", "18"} == set(mapped.rejections)
    field, value, reason = mapped.reasons["3"]
    assert ("Big", "") == (field, value)
    assert (
        "Big: Out of Range Error: Overflow in multiplication of INT64 (1099511627776 * 100000000)!" in reason
    )
    assert 37 == mapped.result.rows["Thing"]


def test_a_raising_key_of_a_reference_rejects_its_record_alone() -> None:
    records = [{"id": n, "count": 2**40 if n == 3 else n} for n in range(10)]
    mapped = run(flow({"Ref": "ref('a.B', count * 100000000)"}), records)
    assert (["3"], 9) == (list(mapped.rejections), mapped.result.rows["Thing"])


def test_a_raising_total_counts_as_no_total() -> None:
    spec = flow({"Name": "name"}, totals={"amount": "count * 100000000", "currency": "currency"})
    mapped = run(
        spec, [{"id": 1, "count": 2**40, "currency": "GBP"}, {"id": 2, "count": 1, "currency": "GBP"}]
    )
    assert {"GBP": Decimal(100000000)} == mapped.result.money
    assert ["totals.amount"] == [each.field for each in mapped.rejections.values()]


def test_rows_with_one_key_are_all_rejected() -> None:
    records = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "a"}]
    mapped = run(flow({}, root={"key": {"Id__c": "name"}}), records)
    reason = "key: 'a' another row of this run has the same key"
    assert {"1": ("key", "a", reason), "3": ("key", "a", reason)} == mapped.reasons
    assert ["b"] == mapped.column("_key")


def test_child_rows_with_one_key_reject_both_their_records() -> None:
    records = [{"id": n, "lines": {key: row()}} for n, key in enumerate(["11", "12", "11"], 1)]
    mapped = run(flow({}, rows={"Line": LINE}), records)
    assert (["1", "3"], ["12"]) == (list(mapped.rejections), mapped.column("_key", of="Line"))


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (9007199254740993, "9007199254740993"),
        (2**63 - 1, "9223372036854775807"),
        ("9007199254740993", "9007199254740993"),
        ("007", "7"),
    ],
)
def test_ids_are_exact(value: int | str, key: str) -> None:
    assert [key] == run(flow({}), [{"id": value}]).column("_key")


def test_text_keys_keep_their_leading_zeros() -> None:
    mapped = run(flow({"Sku": "name"}, root={"key": {"Id__c": "name"}}), [{"id": 1, "name": "00123"}])
    assert ("00123", "00123") == (mapped.column("_key")[0], mapped.column("Sku")[0])


@pytest.mark.parametrize("value", [2**63, "abc", "1.5x", "", True, {"a": 1}])
def test_what_is_no_id_is_rejected(value: Any) -> None:
    mapped = run(flow({}), [{"id": value}, {"id": 1}])
    assert (1, ["1"]) == (len(mapped.rejections), mapped.column("_key"))


TEXTS = [
    'He said "no"', "it's", "back\\slash", "tab\there", "two\nlines", "cr\r\nlf", "nul\x00nul", "\u202eright to left",
    "مرحبا", "😀 👩‍👩‍👧", "=cmd|'/c calc'!A1", "'; DROP TABLE raw; --", "$1", "{{ ds }}", "%s",
    "\u2028", "\ufeff", "a" * 70_000,
    "null", "true", "1e5", "{\"a\": 1}", "[1]",
]  # fmt: skip


def test_text_passes_as_it_is() -> None:
    mapped = run(flow({"Name": "name"}), [{"id": n, "name": text} for n, text in enumerate(TEXTS)])
    assert TEXTS == mapped.column("Name")


def test_text_passes_as_it_is_beside_a_record_of_another_shape() -> None:
    records: list[Any] = [{"id": n, "name": text, "party": {}} for n, text in enumerate(TEXTS)]
    mapped = run(flow({"Name": "name", "City": "party.city"}), [*records, {"id": 999, "party": 1}])
    assert TEXTS == mapped.column("Name")


GUARDED: list[tuple[str, dict[str, Any], bool]] = [
    ("CASE WHEN open THEN amount / count ELSE 0 END", {"open": True, "count": 0, "amount": 1}, True),
    ("CASE WHEN open THEN amount / count ELSE 0 END", {"open": False, "count": 0, "amount": 1}, False),
    ("CASE WHEN open THEN amount / count ELSE 0 END", {"count": 0, "amount": 1}, False),
    ("CASE WHEN open THEN 0 ELSE amount / count END", {"open": True, "count": 0, "amount": 1}, False),
    ("CASE WHEN open THEN 0 ELSE amount / count END", {"count": 0, "amount": 1}, True),
    ("CASE count WHEN 0 THEN 0 ELSE amount / count END", {"count": 0, "amount": 1}, False),
    ("CASE status WHEN 'a' THEN amount / count WHEN 'b' THEN 1 END", {"status": "b", "count": 0, "amount": 1}, False),
    ("CASE status WHEN 'a' THEN amount / count WHEN 'b' THEN 1 END", {"status": "a", "count": 0, "amount": 1}, True),
    ("CASE WHEN open THEN 1 WHEN amount / count > 1 THEN 2 END", {"open": True, "count": 0, "amount": 1}, False),
    ("CASE WHEN open THEN 1 WHEN amount / count > 1 THEN 2 END", {"open": False, "count": 0, "amount": 1}, True),
    ("if(count = 0, 0, amount / count)", {"count": 0, "amount": 1}, False),
    ("if(count = 0, amount / count, 0)", {"count": 0, "amount": 1}, True),
    ("coalesce(amount, name::DECIMAL(9,2))", {"amount": 1, "name": "x"}, False),
    ("coalesce(amount, name::DECIMAL(9,2))", {"name": "x"}, True),
    ("coalesce(name::DECIMAL(9,2), amount)", {"amount": 1, "name": "x"}, True),
    ("if(open, lookup('status', status), 'x')", {"open": False, "status": "nope"}, False),
    ("if(open, lookup('status', status), 'x')", {"open": True, "status": "nope"}, True),
    ("coalesce(name, country(status))", {"name": "x", "status": "Atlantis"}, False),
    ("if(open, ref('a.B', count), 'x')", {"open": False, "count": 404}, False),
    ("if(open, ref('a.B', count), 'x')", {"open": True, "count": 404}, True),
    ("CASE WHEN open THEN if(count = 0, 0, amount / count) ELSE amount / 0 END", {"open": True, "count": 0}, False),
    ("if(open, sum_rows(tags, 1 / row.rank), 0)", {"open": False, "tags": [{"rank": 0}]}, False),
    ("if(open, sum_rows(tags, 1 / row.rank), 0)", {"open": True, "tags": [{"rank": 0}]}, True),
    ("sum_rows(tags, if(row.rank = 0, 0, 1 / row.rank))", {"tags": [{"rank": 0}, {"rank": 2}]}, False),
    ("sum_rows(tags, row.rank)", {"tags": [{"rank": "x"}, {"rank": 2}]}, True),
    ("count <> 0 AND amount / count > 1", {"count": 0, "amount": 1}, False),
    ("amount / count > 1 AND count <> 0", {"count": 0, "amount": 1}, True),
    ("count = 0 OR amount / count > 1", {"count": 0, "amount": 1}, False),
    ("open OR amount / count > 1", {"count": 0, "amount": 1}, True),
    ("nullif(count, 0)", {"count": 0}, False),
    ("amount / nullif(count, 0)", {"count": 0, "amount": 1}, False),
    ("name::DATE", {"name": None}, False),
]  # fmt: skip


def test_a_check_holds_only_where_its_value_is_needed() -> None:
    # one record for each expression, whose own branch is the only one that it needs
    fields = {
        f"F{n}": f"CASE WHEN id = {n} THEN ({expression}) END" for n, (expression, _, _) in enumerate(GUARDED)
    }
    records = [{"id": n, **record} for n, (_, record, _) in enumerate(GUARDED)]
    mapped = run(flow(fields), records, lookups={"status": lookup({})}, resolver=EverythingBound("404"))
    fired = [
        (expression, record, str(n) in mapped.rejections) for n, (expression, record, _) in enumerate(GUARDED)
    ]
    assert GUARDED == fired


@pytest.mark.parametrize(("opened", "fires"), [(True, True), (False, False)])
def test_a_check_outside_a_branch_always_holds(opened: bool, fires: bool) -> None:
    mapped = run(
        flow({"F": "if(open, amount / count, 0)"}), [{"id": 1, "open": opened, "count": 0, "amount": 1}]
    )
    assert fires == bool(mapped.rejections)


def test_rows_that_are_not_wanted_are_left_out_with_their_money() -> None:
    records = [
        {"id": n, "status": status, "amount": n, "currency": "GBP"} for n, status in enumerate("aba", 1)
    ] + [{"id": 4, "amount": 4, "currency": "EUR"}]
    mapped = run(flow({}, root={"where": "status = 'a'"}, totals=TOTALS), records)
    assert (["1", "3"], 2) == (mapped.column("_key"), mapped.result.filtered)
    assert {"GBP": Decimal(2), "EUR": Decimal(4)} == mapped.result.filtered_money
    assert {"GBP": Decimal(6), "EUR": Decimal(4)} == mapped.result.money


def test_a_condition_that_cannot_be_told_rejects() -> None:
    records = [{"id": 1, "status": "nope"}, {"id": 2, "status": "yes"}, {"id": 3, "status": "no"}]
    spec = flow({}, root={"where": "lookup('status', status) = '1'"})
    mapped = run(spec, records, lookups={"status": lookup({"yes": "1", "no": "0"})})
    assert (["2"], 1) == (mapped.column("_key"), mapped.result.filtered)
    assert {"1": ("where", "nope", "where: 'nope' is not in lookup status")} == mapped.reasons


def test_one_row_per_value_is_the_first() -> None:
    tag = {
        "rows": "tags",
        "key": {"Id__c": "concat_ws('|', id, row.name, row.rank)"},
        "distinct_on": ["row.name"],
        "fields": {},
    }
    tags = [{"name": name, "rank": n} for n, name in enumerate("abacb")]
    mapped = run(flow({}, rows={"Tag": tag}), [{"id": 1, "tags": tags}, {"id": 2, "tags": tags[:1]}])
    assert ["1|a|0", "1|b|1", "1|c|3", "2|a|0"] == mapped.column("_key", of="Tag")


def test_one_per_looks_at_wanted_rows_only() -> None:
    tag = {
        "rows": "tags", "key": {"Id__c": "row.rank"}, "distinct_on": ["row.name"], "where": "row.rank > 0",
        "fields": {},
    }  # fmt: skip
    tags = [{"name": name, "rank": n} for n, name in enumerate("aba")]
    assert ["1", "2"] == run(flow({}, rows={"Tag": tag}), [{"id": 1, "tags": tags}]).column("_key", of="Tag")


def test_what_waits_for_its_parent_is_parked_with_the_parents_name() -> None:
    spec = flow({"AccountId": "ref('customers.Account', party.id)"}, totals=TOTALS)
    records = [{"id": n, "party": {"id": n}, "amount": 1, "currency": "GBP"} for n in (1, 2)]
    mapped = run(spec, records, resolver=EverythingBound("2"))
    assert ["Account:1"] == mapped.column("AccountId")
    parked = mapped.rejections["2"]
    assert ("parked", ("customers", "Account", "2"), "AccountId") == (
        parked.outcome,
        parked.waits_for,
        parked.field,
    )
    assert "AccountId: '2' waits for customers Account" == parked.reason


def test_the_way_back_gives_the_key_or_parks_with_the_id_it_waits_for() -> None:
    spec = flow({"E": "source_of('orders.Line', id, currency)"})
    records = [{"id": 1, "currency": "GBP"}, {"id": 2, "currency": "GBP"}, {"id": 3}]
    mapped = run(spec, records, resolver=EverythingBound("2|GBP"))
    assert ["key of Line:1|GBP", None] == mapped.column("E")
    parked = mapped.rejections["2"]
    assert ("parked", ("orders", "Line", "2|GBP")) == (parked.outcome, parked.waits_for)
    assert "E: '2|GBP' waits for the Line of orders whose target it is" == parked.reason


def test_an_id_with_two_keys_is_an_error_and_no_guess() -> None:
    crosswalk = MemoryCrosswalk()
    crosswalk.bind(
        [Binding("orders", "Order", key, key, target, "", "r", "r") for key, target in ("1A", "2A", "3B")]
    )
    spec = flow({"E": "source_of('orders.Order', name)", "F": "has_source('orders.Order', name)"})
    mapped = run(spec, [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}], resolver=crosswalk)
    assert (["3"], [True]) == (mapped.column("E"), mapped.column("F"))
    [rejection] = mapped.rejections.values()
    assert "rejected" == rejection.outcome
    problem = "E: 'A (1, 2)' is the target of more than one Order of orders: only one may be bound to it"
    assert problem == rejection.reason


def test_whether_something_is_bound_is_asked_without_waiting() -> None:
    fields = {
        "E": "CASE WHEN has_ref('a.B', id) THEN ref('a.B', id) ELSE 'new' END",
        "F": "CASE WHEN has_source('c.D', id) THEN source_of('c.D', id) ELSE 'new' END",
        "G": "has_ref('a.B', currency)",
    }
    mapped = run(flow(fields), [{"id": 1}, {"id": 2}], resolver=EverythingBound("2"))
    assert {} == mapped.rejections
    assert ["B:1", "new"] == mapped.column("E")
    assert ["key of D:1", "new"] == mapped.column("F")
    assert [False, False] == mapped.column("G")


@pytest.mark.parametrize(
    "key", ["ref('a.B', id)", "source_of('a.B', id)", "concat_ws('|', ref('a.B', id), name)"]
)
def test_a_key_that_waits_parks_its_record(key: str) -> None:
    mapped = run(
        flow({}, root={"key": {"Id__c": key}}), [{"id": 1}, {"id": 2}], resolver=EverythingBound("2")
    )
    assert 1 == len(mapped.column("_key"))
    assert ("parked", ("a", "B", "2")) == (mapped.rejections["2"].outcome, mapped.rejections["2"].waits_for)


def test_a_key_without_a_value_waits_for_nothing() -> None:
    mapped = run(flow({}, root={"key": {"Id__c": "ref('a.B', count)"}}), [{"id": 1}])
    assert "rejected" == mapped.rejections["1"].outcome


def test_what_is_not_wanted_until_it_is_bound_is_filtered() -> None:
    spec = flow({}, root={"where": "has_source('a.B', id)"})
    mapped = run(spec, [{"id": 1}, {"id": 2}], resolver=EverythingBound("2"))
    assert (["1"], 1) == (mapped.column("_key"), mapped.result.filtered)


def test_a_record_is_wanted_for_any_of_its_rows() -> None:
    where = "any_row(lines, has_source('a.B', row.sku, currency))"
    spec = flow({"E": "any_row(lines, has_ref('c.D', row.sku))"}, root={"where": where})
    skus: list[list[str | None]] = [["x", "A", None], ["x", "y"], [], ["B"]]
    records = [
        {"id": number, "currency": "GBP", "lines": {str(n): {"sku": sku} for n, sku in enumerate(some)}}
        for number, some in enumerate(skus, 1)
    ]
    mapped = run(spec, records, resolver=EverythingBound("x|GBP", "y|GBP", "x"))
    assert (["1", "4"], [True, True]) == (mapped.column("_key"), mapped.column("E"))
    assert ({}, 2) == (mapped.rejections, mapped.result.filtered)


@pytest.mark.parametrize("text", ["any_row(lines, row.sku = 'A')", "any_row(lines)"])
def test_what_any_row_cannot_ask_is_an_error(text: str) -> None:
    with pytest.raises(
        Misconfigured, match=r"any_row\(rows, has_source\('flow.Object', expression over row\)\)"
    ):
        run(flow({"E": text}), [{"id": 1}])


def test_a_key_of_several_parts_is_joined_with_bars() -> None:
    spec = flow({"E": "ref('a.B', id, 'standard', currency)"})
    mapped = run(spec, [{"id": 1, "currency": "GBP"}, {"id": 2}])
    assert ["B:1|standard|GBP", None] == mapped.column("E")


@pytest.mark.parametrize("order", [("amount", "ref('a.B', id)"), ("ref('a.B', id)", "amount")])
def test_a_defect_outweighs_a_missing_parent(order: tuple[str, str]) -> None:
    spec = flow(dict(zip("AB", order, strict=True)))
    mapped = run(spec, [{"id": 1, "amount": "x"}], resolver=NothingBound())
    (found,) = mapped.rejections.values()
    assert ("rejected", "x") == (found.outcome, found.value)


def test_a_defect_in_a_row_outweighs_a_missing_parent_of_the_record() -> None:
    spec = flow({"A": "ref('a.B', id)"}, rows={"Line": LINE})
    records = [{"id": 1, "lines": {"11": row(qty="0")}}, {"id": 2, "lines": {"21": row()}}]
    mapped = run(spec, records, resolver=NothingBound())
    assert ["rejected", "parked"] == [each.outcome for each in mapped.rejections.values()]


DAYS = {
    "UTC": [("2026-03-28T23:30:00Z", "2026-03-28")],
    "Europe/London": [
        ("2026-03-28T23:30:00Z", "2026-03-28"),
        ("2026-03-29T00:59:59.999Z", "2026-03-29"),
        ("2026-03-29T01:00:00Z", "2026-03-29"),
        ("2026-03-29T22:59:59Z", "2026-03-29"),
        ("2026-03-29T23:00:00Z", "2026-03-30"),
        ("2026-10-24T23:30:00+00:00", "2026-10-25"),
        ("2026-10-25T00:30:00Z", "2026-10-25"),
        ("2026-10-25T23:30:00Z", "2026-10-25"),
    ],
    "America/New_York": [("2026-03-08T04:59:00Z", "2026-03-07"), ("2026-03-09T03:59:00Z", "2026-03-08")],
    "Pacific/Auckland": [
        ("2026-01-01T11:00:00.000+00:00", "2026-01-02"),
        ("2026-01-01T23:30:00+13:00", "2026-01-01"),
    ],
    "Asia/Kolkata": [("2026-01-01T18:30:00Z", "2026-01-02")],
}


@pytest.mark.parametrize("zone", DAYS)
def test_a_date_is_that_of_the_flows_time_zone(zone: str) -> None:
    records = [{"id": n, "at": at} for n, (at, _) in enumerate(DAYS[zone])]
    found = run(flow({"Day": "at::DATE"}, timezone=zone), records).column("Day")
    assert [day for _, day in DAYS[zone]] == found


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Asia/Kolkata"])
def test_an_instant_leaves_in_utc_from_any_time_zone(zone: str) -> None:
    records = [{"id": 1, "at": "2026-03-29T02:30:00.250+01:00"}, {"id": 2, "at": "2026-06-30T23:59:59.9999Z"}]
    found = run(flow({"At": "at"}, timezone=zone), records).column("At")
    assert ["2026-03-29T01:30:00.250Z", "2026-06-30T23:59:59.999Z"] == found


def test_a_part_without_records_gives_empty_tables() -> None:
    mapped = run(flow({"A": "ref('a.B', id)"}, rows={"Line": LINE}, totals=TOTALS), [])
    assert (0, {"Thing": 0, "Line": 0}, (), {}) == (
        mapped.result.records, mapped.result.rows, mapped.result.rejections, mapped.result.money,
    )  # fmt: skip


def test_money_is_summed_by_currency_over_all_records_good_or_bad() -> None:
    records = [
        {"id": 1, "amount": "0.1", "currency": "GBP"},
        {"id": 2, "amount": "0.2", "currency": "GBP"},
        {"id": 3, "amount": "-5", "currency": "JPY", "count": "x"},
        {"id": 4, "amount": "x", "currency": "GBP"},
        {"id": 5, "amount": "7"},
    ]
    mapped = run(flow({"A": "amount", "C": "count"}, totals=TOTALS), records)
    assert {"GBP": Decimal("0.3"), "JPY": Decimal(-5), "": Decimal(7)} == mapped.result.money
    assert (Decimal(-5), "JPY") == (mapped.rejections["3"].amount, mapped.rejections["3"].currency)
    assert (None, "GBP") == (mapped.rejections["4"].amount, mapped.rejections["4"].currency)


def test_equal_rows_have_equal_fingerprints_wherever_they_stand() -> None:
    spec = flow({"Name": "name", "Amount": "amount", "At": "at"})
    record = {"id": 1, "name": "ü", "amount": "1.50", "at": "2026-01-01T00:00:00Z"}
    others = [{"id": n, "name": "x"} for n in range(2, 9)]
    first, second = (
        run(spec, [record, *others]),
        run(spec, [*others, {**record, "amount": 1.5}, {"id": 20, "name": "y"}]),
    )
    assert first.rows["Thing"][0]["_text"] == second.rows["Thing"][7]["_text"]


@pytest.mark.parametrize("count", [1, 200])
def test_every_record_is_in_exactly_one_place(count: int) -> None:
    kinds: list[dict[str, Any]] = [
        {"status": "a"}, {"status": "nope"}, {"amount": "x"}, {"party": {"id": 404}}, {"name": "unwanted"},
        {"party": 1},
    ]  # fmt: skip
    spec = flow(
        {"S": "lookup('status', status)", "A": "amount", "P": "ref('a.B', party.id)", "M": "amount / count"},
        root={"where": "name IS NULL"}, totals=TOTALS,
    )  # fmt: skip
    records = [
        {"id": n, "amount": 1, "currency": "GBP", "count": n % 7, **kinds[n % len(kinds)]}
        for n in range(count)
    ]
    mapped = run(spec, records, lookups={"status": lookup({"a": "A"})}, resolver=EverythingBound("404"))
    result = mapped.result
    assert count == result.records == result.rows["Thing"] + len(result.rejections) + result.filtered
    assert not {each["_id"] for each in mapped.rows["Thing"]} & set(mapped.rejections)
    total = sum((each.amount or 0 for _, each in result.rejections), Decimal(result.rows["Thing"]))
    assert result.money.get("GBP", 0) == total + result.filtered_money.get("GBP", 0)


@pytest.mark.parametrize(
    ("key", "reason"),
    [("a\x00b", "the key has a NUL character"), ("x" * 401, "the key has more than 400 characters")],
    ids=["NUL", "long"],
)
def test_a_key_that_the_state_database_cannot_keep_is_refused(key: str, reason: str) -> None:
    tag = {"rows": "tags", "key": {"Id__c": "row.name"}, "fields": {}}
    records = [{"id": n, "tags": [{"name": name}]} for n, name in ((1, key), (2, "x" * 400))]
    mapped = run(flow({"Name": "name"}, rows={"Tag": tag}), records)
    assert ["1"] == list(mapped.rejections)
    assert reason in mapped.rejections["1"].reason


def test_a_version_with_nul_is_none(tmp_path: Path) -> None:
    spec, schema = flow({"Name": "'x'"}), replace(SCHEMA, version=("name",))
    with opened(spec, [tmp_path], schema=schema) as mapper:
        map_with(mapper, tmp_path, [{"id": 1, "name": "a\x00b"}, {"id": 2, "name": "v2"}])
    assert ["", "v2"] == [each[2] for each in read_versions(tmp_path / "Thing.parquet")]


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("count", 1.5, "count: '1.5' is not a whole number"),
        ("count", "100001.5", "count: '100001.5' is not a whole number"),
        ("count", "15e-1", "count: '15e-1' is not a whole number"),
        ("amount", "1.23456", "amount: '1.23456' has more than 4 decimals"),
        ("amount", 0.00005, "amount: '5e-05' has more than 4 decimals"),
        ("amount", "1,25", "amount is not a DECIMAL(18,4)"),
        ("lines", {"7": {"net": "0.12345"}}, "lines.7.net: '0.12345' has more than 4 decimals"),
        ("tags", [{"rank": 2.5}], "tags.1.rank: '2.5' is not a whole number"),
        ("party", {"id": "7.25"}, "party.id: '7.25' is not a whole number"),
    ],
)
def test_no_digit_is_rounded_away_in_silence(member: str, value: Any, reason: str) -> None:
    spec = flow(
        {
            "Count": "count",
            "Amount": "amount",
            "Sum": "sum_rows(lines, row.net)",
            "Ranks": "sum_rows(tags, row.rank)",
            "Party": "party.id",
        }
    )
    good = {
        "count": "3.0", "amount": "1.50000", "lines": {"1": {"net": "2.5"}}, "tags": [{"rank": 1}],
        "party": {"id": 4},
    }  # fmt: skip
    mapped = run(spec, [{"id": 1, **good}, {"id": 2, **good, member: value}, {"id": 3, **good}])
    assert ["1", "3"] == [row["_id"] for row in mapped.rows["Thing"]]
    assert reason in mapped.reasons["2"][2]


def test_an_id_with_a_fraction_is_a_letter_under_itself() -> None:
    mapped = run(flow({"Amount": "amount"}), [{"id": 100001.5, "amount": "1"}, {"id": 2, "amount": "1"}])
    assert (["2"], {"100001.5"}) == ([row["_id"] for row in mapped.rows["Thing"]], set(mapped.reasons))


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"amount": None, "currency": "GBP"}, "totals.amount"),
        ({"currency": "GBP"}, "totals.amount"),
        ({"amount": "ten", "currency": "GBP"}, "totals.amount"),
        ({"amount": "2", "currency": None}, "totals.currency"),
        ({"amount": "2", "currency": " "}, "totals.currency"),
    ],
)
def test_a_record_without_its_total_is_rejected(record: dict[str, Any], field: str) -> None:
    good = {"id": 2, "amount": "2", "currency": "GBP"}
    mapped = run(flow({"Name": "name"}, totals=TOTALS), [{"id": 1, **record}, good])
    reason = f"{field}: is empty or cannot be read: the total cannot be proved"
    assert {"1": (field, "", reason)} == mapped.reasons
    assert ["2"] == [each["_id"] for each in mapped.rows["Thing"]]


def test_an_empty_list_is_an_empty_map_or_object() -> None:
    line = {**LINE, "fields": {"Sku": "row.sku", "N": "row.qty.n"}}
    spec = flow({"City": "party.city", "Street": "street(party.address)"}, rows={"Line": line})
    records = [
        {"id": 1, "party": [], "lines": []},
        {"id": 2, "party": {"city": "Bath", "address": []}, "lines": {"21": row() | {"qty": []}}},
    ]
    mapped = run(spec, records)
    assert {} == mapped.reasons
    assert [None, "Bath"] == mapped.column("City")
    assert [("S", None)] == [(each["Sku"], each["N"]) for each in mapped.rows["Line"]]
