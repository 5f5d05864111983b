"""Two flows that write one field of the same rows are found, and what they may declare instead."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flows, parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.writers import writer_problems
from tests.flows.site import MAPPINGS


def flow(name: str, target: str = "salesforce", **order: Any) -> FlowSpec:
    spec = {"key": {"Id__c": "id"}, "fields": {"Status": "status", "Name": "name"}, **order}
    return FlowSpec.model_validate(
        {"flow": name, "source": "a.b", "target": target, "objects": {"Order": spec}}
    )


ORDERS = flow("orders")


def texts(*flows: FlowSpec) -> list[str]:
    return [problem.text for problem in writer_problems(flows)]


def test_fields_that_both_write_are_named_with_what_to_declare() -> None:
    [problem] = writer_problems([ORDERS, flow("web", fields={"Status": "x", "Other": "y"})])
    assert {"orders", "web"} == problem.flows
    assert (
        "orders.yaml and web.yaml: both write Order.Status by the key Id__c, so each undoes what the other writes; "
        "keep each field in one of them. Or declare in web.yaml, objects.Order: `owner: {Status: orders}` for each "
        "field, or `disjoint_from: [orders]` if they never write the same rows"
    ) == problem.text


@pytest.mark.parametrize(
    "other",
    [
        flow("web", fields={"Other": "x"}),
        flow("web", key={"Other_Id__c": "id"}),
        flow("web", target="infor"),
        flow("web", object="Other"),
        flow("web", create_only=["Status", "Name"]),
        flow("web", owner={"Status": "orders", "Name": "orders"}),
        flow("web", owner={"Status": "orders"}, create_only=["Name"]),
        flow("web", disjoint_from=["orders"]),
    ],
    ids=["fields", "key", "target", "object", "create_only", "owner", "both", "disjoint"],
)
def test_what_is_no_conflict(other: FlowSpec) -> None:
    assert [] == texts(ORDERS, other) == texts(other, ORDERS)


def test_the_link_to_a_parent_is_a_field_too() -> None:
    def rows(name: str) -> FlowSpec:
        line = {"key": {"Line__c": "id"}, "parent": {"OrderId": "Order"}, "fields": {}}
        head = {"key": {"Id__c": "id"}, "fields": {}}
        objects = {"Order": head, "Line": line}
        return FlowSpec.model_validate(
            {"flow": name, "source": "a.b", "target": "salesforce", "objects": objects}
        )

    [problem] = texts(rows("one"), rows("two"))
    assert "both write Line.OrderId" in problem


def test_two_entries_of_one_flow_are_its_own_affair() -> None:
    both = {
        name: {"object": "Price", "key": {"Id__c": name}, "fields": {"Net__c": "net"}} for name in ("a", "b")
    }
    data = {"flow": "prices", "source": "a.b", "target": "salesforce", "objects": both}
    assert [] == texts(FlowSpec.model_validate(data))


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (
            flow("web", owner={"Status": "order"}),
            "owner.Status: there is no flow order; did you mean orders?",
        ),
        (
            flow("web", object="Other", owner={"Status": "orders"}),
            "owner.Status: orders has no entry Order that writes Other",
        ),
    ],
)
def test_a_declaration_that_names_nothing_is_a_problem(other: FlowSpec, problem: str) -> None:
    assert f"web.yaml: objects.Order.{problem}" in texts(ORDERS, other)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("owner: {Nam: web}", "objects.Order: Nam is not among its fields"),
        ("owner: {Status: orders}", "owner and disjoint_from name other flows, not this one"),
        ("disjoint_from: [orders]", "owner and disjoint_from name other flows, not this one"),
        (
            "owner: {Status: web}, set_last: {Status: Draft}",
            "Status is set last, so no other flow can own it",
        ),
    ],
)
def test_a_declaration_that_contradicts_its_file_is_refused(more: str, problem: str) -> None:
    text = (
        "flow: orders\nsource: a.b\ntarget: salesforce\n"
        f"objects: {{Order: {{key: {{Id__c: id}}, fields: {{Status: status}}, {more}}}}}\n"
    )
    with pytest.raises(Misconfigured, match=problem):
        parse_flow(text, "orders.yaml")


def test_the_shipped_flows_have_one_writer_a_field() -> None:
    flows, problems = load_flows(MAPPINGS)
    assert ([], [], True) == (problems, texts(*flows), len(flows) > 10)
