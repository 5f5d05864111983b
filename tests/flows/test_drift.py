"""The fields of a target change between two runs: the next one says so, and stops where it cannot go on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import SchemaMismatch
from airflow_provider_brightpearl.runtime.target_schema import accept, planned_schema_calls, read_schema
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.site import MAPPINGS, Site
from tests.flows.world import World

FLOW = "customers_to_salesforce"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    folder = tmp_path_factory.mktemp("drift")
    with Sandbox(customers=6, products=3, orders=4, settings={"brightpearl": {"throttle": False}}) as sandbox:
        yield World(sandbox, Site(sandbox, folder), lambda site: site.run(FLOW))


@pytest.fixture
def site(world: World[Site], tmp_path: Path) -> Site:
    return world.begin(tmp_path)


def alter(site: Site, **changes: dict[str, Any]) -> None:
    """What an administrator changes, by ``Object__Field``; an hour later a run looks for it."""
    given = {name.replace("__", ".", 1): change for name, change in changes.items()}
    site.sandbox.control("POST", "/settings/salesforce", {"field_changes": given})
    site.pass_time(70)


def stopped(site: Site) -> str:
    with pytest.raises(SchemaMismatch) as caught:
        site.run(FLOW)
    return str(caught.value)


def asked(site: Site, path: str, status: int = 200) -> int:
    log = site.sandbox.control("GET", "/log")
    return sum(path in each["path"] and each["status"] == status for each in log)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"Account__Phone": {"length": 10}},
            "Account.Phone: length was 40 and is 10",
        ),
        ({"Account__Phone": {"type": "double"}}, "Account.Phone: was of type phone and is of type number"),
        (
            {"Account__Type": {"restricted": True, "without_values": ["Customer"]}},
            "Account.Type: takes only the values of its list now, without Customer, which the mapping writes",
        ),
        (
            {"Account__Site": {"required": True}},
            "Account.Site: is required now, and the mapping does not write it",
        ),
        (
            {"Account__Brightpearl_Id__c": {"unique": False}},
            "Account.Brightpearl_Id__c: is no longer a unique external id",
        ),
        ({"Account__Phone": {"createable": False, "updateable": False}}, "can no longer be written"),
    ],
)
def test_a_breaking_change_stops_before_anything_is_read(
    site: Site, changes: dict[str, Any], problem: str
) -> None:
    alter(site, **changes)
    site.sandbox.control("DELETE", "/log")
    said = stopped(site)
    assert problem in said
    assert re.search(rf"^{FLOW}\.yaml, line \d+: Account\.", said.removeprefix("salesforce: "), re.MULTILINE)
    assert f"brightpearl schema {FLOW} --accept" in said
    assert 0 == asked(site, "/public-api/")
    # until somebody corrects it
    assert problem in stopped(site)
    site.sandbox.control("POST", "/settings/salesforce", {"field_changes": {}})
    assert "done" == site.run(FLOW).state


def test_a_field_that_is_gone_is_named_with_its_line(site: Site) -> None:
    alter(site, Account__Phone={"removed": True})
    assert "objects.Account.fields.Phone: Account has no field Phone in the org" in stopped(site)


def test_an_accepted_change_stops_no_more(site: Site) -> None:
    alter(site, Account__Phone={"length": 30})
    assert "length was 40 and is 30" in stopped(site)
    wiring = site.wiring(FLOW)
    accept(wiring, read_schema(wiring))
    assert "done" == site.run(FLOW).state


def test_what_only_adds_is_a_note_once_and_no_warning(site: Site) -> None:
    alter(
        site,
        Account__Phone={"length": 80},
        Account__Loyalty__c={"type": "string", "length": 20},
    )
    first, second = site.run(FLOW), site.run(FLOW)
    assert ("done", ()) == (first.state, first.warnings)
    assert "Account.Phone: length was 40 and is 80" in first.note
    assert "new in the target: Loyalty__c" in first.note
    assert "" == second.note


def test_an_org_that_has_not_changed_says_so_in_a_few_bytes_once_an_hour(site: Site) -> None:
    # it was set up as this test began, and clocks may differ by an hour
    for _ in range(2):
        site.pass_time(70)
        site.run(FLOW)
    site.sandbox.control("DELETE", "/log")
    site.pass_time(30)
    site.run(FLOW)
    assert 0 == asked(site, "Contact/describe")
    site.pass_time(90)
    assert 2 == planned_schema_calls(site.wiring(FLOW))
    site.run(FLOW)
    assert (1, 1) == (asked(site, "Account/describe", 304), asked(site, "Contact/describe", 304))
    site.run(FLOW)
    assert 1 == asked(site, "Account/describe", 304)


def test_a_field_that_the_flow_does_not_write_any_more_may_go(site: Site) -> None:
    folder = site.folder / "mappings"
    shutil.copytree(MAPPINGS, folder)
    file = folder / f"{FLOW}.yaml"
    alter(site, Account__Type={"length": 5})
    file.write_text(re.sub(r"\n +Type: [^\n]+", "", file.read_text(), count=1))
    own = replace(site, mappings=folder)
    assert "done" == own.run(FLOW).state
