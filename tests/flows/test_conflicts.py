"""Fields that Brightpearl and Salesforce both changed: kept with both values, open until both agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.conflicts import FieldConflict, kept_text
from airflow_provider_brightpearl.core.events import EventOutcome
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.runtime.trace import trace
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.conflicts import all_conflicts
from tests.flows.conftest import QUIET
from tests.flows.site import Site
from tests.flows.test_two_way import BACK, THERE, back, edit_here, edit_there, linked, there, writes

MANUAL_PHONE = THERE.replace("Account.Phone: salesforce", "Account.Phone: manual")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with Sandbox(customers=3, products=1, orders=0, seed=3, settings=QUIET) as sandbox:
        mappings = tmp_path / "mappings"
        mappings.mkdir()
        (mappings / "people_to_salesforce.yaml").write_text(MANUAL_PHONE)
        (mappings / "people_to_brightpearl.yaml").write_text(BACK)
        # where the command looks for the state
        (tmp_path / "brightpearl").mkdir()
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
        monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(mappings))
        monkeypatch.setenv("COLUMNS", "200")
        site = Site(sandbox, tmp_path / "brightpearl", mappings)
        there(site)
        yield site


def both_edited(site: Site) -> tuple[str, str, str]:
    """A contact whose phone and last name both sides changed, Brightpearl last."""
    key, account, contact = linked(site)
    edit_there(site, "Account", account, Phone="1 [b]")
    edit_there(site, "Contact", contact, LastName="There")
    edit_here(site, key, phone="2", last="Here")
    return key, account, contact


def found(site: Site) -> dict[str, FieldConflict]:
    return {f"{each.object}.{each.field}": each for _, each in all_conflicts(site.database)}


@pytest.mark.parametrize("first", [there, back], ids=["forward", "backward"])
def test_a_conflict_is_kept_with_both_sides_whichever_flow_finds_it(site: Site, first: Any) -> None:
    key, account, contact = both_edited(site)
    first(site)
    conflicts = found(site)
    assert {"Account.Phone", "Contact.LastName"} == set(conflicts)
    phone, name = conflicts["Account.Phone"], conflicts["Contact.LastName"]
    assert ("2", "1 [b]", "manual", None) == (
        phone.source_value, phone.target_value, phone.winner, phone.closed_at,
    )  # fmt: skip
    assert ("Here", "There", "brightpearl", name.at) == (
        name.source_value, name.target_value, name.winner, name.closed_at,
    )  # fmt: skip
    row = next(each for each in site.sandbox.snapshot("salesforce", "Account") if each["Id"] == account)
    assert ("people_to_salesforce", key, account) == (phone.flow, phone.key, phone.target_id)
    assert row["LastModifiedById"] == phone.target_by
    assert phone.source_at is not None
    assert phone.target_at is not None
    assert phone.target_at < phone.source_at
    pair = site.wiring(phone.found_by)
    [source_id] = [key] if first is there else [account]
    events = [
        each
        for each in pair.events.of_record(phone.found_by, source_id)
        if each.outcome is EventOutcome.CONFLICT
    ]
    assert {"both sides changed Phone", "both sides changed LastName"} == {each.note for each in events}
    assert "2" not in "".join(each.note for each in events)


def test_a_manual_conflict_is_listed_until_both_sides_agree(site: Site) -> None:
    key, account, _ = both_edited(site)
    for run in (there, back, there, back):
        run(site)
    [phone] = [each for name, each in found(site).items() if name == "Account.Phone"]
    assert None is phone.closed_at
    assert 1 == len([each for _, each in all_conflicts(site.database, open_only=True)])
    # another value, but not that of the other side
    edit_there(site, "Account", account, Phone="3")
    back(site)
    phone = found(site)["Account.Phone"]
    assert ("2", "3", None) == (phone.source_value, phone.target_value, phone.closed_at)
    edit_there(site, "Account", account, Phone="2")
    back(site)
    phone = found(site)["Account.Phone"]
    assert phone.closed_at is not None
    assert phone.at < phone.closed_at
    assert [] == all_conflicts(site.database, open_only=True)


@pytest.mark.parametrize("side", ["here", "there"])
def test_a_side_that_goes_back_to_what_was_agreed_takes_the_other_ones_value(site: Site, side: str) -> None:
    key, account, _ = linked(site)
    before = site.there("Account")[key]["Phone"]
    edit_there(site, "Account", account, Phone="1")
    edit_here(site, key, phone="2")
    there(site)
    back(site)
    if side == "here":
        edit_here(site, key, phone=before)
    else:
        edit_there(site, "Account", account, Phone=before)
    for _ in range(2):
        there(site)
        back(site)
    # the other side has not changed since, so that only a sweep reads it
    for flow in ("people_to_salesforce", "people_to_brightpearl"):
        site.run(flow, full_resync=True)
    held = site.here("contact", "contactId")[key]["communication"]["telephones"]["PRI"]
    assert ("1" if side == "here" else "2") == held == site.there("Account")[key]["Phone"]
    assert [] == all_conflicts(site.database, open_only=True)


@pytest.mark.parametrize("first", [there, back], ids=["forward", "backward"])
def test_a_conflict_is_closed_where_both_sides_go_back_to_what_was_agreed(site: Site, first: Any) -> None:
    key, account, _ = linked(site)
    before = site.there("Account")[key]["Phone"]
    edit_there(site, "Account", account, Phone="1")
    edit_here(site, key, phone="2")
    there(site)
    back(site)
    assert None is found(site)["Account.Phone"].closed_at
    edit_there(site, "Account", account, Phone=before)
    edit_here(site, key, phone=before)
    first(site)
    assert [] == all_conflicts(site.database, open_only=True)
    assert before == site.there("Account")[key]["Phone"]


def test_a_conflict_over_a_field_that_nobody_brings_back_any_more_is_closed(site: Site) -> None:
    both_edited(site)
    there(site)
    assert None is found(site)["Account.Phone"].closed_at
    there(site)
    assert None is found(site)["Account.Phone"].closed_at
    one_way = BACK.replace("      telephone: Phone\n", "").replace(
        "    Contact.telephone: Account.Phone\n", ""
    )
    (site.mappings / "people_to_brightpearl.yaml").write_text(one_way)
    there(site)
    assert [] == all_conflicts(site.database, open_only=True)


def test_a_conflict_is_closed_where_a_system_decides_by_now(site: Site) -> None:
    key, _, _ = both_edited(site)
    there(site)
    (site.mappings / "people_to_salesforce.yaml").write_text(THERE)
    site.run("people_to_salesforce", full_resync=True)
    back(site)
    assert [] == all_conflicts(site.database, open_only=True)
    held = site.here("contact", "contactId")[key]["communication"]["telephones"]["PRI"]
    assert "1 [b]" == held == site.there("Account")[key]["Phone"]


@pytest.mark.parametrize("side", ["salesforce", "brightpearl", "newest"])
@pytest.mark.parametrize("order", [(there, back), (back, there)], ids=["forward", "backward"])
def test_an_open_conflict_is_decided_by_the_next_runs_once_authority_names_a_side(
    site: Site, side: str, order: Any
) -> None:
    key, account, _ = linked(site)
    edit_there(site, "Account", account, Phone="1 [b]")
    edit_here(site, key, phone="2")
    for run in order:
        run(site)
    assert None is found(site)["Account.Phone"].closed_at
    decided = THERE.replace("Account.Phone: salesforce", f"Account.Phone: {side}")
    (site.mappings / "people_to_salesforce.yaml").write_text(decided)
    for run in order:
        run(site)
    held = site.here("contact", "contactId")[key]["communication"]["telephones"]["PRI"]
    # Brightpearl was edited last
    assert ("1 [b]" if side == "salesforce" else "2") == held == site.there("Account")[key]["Phone"]
    assert [] == all_conflicts(site.database, open_only=True)
    site.sandbox.control("DELETE", "/log")
    for run in order:
        run(site)
    assert [] == writes(site)


def test_a_conflict_that_its_winner_has_not_written_yet_stays_open(site: Site) -> None:
    key, account, _ = both_edited(site)
    there(site)
    back(site)
    (site.mappings / "people_to_salesforce.yaml").write_text(THERE)
    edit_here(site, key, first="Zoe")
    there(site)
    assert 1 == len(all_conflicts(site.database, open_only=True))
    back(site)
    assert [] == all_conflicts(site.database, open_only=True)
    held = site.here("contact", "contactId")[key]["communication"]["telephones"]["PRI"]
    assert "1 [b]" == held == site.there("Account")[key]["Phone"]


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["conflicts", *arguments], catch_exceptions=False)


def test_the_command_lists_them(site: Site) -> None:
    assert "no conflicts" in command().output
    both_edited(site)
    there(site)
    shown = command()
    assert 0 == shown.exit_code
    for text in (
        "Account.Phone",
        "brightpearl: 2",
        "salesforce: 1 [b]",
        "a person decides",
        "Contact.LastName",
    ):
        assert text in shown.output
    assert "2 conflicts, 1 of them open" in shown.output
    # the flow of the other direction shares them
    [only] = json.loads(command("--open", "--json", "--flow", "people_to_brightpearl").output)
    assert ("salesforce:", "Phone", "1 [b]") == (
        only["target"][:11], only["conflict"]["field"], only["conflict"]["target_value"],
    )  # fmt: skip
    with pytest.raises(
        SyncError, match=r"--flow: there is no flow people_to_sales.*did you mean people_to_salesforce"
    ):
        command("--flow", "people_to_sales")


def test_a_trace_shows_a_conflict_with_both_values_from_both_sides(site: Site) -> None:
    key, account, _ = both_edited(site)
    back(site)
    steps = {record_id: trace(site.environment, "customer", record_id).steps for record_id in (key, account)}
    assert steps[key] == steps[account]
    conflicts = {step.text.partition(":")[0]: step for step in steps[key] if step.what == "conflict"}
    assert {"Phone", "LastName"} == set(conflicts)
    phone = conflicts["Phone"]
    assert ("people_to_salesforce", key, account) == (phone.flow, phone.source_id, phone.target_id)
    assert phone.text.startswith("Phone: brightpearl '2' (")
    assert "; salesforce '1 [b]' (" in phone.text
    assert "a person decides (found by people_to_brightpearl)" in phone.text
    edit_there(site, "Account", account, Phone="2")
    back(site)
    assert "conflict closed" in {step.what for step in trace(site.environment, "customer", key).steps}


def test_a_trace_tells_once_that_a_row_was_linked(site: Site) -> None:
    [account, *_] = [
        each["Id"] for each in site.sandbox.snapshot("salesforce", "Account") if not each["Brightpearl_Id__c"]
    ]
    back(site)
    found = trace(site.environment, "customer", account)
    [made] = {row.target_id for row in found.rows if row.flow == "people_to_brightpearl"}
    assert {("people_to_brightpearl", account, made), ("people_to_salesforce", made, account)} == {
        (row.flow, row.source_id, row.target_id) for row in found.rows
    }
    assert ["read", "write confirmed", "created", "linked"] == [step.what for step in found.steps]
    assert ("Account", account, "of people_to_salesforce") == (
        found.steps[-1].object, found.steps[-1].target_id, found.steps[-1].text,
    )  # fmt: skip


def test_values_of_secrets_are_masked() -> None:
    assert ("***", "***", None, "true", "1.50") == (
        kept_text("Portal_Password__c", "hunter2"), kept_text("apiKey", "k"), kept_text("Token__c", None),
        kept_text("Active", True), kept_text("Price", "1.50"),
    )  # fmt: skip
