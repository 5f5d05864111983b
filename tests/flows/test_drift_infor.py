"""Transactions and fields of M3 change between two runs: the next one that looks says so, and stops where it has to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import SchemaMismatch, SyncError
from airflow_provider_brightpearl.runtime.target_schema import accept, planned_schema_calls, read_schema
from airflow_provider_brightpearl.sandbox.infor.signatures import signatures
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS, Site
from tests.flows.world import World

FLOW = "customers_to_infor"
A_DAY = 25 * 60
REFUSED = "fields of M3 are not compared"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    folder = tmp_path_factory.mktemp("drift")
    with Sandbox(customers=3, products=1, orders=0, settings=QUIET) as sandbox:
        yield World(sandbox, Site(sandbox, folder), lambda site: site.run(FLOW))


@pytest.fixture
def site(world: World[Site], tmp_path: Path) -> Site:
    return world.begin(tmp_path)


def switch(site: Site, **settings: Any) -> None:
    site.sandbox.control("POST", "/settings/infor", settings)
    site.pass_time(A_DAY)


def alter(site: Site, **changes: dict[str, Any]) -> None:
    """What a release changes, by ``Transaction`` or ``Transaction__Field`` of CRS610MI; a day later a run looks."""
    given = {f"CRS610MI {name.replace('__', '.')}": change for name, change in changes.items()}
    switch(site, field_changes=given)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Add__CUNM": {"length": 20}}, "CRS610MI Add.CUNM: length was 36 and is 20"),
        ({"Add__PHNO": {"numeric": True}}, "CRS610MI Add.PHNO: was of type text and is of type number"),
        (
            {"Add__CUCL": {"length": 3, "required": True}},
            "CRS610MI Add.CUCL: is required now, and the mapping does not write it",
        ),
        (
            {"Add__YREF": {"removed": True}},
            "CRS610MI Add.YREF: is not a field of this transaction in this M3",
        ),
        ({"ChgBasicData": {"removed": True}}, "CRS610MI ChgBasicData: M3 has no such transaction"),
        # that of the key, which the flow file does not name alone
        ({"AddAddress__ADID": {"length": 2}}, "CRS610MI AddAddress.ADID: length was 6 and is 2"),
    ],
)
def test_a_breaking_change_stops_before_anything_is_read(
    site: Site, changes: dict[str, Any], problem: str
) -> None:
    alter(site, **changes)
    site.sandbox.control("DELETE", "/log")
    for _ in range(2):
        with pytest.raises(SchemaMismatch) as caught:
            site.run(FLOW)
        assert problem in str(caught.value)
    assert re.search(rf"{FLOW}\.yaml, line \d+: CRS610MI ", str(caught.value))
    log = site.sandbox.control("GET", "/log")
    assert [] == [each["path"] for each in log if "/public-api/" in each["path"]]
    site.sandbox.control("POST", "/settings/infor", {"field_changes": {}})
    assert "done" == site.run(FLOW).state


def test_an_accepted_change_stops_no_more(site: Site) -> None:
    alter(site, Add__CUNM={"length": 35})
    with pytest.raises(SchemaMismatch, match=f"brightpearl schema {FLOW} --accept"):
        site.run(FLOW)
    wiring = site.wiring(FLOW)
    accept(wiring, read_schema(wiring))
    assert "done" == site.run(FLOW).state


def test_what_only_adds_is_a_note_once(site: Site) -> None:
    alter(site, Add__CUNM={"length": 60}, Add__LOYA={"length": 3})
    first, second = site.run(FLOW), site.run(FLOW)
    assert "CRS610MI Add.CUNM: length was 36 and is 60" in first.note
    assert "new in the target: LOYA" in first.note
    assert ("done", "") == (second.state, second.note)


def test_all_transactions_are_asked_for_in_one_call_a_day(site: Site) -> None:
    site.run(FLOW)
    assert 0 == planned_schema_calls(site.wiring(FLOW))
    before = site.sandbox.control("GET", "/log?system=infor")
    site.pass_time(A_DAY)
    assert 1 == planned_schema_calls(site.wiring(FLOW))
    for _ in range(2):
        assert "done" == site.run(FLOW).state
    made = site.sandbox.control("GET", "/log?system=infor")[len(before) :]
    assert 1 == sum("/m3api-rest/" in each["path"] for each in made)


def test_a_user_who_may_not_call_the_program_goes_on_with_a_note_and_what_was_met_stays(site: Site) -> None:
    switch(site, unauthorised_programs=["MRS001MI"])
    first, second = site.run(FLOW), site.run(FLOW)
    assert first.state == second.state == "done"
    assert REFUSED in first.note
    assert "give the user of the connection MRS001MI" in first.note
    assert "" == second.note
    switch(site, unauthorised_programs=[], field_changes={"CRS610MI Add.CUNM": {"length": 20}})
    with pytest.raises(SchemaMismatch, match="length was 36 and is 20"):
        site.run(FLOW)


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "nok", "code": "CPF9898", "message": "no"},
        {"kind": "nok", "code": "XRE0103", "message": "no such record"},
    ],
)
def test_a_list_that_is_refused_for_a_transaction_that_exists_is_a_note(
    site: Site, answer: dict[str, str]
) -> None:
    rule = {
        "program": "MRS001MI",
        "transaction": "LstFields",
        "record": {"TRNM": "Add"},
        "times": 0,
        **answer,
    }
    switch(site, transaction_faults=[rule])
    done = site.run(FLOW)
    assert "done" == done.state
    assert "fields of CRS610MI Add are not compared: MRS001MI LstFields: " in done.note


def test_a_list_that_may_be_cut_proves_nothing(site: Site) -> None:
    more = 100 - len(signatures()["CRS610MI"]["Add"].inputs)
    switch(site, field_changes={f"CRS610MI Add.Z{number:03d}": {"length": 1} for number in range(more)})
    assert "fields of CRS610MI Add are not compared: M3 lists 100 of them" in site.run(FLOW).note


@pytest.mark.parametrize("flow", [path.stem for path in sorted(MAPPINGS.glob("*_to_infor*.yaml"))])
def test_what_the_shipped_flows_use_is_in_m3(site: Site, flow: str) -> None:
    wiring = site.wiring(flow)
    report = read_schema(wiring)
    assert ([], []) == (report.problems, list(report.unread))
    assert report.objects
    assert all(report.objects.values())
    assert planned_schema_calls(wiring) in (0, wiring.target_client.calls)


def test_a_first_run_names_what_this_m3_does_not_take(site: Site) -> None:
    site.sandbox.control(
        "POST", "/settings/infor", {"field_changes": {"MMS200MI CpyItmBasic.ITDS": {"removed": True}}}
    )
    with pytest.raises(SchemaMismatch, match=r"line \d+: MMS200MI CpyItmBasic.ITDS: is not a field"):
        site.run("products_to_infor")


def test_a_refused_token_is_no_note(site: Site) -> None:
    site.pass_time(A_DAY)
    site.sandbox.control(
        "POST", "/faults", {"system": "infor", "status": 401, "path": "/m3api-rest/", "times": 5}
    )
    with pytest.raises(SyncError, match="refuses the token"):
        site.run(FLOW)
