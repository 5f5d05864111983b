"""What docs/mapping.md and docs/flows.md say of flow files is so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest

from airflow_provider_brightpearl.flow import spec
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.flow.write_back import WriteBackSpec
from airflow_provider_brightpearl.mapping import expressions, functions
from airflow_provider_brightpearl.mapping.check import check_mapping
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.brightpearl.objects import ROOTS
from airflow_provider_brightpearl.systems.infor import objects
from airflow_provider_brightpearl.systems.salesforce.streams.table import find_stream
from tests.docs import markdown
from tests.docs.columns import PAGE, columns_page

MAPPINGS = markdown.ROOT / "include" / "mappings"


# flow files


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The flow", spec.FlowSpec),
        ("window", spec.WindowSpec),
        ("lookups", spec.LookupSpec),
        ("objects", spec.ObjectSpec),
        ("totals", spec.TotalsSpec),
        ("gate", spec.GateSpec),
        ("load", spec.LoadSpec),
        ("write_back", WriteBackSpec),
        ("reconcile", ReconcileSpec),
    ],
)
def test_mapping_keys(heading: str, model: Any) -> None:
    documented = markdown.names(markdown.section("docs/mapping.md", heading), "Key")
    assert list(model.model_fields) == documented


def test_lookup_policies() -> None:
    policies = get_args(spec.LookupSpec.model_fields["unknown"].annotation)
    assert sorted(policies) == sorted(
        markdown.names(markdown.section("docs/mapping.md", "lookups"), "Policy")
    )


def _functions() -> set[str]:
    rewritten = set(re.findall(r'name == "(\w+)"', inspect.getsource(expressions._Compiler.function)))
    return (
        rewritten
        | {*expressions.KINDS}
        | {head.partition("(")[0] for head in functions.MACROS}
        | set(functions._PYTHON)
    )


def test_functions() -> None:
    rows = markdown.table(markdown.section("docs/mapping.md", "Functions"), "Function")
    assert sorted(_functions()) == sorted(row[0].partition("(")[0] for row in rows)


def test_examples_of_functions_give_what_is_said() -> None:
    rows = markdown.table(markdown.section("docs/mapping.md", "Functions"), "Function")
    examples = [(row[2], row[3]) for row in rows if row[3]]
    with duckdb.connect() as connection:
        functions.register(connection, " ".join(text for text, _ in examples))
        given = [connection.execute(f"SELECT CAST({text} AS VARCHAR)").fetchone() for text, _ in examples]
    assert [(text, result) for text, result in examples] == [
        (text, str(row[0] if row and row[0] is not None else "NULL"))
        for (text, _), row in zip(examples, given, strict=True)
    ]


def _whole_flows() -> list[markdown.Block]:
    return [block for block in markdown.blocks("yaml") if re.search(r"^flow:", block.text, re.MULTILINE)]


@pytest.mark.parametrize("block", _whole_flows(), ids=lambda block: block.file.stem)
def test_whole_flows_in_examples_compile(block: markdown.Block, tmp_path: Path) -> None:
    (tmp_path / "lookups").symlink_to(MAPPINGS / "lookups")
    name = re.search(r"^flow: (\w+)", block.text, re.MULTILINE)
    assert name
    file = tmp_path / f"{name[1]}.yaml"
    file.write_text(block.text, encoding="utf-8")
    assert [] == check_mapping(file, registry.stream_schema)


# mistakes made in orders_to_salesforce.yaml: what is replaced, and by what
_MISTAKES = {
    "a misspelt column": ("text(reference)", "text(refrence)"),
    "an unknown key": ("\ngate:", "\nshedule: '@daily'\ngate:"),
    "an unknown lookup": ("lookup('channel'", "lookup('chanel'"),
    "an unknown function": ("left(text(reference), 80)", "leftmost(text(reference), 80)"),
    "an aggregate": ("Net__c: totalValue.net", "Net__c: sum(totalValue.net)"),
    "floating point": ("Net__c: totalValue.net", "Net__c: totalValue.net * 1.5e0"),
    "a bracket left open": ("left(text(reference), 80)", "left(text(reference), 80"),
    "a wrong duration": ("lookback: 30m", "lookback: 30 min"),
    "a lookup file that is missing": ("lookups/channels.csv", "lookups/chanels.csv"),
}


def _said() -> dict[str, str]:
    return dict(markdown.table(markdown.section("docs/mapping.md", "Check and preview"), "What is wrong"))


def test_every_mistake_is_tried() -> None:
    assert list(_MISTAKES) == list(_said())


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_what_is_said_of_mistakes(mistake: str, tmp_path: Path) -> None:
    right, wrong = _MISTAKES[mistake]
    text = (MAPPINGS / "orders_to_salesforce.yaml").read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "lookups").symlink_to(MAPPINGS / "lookups")
    file = tmp_path / "orders_to_salesforce.yaml"
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    [problem] = check_mapping(file, registry.stream_schema)
    for part in _said()[mistake].split("…"):
        assert part.strip() in problem


# what flows do


def _flows() -> dict[str, spec.FlowSpec]:
    return {file.stem: load_flow(file) for file in sorted(MAPPINGS.glob("*.yaml"))}


def test_shipped_flows() -> None:
    rows = markdown.table(markdown.section("docs/flows.md", "The flows"), "Flow")
    documented = {row[0]: row[1:5] for row in rows}
    assert {
        name: [
            flow.source,
            ", ".join(dict.fromkeys(flow.target_object(each) for each in flow.objects)),
            flow.schedule,
            ", ".join(flow.after) or "–",
        ]
        for name, flow in _flows().items()
    } == documented


def test_fields_that_an_org_needs() -> None:
    rows = markdown.table(markdown.section("docs/flows.md", "What the org has to have"), "Object")
    documented = {(row[0], field) for row in rows for field in row[1].split(", ")}
    needed = {
        (flow.target_object(name), field)
        for flow in _flows().values()
        if flow.target == "salesforce"
        for name, item in flow.objects.items()
        for field in (item.key_field, *item.parent, *item.fields)
        if field.endswith("__c")
    }
    needed |= {
        (find_stream(flow.stream).shape.object, field)
        for flow in _flows().values()
        if flow.source_system == "salesforce"
        for item in flow.write_back.values()
        for field in item.fields
    }
    assert needed == documented


def test_streams() -> None:
    documented = markdown.names(markdown.section("docs/mapping.md", "Sources"), "Source")
    known = (f"{system.name}.{stream}" for system in registry.systems().values() for stream in system.streams)
    assert sorted(known) == sorted(documented)


def test_objects_of_infor() -> None:
    documented = markdown.names(markdown.section("docs/mapping.md", "Objects of Infor M3"), "Object")
    assert sorted(objects.known_objects()) == sorted(documented)


def test_objects_of_brightpearl() -> None:
    page = "docs/into_brightpearl.md"
    known = {name: entry for parts in ROOTS.values() for name, entry in parts.items()}
    documented = markdown.names(markdown.section(page, "Where the key is held"), "Object")
    assert sorted(known) == sorted(documented)
    fields = {name for entry in known.values() for name in entry.fields}
    text = markdown.page(page)
    assert [] == [name for name in sorted(fields) if f"`{name}`" not in text]


def test_columns_of_streams() -> None:
    assert columns_page() == PAGE.read_text(encoding="utf-8"), "write it: python -m tests.docs.columns"
