"""The dead-letter desk between a sandbox and its flows: what a person decides, and what runs make of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import dead_letters as desk_commands
from airflow_provider_brightpearl.cli import dead_letters_replay as replay_commands
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.desk import Letter
from airflow_provider_brightpearl.core.reports import attempt_of
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.runtime.desk import (
    chosen_letters,
    find_letter,
    find_letters,
    group_letters,
    letters_to_replay,
)
from airflow_provider_brightpearl.runtime.desk_decisions import (
    discard_letters,
    override_letter,
    patch_from,
    withdraw_override,
)
from airflow_provider_brightpearl.runtime.desk_detail import show_letter
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.runtime.replay import replay
from airflow_provider_brightpearl.runtime.trace import trace
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.desk import LetterFilter
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.leases import SqlLeases
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.org import HOME, Org

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


# replay


def replayed(org: Org, *letters: Letter) -> tuple[list[tuple[str, int, int, str]], list[str]]:
    """What a replay of letters, all if none is named, closes and leaves, and the ids that each of its runs has read."""
    wanted = letters or letters_to_replay(org.environment)
    done = replay(org.environment, wanted, f"replay{org.runs}", org.wiring, lambda _: None)
    org.runs += 1
    found = [(each.flow, each.closed, each.left, each.note) for each in done.groups]
    runs = [
        run.run for flow in dict.fromkeys(each.flow for each in done.groups) for run in org.ledger.runs(flow)
    ]
    return found, sorted(run for run in runs if run.startswith(f"replay{org.runs - 1}"))


def test_a_replay_tries_one_of_each_group_before_the_others(org: Org) -> None:
    fax = [refused(org), refused(org), refused(org)]
    long = [
        refused(org, Type="Web", ShippingCountryCode="ZZ"),
        refused(org, Type="Web", ShippingCountryCode="ZZ"),
    ]
    # the cause is gone for one group alone, and no run has noticed
    for placed in fax:
        org.change("Order", placed, Type="Web")
    found, runs = replayed(org)
    assert {(FLOW, 3, 0), (FLOW, 0, 2)} == {each[:3] for each in found}
    [note] = [note for *_, note in found if note]
    assert f"{min(long)} was tried first and did not go through: " in note
    assert "the other 1 were left as they are" in note
    # one of each group, then the rest of the one
    assert 3 == len(runs)
    assert set(fax) == set(org.sales())
    assert set(long) == {each.source_id for each in waiting(org)}


def test_an_override_goes_through_when_it_is_replayed(org: Org) -> None:
    placed, other = refused(org), refused(org)
    discard_letters(org.environment, [find_letter(org.environment, placed)], "Bob", "a test")
    override(org, placed, "Type=Web")
    letter = find_letter(org.environment, placed)
    assert [(FLOW, 1, 0, "")] == replayed(org, letter)[0]
    assert {placed} == set(org.sales())
    with pytest.raises(Misconfigured, match="is resolved .*there is nothing to do"):
        letters_to_replay(org.environment, [placed])
    # a discarded letter is replayed by its id alone
    discard_letters(org.environment, [find_letter(org.environment, other)], "Bob", "a test")
    assert [] == letters_to_replay(org.environment)
    org.change("Order", other, Type="Web")
    assert [(FLOW, 1, 0, "")] == replayed(org, *letters_to_replay(org.environment, [other]))[0]


def test_a_discarded_record_is_not_written_until_it_changes(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = refused(org)
    discard_letters(org.environment, [find_letter(org.environment, placed)], "Ada", "a duplicate")
    lookups = Wiring.lookups

    def with_fax(wiring: Wiring) -> dict[str, LookupTable]:
        return {
            name: replace(
                table, values={**table.values, "Fax": "2"} if "Web" in table.values else table.values
            )
            for name, table in lookups(wiring).items()
        }

    monkeypatch.setattr(Wiring, "lookups", with_fax)
    org.pass_time(30)
    counts = org.run(FLOW, full_resync=True).counts
    assert (1, 0) == (counts.rejected, counts.created)
    letter = find_letter(org.environment, placed)
    assert ("discarded", "Ada", "a duplicate") == (letter.state, letter.author, letter.note)
    assert "not in lookup" in letter.reason
    org.change("Order", placed, ShippingCity="Bath")
    org.pass_time(5)
    org.run(FLOW)
    assert {placed} == set(org.sales())


def test_a_letter_that_is_discarded_while_a_replay_is_under_way_is_left_out(org: Org) -> None:
    placed = refused(org)
    chosen = letters_to_replay(org.environment)
    discard_letters(org.environment, chosen, "Ada", "a duplicate")
    org.change("Order", placed, Type="Web")
    assert [] == replayed(org, *chosen)[1]
    assert "discarded" == find_letter(org.environment, placed).state


def test_a_replay_that_does_not_run_leaves_a_discarded_letter_as_it_is(org: Org) -> None:
    placed = refused(org)
    discard_letters(org.environment, letters_to_replay(org.environment), "Ada", "a duplicate")
    pair, attempt = org.wiring(FLOW).pair, attempt_of("scheduled", org.now())
    leases = SqlLeases(org.environment.state(), pair, timedelta(hours=1))
    held = leases.take(FLOW, attempt, "load")
    [letter] = letters_to_replay(org.environment, [placed])
    [(_, closed, left, note)] = replayed(org, letter)[0]
    assert (0, 1) == (closed, left), note
    now = find_letter(org.environment, placed)
    assert ("discarded", "Ada", "a duplicate") == (now.state, now.author, now.note)
    leases.release(held)


def test_a_replay_that_ends_before_its_record_is_written_leaves_a_discarded_letter_as_it_is(org: Org) -> None:
    placed = refused(org)
    discard_letters(org.environment, letters_to_replay(org.environment), "Ada", "a duplicate")
    [letter] = letters_to_replay(org.environment, [placed])

    def kept() -> tuple[str, str, str]:
        now = find_letter(org.environment, placed)
        return now.state, now.author, now.note

    # the mapping still refuses it, and then the target does not answer
    [(_, closed, left, note)] = replayed(org, letter)[0]
    assert (0, 1, ("discarded", "Ada", "a duplicate")) == (closed, left, kept())
    assert "is not in lookup channel" in note
    org.change("Order", placed, Type="Web")
    org.sandbox.control(
        "POST", "/faults", {"system": "brightpearl", "path": "order", "status": 403, "times": 0}
    )
    [(_, closed, left, note)] = replayed(org, letter)[0]
    assert (0, 1, ("discarded", "Ada", "a duplicate")) == (closed, left, kept())
    assert "403" in note
    org.sandbox.control("DELETE", "/faults")
    assert [(FLOW, 1, 0, "")] == replayed(org, letter)[0]
    assert ("resolved", "", "") == kept()
    assert {placed} == set(org.sales())


def test_a_letter_that_is_discarded_while_its_record_is_written_is_resolved(org: Org) -> None:
    placed = refused(org)
    org.change("Order", placed, Type="Web")
    org.pass_time(5)
    wiring = org.wiring(FLOW)
    extracted = run.extract(wiring, Request(RunKind.MANUAL), "writing")
    mapped = [run.transform(wiring, extracted.run, part) for part in extracted.parts]
    judged = run.gate(wiring, extracted.run, mapped)
    discard_letters(org.environment, waiting(org), "Ada", "a duplicate")
    loads = [run.load(wiring, extracted.run, part, judged) for part in mapped]
    run.settle(wiring, extracted.run, extracted.parts, mapped, judged, loads)
    assert {placed} == set(org.sales())
    assert "resolved" == find_letter(org.environment, placed).state
    told = [step.what for step in trace(org.environment, "order", placed).steps]
    wanted = ["discarded", "created", "dead letter resolved"]
    assert wanted == list(dict.fromkeys(each for each in told if each in wanted))


def test_parents_come_before_what_waits_for_them(org: Org) -> None:
    customers = "salesforce_customers_to_brightpearl"
    org.run(customers)
    home = {f"Billing{name}": value for name, value in HOME.items() if name != "CountryCode"}
    account = org.add("Account", Name="Smith Ltd", **home)
    org.add("Contact", AccountId=account, FirstName="Ada", LastName="Smith", Email="smith@example.com")
    org.pass_time(5)
    org.run(customers)
    placed = org.place(("1", "5.00"), AccountId=account)
    org.run(FLOW)
    assert {(customers, "open"), (FLOW, "parked")} == {(each.flow, each.state) for each in waiting(org)}
    [parked] = waiting(org, flow=FLOW)
    assert [(FLOW, 0, 1)] == [each[:3] for each in replayed(org, parked)[0]]
    org.change("Account", account, BillingCountryCode="GB", BillingCountry="United Kingdom")
    found, _ = replayed(org)
    assert [(customers, 1, 0, ""), (FLOW, 1, 0, "")] == [each for each in found if each[1]]
    assert FLOW == found[-1][0]
    assert placed in org.sales()


def test_what_was_synced_since_is_not_replayed(org: Org) -> None:
    placed = refused(org)
    [letter] = waiting(org)
    override(org, placed, "Type=Web")
    org.pass_time(5)
    org.run(FLOW)
    before = org.sales()
    # a letter from before, as a restored backup would bring it back
    with writing(org.database) as connection:
        connection.execute(dead_letter.update().values(state="open", closed_at=None))
    [(_, closed, left, note)], runs = replayed(org, letter)
    assert (0, 1, []) == (closed, left, runs)
    assert f"refused, as the record was synced since the letter was kept: {placed}" in note
    assert before == org.sales()


def test_a_system_that_does_not_answer_stops_a_flow_and_no_other(org: Org) -> None:
    refused(org), refused(org, Type="Web", ShippingCountryCode="ZZ")
    org.sandbox.control(
        "POST", "/faults", {"system": "salesforce", "path": "query", "status": 403, "times": 50}
    )
    found, _ = replayed(org)
    assert [(FLOW, 0, 1), (FLOW, 0, 1)] == [each[:3] for each in found]
    assert "not tried: " in found[1][3]
    org.sandbox.control("DELETE", "/faults")


def test_the_command_replays(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_commands, "environment", lambda: org.environment)
    placed = refused(org)
    failed = CliRunner().invoke(app, ["dead-letters", "replay", "--all"])
    assert 1 == failed.exit_code
    assert "0 letters closed, 1 left" in failed.stdout
    org.change("Order", placed, Type="Web")
    done = CliRunner().invoke(app, ["dead-letters", "replay", placed, "--json"])
    assert (0, {"closed": 1, "left": 0}) == (
        done.exit_code, {name: json.loads(done.stdout)[name] for name in ("closed", "left")},
    )  # fmt: skip
    refused_ones = CliRunner().invoke(app, ["dead-letters", "replay"])
    assert "pass one of --group, --flow and --all" in str(refused_ones.exception)
