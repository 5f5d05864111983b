"""The dead-letter desk between a sandbox and its flows: what a person decides, and what runs make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import dead_letters as desk_commands
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.desk import Letter
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.runtime.desk import chosen_letters, find_letter, find_letters, group_letters
from airflow_provider_brightpearl.runtime.desk_decisions import (
    discard_letters,
    override_letter,
    patch_from,
    withdraw_override,
)
from airflow_provider_brightpearl.runtime.desk_detail import show_letter
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.runtime.trace import trace
from airflow_provider_brightpearl.stores.desk import LetterFilter
from tests.flows.org import Org

FLOW = "salesforce_orders_to_brightpearl"


def waiting(org: Org, **wanted: Any) -> list[Letter]:
    return find_letters(org.environment, LetterFilter(**wanted))


def refused(org: Org, **values: Any) -> str:
    """An order of a kind that no lookup knows; its letter is open."""
    placed = org.place(("1", "5.00"), **{"Type": "Fax", **values})
    org.run(FLOW)
    assert placed in {each.source_id for each in waiting(org)}
    return placed


def override(org: Org, placed: str, *assignments: str) -> None:
    letter = find_letter(org.environment, placed)
    patch = patch_from(org.environment, letter, assignments)
    override_letter(org.environment, letter, patch, "Ada", "as agreed by phone")


def test_an_override_counts_for_every_run_until_the_record_changes(org: Org) -> None:
    placed = refused(org)
    override(org, placed, "Type=Web", "PoNumber=PO 9")
    org.pass_time(5)
    # the next run takes it up by itself
    assert 1 == org.run(FLOW).counts.created
    assert "PO 9" == org.sales()[placed]["reference"]
    assert [] == waiting(org)
    # also what the flow has written back to it since changes nothing
    org.pass_time(5)
    assert org.order(placed)["Brightpearl_Placed_As__c"]
    again = org.run(FLOW, full_resync=True)
    assert (0, 0, 0) == (again.counts.updated, again.counts.rejected, again.counts.created)
    found = compare(org.wiring(FLOW), "reconcile", full_resync=True)
    assert found is not None
    assert {} == {kind: ids for kind, ids in found.ids.items() if ids}

    org.change("Order", placed, Description="pack well")
    org.change("Order", placed, PoNumber="PO 10")
    org.pass_time(5)
    changed = org.run(FLOW)
    assert (1, 0) == (changed.counts.rejected, changed.counts.updated)
    assert (
        f"overrides do not count any more, as their records have changed: {placed} (1 rows)"
        in changed.warnings
    )
    [letter] = waiting(org)
    [made] = show_letter(org.environment, letter).overrides
    assert ("Ada", "as agreed by phone", "the record has changed since") == (
        made.author,
        made.note,
        made.ended,
    )
    assert [("Type", "Fax", "Web"), ("PoNumber", None, "PO 9")] == [
        (each.place, each.before, each.after) for each in made.changes
    ]
    steps = [(step.what, step.text) for step in trace(org.environment, "order", placed).steps]
    assert ("overridden", "Type, PoNumber: as agreed by phone, says Ada") in steps
    assert ("override ended", "the record has changed since") in steps


def test_an_override_that_is_withdrawn_or_discarded_does_not_count(org: Org) -> None:
    first, second = refused(org), refused(org)
    for placed in (first, second):
        override(org, placed, "Type=Web")
    assert withdraw_override(org.environment, find_letter(org.environment, first), "Bob", "wrong one")
    done = discard_letters(org.environment, [find_letter(org.environment, second)], "Bob", "a test")
    assert [second] == [each.source_id for each in done]
    org.pass_time(5)
    org.run(FLOW, full_resync=True)
    assert {} == org.sales()
    assert {first: "open", second: "discarded"} == {
        each.source_id: each.state for each in waiting(org, states=("open", "discarded"))
    }
    told = [step.text for step in trace(org.environment, "order", second).steps if "discard" in step.what]
    assert ["a test, says Bob"] == told
    found = compare(org.wiring(FLOW), "reconcile", full_resync=True)
    assert found is not None
    # what a person has set aside has not gone through
    assert {"waiting": [first], "missing": [second]} == {
        kind: list(ids) for kind, ids in found.ids.items() if ids
    }


def test_what_cannot_be_overridden_says_why(org: Org) -> None:
    placed = refused(org)
    letter = find_letter(org.environment, f"{FLOW}:{placed}")
    for assignment, said in (
        ("Type", "write place=value"),
        ("OrderItems.7.Quantity=1", "entries 0 to 0, not 7"),
        ("OrderItems.0.IsDeleted=maybe", "not of the kind of the value there"),
        ("Type.x=1", "within the plain value 'Fax'"),
    ):
        with pytest.raises(Misconfigured, match=said):
            patch_from(org.environment, letter, [assignment])
    for patch, note, said in (
        ({"Type": "Fax"}, "why not", "these values already"),
        ({"Type": "Web"}, " ", "say why"),
    ):
        with pytest.raises(Misconfigured, match=said):
            override_letter(org.environment, letter, patch, "Ada", note)
    with pytest.raises(Misconfigured, match="there is no dead letter 'nothing'"):
        find_letter(org.environment, "nothing")
    with pytest.raises(Misconfigured, match="did you mean salesforce_orders_to_brightpearl"):
        waiting(org, flow="salesforce_order_to_brightpearl")
    with pytest.raises(Misconfigured, match="there is no group 'abc'"):
        chosen_letters(org.environment, group="abc")


def test_a_lookup_that_is_mended_releases_its_letters(org: Org, tmp_path: Path) -> None:
    placed = refused(org)
    folder = tmp_path / "mended"
    (folder / "lookups").mkdir(parents=True)
    for file in (*org.mappings.glob("*.yaml"), *org.mappings.glob("lookups/*.csv")):
        (folder / file.relative_to(org.mappings)).write_bytes(file.read_bytes())
    with (folder / "lookups" / "brightpearl_channels.csv").open("a") as table:
        table.write("Fax,1\n")
    org.mappings = folder
    org.pass_time(120)
    # read by its letter alone: the order has not changed for long
    assert 1 == org.run(FLOW).counts.created
    assert placed in org.sales()


def test_the_commands(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(desk_commands, "environment", lambda: org.environment)
    placed, other = refused(org), refused(org, Type="Telex")

    def call(*arguments: str) -> str:
        return CliRunner().invoke(app, ["dead-letters", *arguments], catch_exceptions=False).stdout

    shown = call("list")
    for text in ("2 open", "is not in lookup channel", "Fax (1)", "2 letters in 1 group, 10.00 GBP"):
        assert text in shown
    [group] = json.loads(call("list", "--json"))
    assert (2, {"open": 2}, {"GBP": "10.0000"}) == (group["count"], group["states"], group["amounts"])
    [plain] = json.loads(call("list", "--all", "--json", "--cause", group["id"], "--since", "2d"))[1:]
    assert {"id", "group", "reason", "state"} <= set(plain)
    assert f"{FLOW}:{placed}" in call("list", "--all", "--flow", FLOW)
    assert "no dead letters" in call("list", "--state", "parked")

    detail = call("show", placed)
    for text in ('"Type": "Fax"', "the same as now", "brightpearl dead-letters override", "mapping preview"):
        assert text in detail
    assert "Telex" == json.loads(call("show", other, "--json"))["payload"]["Type"]
    assert '  Type: "Fax" -> "Web"' in call(
        "override", placed, "--set", "Type=Web", "--reason", "typo", "--by", "Ada"
    )
    assert '"Fax"' not in call("override", other, "--patch", '{"Type": "Web"}', "--reason", "x", "--json")
    assert "the override has ended" in call("override", other, "--withdraw", "--reason", "no")
    assert [f"{FLOW}:{other}"] == json.loads(call("discard", other, "--reason", "a test", "--json"))[
        "discarded"
    ]
    assert "set aside by" in call("show", other)
    assert "1 letter set aside" in call("discard", "--group", group["id"], "--reason", "a test")
    assert [] == group_letters(waiting(org))
