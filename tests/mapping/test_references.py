"""References to flows and objects that do not exist, or that go the wrong way, are found before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.references import reference_problems
from tests.flows.site import MAPPINGS


def flow(name: str, source: str, target: str, **order: Any) -> FlowSpec:
    spec = {"key": {"Id__c": "id"}, "fields": {}, **order}
    return FlowSpec.model_validate(
        {"flow": name, "source": f"{source}.x", "target": target, "objects": {"Order": spec}}
    )


FLOWS = (flow("there", "a", "b"), flow("back", "b", "a"), flow("aside", "a", "c"))


def problems(text: str, *, complete: bool = True) -> list[str]:
    found = reference_problems([*FLOWS, flow("mine", "a", "b", fields={"F": text})], complete=complete)
    return [problem for _, problem in found]


@pytest.mark.parametrize(
    "text",
    [
        "ref('there.Order', id)",
        "CASE WHEN has_ref('there.Order', id) THEN 1 END",
        "source_of('back.Order', id)",
        "has_source('back.Order', id)",
        "lookup('there', id)",
        "no SQL (",
    ],
)
def test_what_is_fine(text: str) -> None:
    assert [] == problems(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ref('their.Order', id)", "ref: there is no flow their; did you mean there?"),
        ("upper(ref('there.Oder', id))", "ref: Oder is not an object of there; did you mean Order?"),
        (
            "has_ref('back.Order', id)",
            "has_ref needs a flow from a to b, and back goes from b to a; use has_source",
        ),
        (
            "source_of('there.Order', id)",
            "source_of needs a flow from b to a, and there goes from a to b; use ref",
        ),
        ("has_source('aside.Order', id)", "has_source needs a flow from b to a, and aside goes from a to c"),
    ],
)
def test_what_is_not_is_named_with_place_and_expression(text: str, problem: str) -> None:
    assert [f"mine.yaml: objects.Order.fields.F: {problem}\n    {text}"] == problems(text)


def test_a_flow_of_another_folder_may_exist() -> None:
    assert [] == problems("ref('elsewhere.Order', id)", complete=False)
    assert 1 == len(problems("ref('there.Oder', id)", complete=False))


def test_a_flow_that_somebody_does_not_use_may_be_asked_for() -> None:
    assert [] == problems("has_source('elsewhere.Order', id)") == problems("has_ref('elsewhere.Order', id)")
    [problem] = problems("has_ref('threre.Order', id)")
    assert "has_ref: there is no flow threre; did you mean there?" in problem


def test_keys_and_conditions_are_looked_at_too() -> None:
    spec = flow(
        "mine",
        "a",
        "b",
        key={"K": "ref('x.Y', id)"},
        where="ref('x.Z', id) IS NOT NULL",
        distinct_on=["ref('x.V', id)"],
    )
    places = [problem.split(": ")[1] for _, problem in reference_problems([spec])]
    assert ["objects.Order.where", "objects.Order.key.K", "objects.Order.distinct_on"] == places


def test_the_shipped_flows_refer_to_what_exists() -> None:
    assert [] == list(reference_problems(load_flows(MAPPINGS)[0]))
