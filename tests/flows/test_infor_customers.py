"""Customers that are edited in Brightpearl and in M3, and two flows that keep both in step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.records import Counts
from airflow_provider_brightpearl.core.reports import ReconcileState
from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.both_sides import BothSides
from tests.flows.conftest import QUIET
from tests.flows.world import World

THERE, BACK = "customers_to_infor", "infor_customers_to_brightpearl"
EMAIL, PHONE = "/communication/emails/PRI/email", "/communication/telephones/PRI"
PLACE = {"CUA1": "7 Quay", "TOWN": "Hull", "PONO": "HU1 1AA", "CSCD": "GB"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[BothSides]]:
    with Sandbox(customers=3, products=1, orders=0, seed=11, settings=QUIET) as sandbox:
        yield World(sandbox, BothSides(sandbox, tmp_path_factory.mktemp("world")))


@pytest.fixture
def site(world: World[BothSides], tmp_path: Path) -> BothSides:
    return world.begin(tmp_path)


def contact(site: BothSides, number: str) -> dict[str, Any]:
    """The contact of a customer of M3."""
    [found] = (
        row
        for row in site.here("contact", "contactId").values()
        if numbers(site).get(str(row["contactId"])) == number
    )
    return found


def numbers(site: BothSides) -> dict[str, str]:
    """Customer number by contact, as the links say."""
    crosswalk = site.wiring(THERE).crosswalk
    found = crosswalk.of_records(THERE, [*site.here("contact", "contactId")])
    return {each.source_id: each.target_id for each in found if each.object == "Customer"}


def address(site: BothSides, number: str, slot: str) -> dict[str, Any]:
    return site.here("postal-address", "addressId")[str(contact(site, number)["postAddressIds"][slot])]


def add(site: BothSides, number: str, **more: str) -> None:
    """A customer whom somebody adds in M3."""
    site.in_m3(
        "CRS610MI", "Add", **{"CUNO": number, "CUTM": "WEB", "CUNM": f"Shop {number}", **PLACE, **more}
    )


@pytest.mark.parametrize("flows", [(THERE, BACK), (BACK, THERE)], ids=["forward first", "backward first"])
def test_each_side_gets_the_customers_of_the_other_once(site: BothSides, flows: tuple[str, str]) -> None:
    add(site, "C900", YREF="Ann van Dyck", MAIL="Ann@Corner.example", PHNO="01482 320000")
    site.in_m3("CRS610MI", "AddAddress", CUNO="C900", ADRT="1", ADID="BACK", **{**PLACE, "CUA1": "9 Yard"})
    site.settle(*flows)
    assert {"201": "BP201", "202": "BP202", "203": "BP203"}.items() <= numbers(site).items()
    assert ["ACME01", "ACME02", "BP201", "BP202", "BP203", "C900"] == sorted(numbers(site).values())
    assert sorted(row["CUNO"] for row in site.m3("customers")) == sorted(numbers(site).values())
    ann = contact(site, "C900")
    assert ("Ann", "van Dyck", "Shop C900", "ann@corner.example", "+441482320000") == (
        ann["firstName"], ann["lastName"], ann["organisation"]["name"],
        ann["communication"]["emails"]["PRI"]["email"], ann["communication"]["telephones"]["PRI"],
    )  # fmt: skip
    assert ("7 Quay", "9 Yard") == (
        address(site, "C900", "BIL")["addressLine1"],
        address(site, "C900", "DEL")["addressLine1"],
    )
    # Brightpearl's delivery address does not go back
    assert ["BACK"] == [row["ADID"] for row in site.m3("addresses") if row["CUNO"] == "C900"]
    # without email and person
    assert ("", {}) == (
        contact(site, "ACME01")["firstName"],
        contact(site, "ACME01")["communication"]["emails"],
    )


@pytest.mark.parametrize("number", ["BP203", "ACME01"])
def test_edits_of_different_fields_meet(site: BothSides, number: str) -> None:
    site.round(THERE, BACK)
    somebody = str(contact(site, number)["contactId"])
    before = address(site, number, "BIL")
    site.in_brightpearl(somebody, **{EMAIL: "new@shop.example"})
    site.in_m3("CRS610MI", "ChgBasicData", CUNO=number, PHNO="+441174960001", CUA1="8 New Street")
    site.settle(BACK, THERE)
    assert "new@shop.example" == site.customer(number)["MAIL"]
    assert "+441174960001" == contact(site, number)["communication"]["telephones"]["PRI"]
    after = address(site, number, "BIL")
    assert "8 New Street" == after["addressLine1"]
    # an address is made anew, and what M3 does not have of it stays
    kept = ("addressLine3", "addressLine4", "postalCode", "countryIsoCode")
    assert [before[name] for name in kept] == [after[name] for name in kept]
    assert before["addressId"] != after["addressId"]
    assert before["addressId"] == contact(site, number)["postAddressIds"]["DEF"]


@pytest.mark.parametrize(
    ("side", "flows"),
    [
        ("brightpearl", (THERE, BACK)),
        ("brightpearl", (BACK, THERE)),
        ("infor", (THERE, BACK)),
        ("manual", (BACK, THERE)),
    ],
)
def test_a_field_that_both_changed_is_decided_by_its_rule(
    site: BothSides, flows: tuple[str, str], side: str, tmp_path: Path
) -> None:
    site.mappings = _with_authority(site.mappings, tmp_path, side)
    site.round(BACK, THERE)
    somebody = str(contact(site, "ACME02")["contactId"])
    site.in_brightpearl(somebody, **{EMAIL: "ours@shop.example"})
    site.in_m3("CRS610MI", "ChgBasicData", CUNO="ACME02", MAIL="theirs@shop.example")
    site.pass_time(3)
    told = {"manual": "and a person decides"}.get(side, f"{side} counts")
    assert any(told in text for text in site.run(flows[0]).warnings)
    site.round(flows[1], flows[0])
    ours = contact(site, "ACME02")["communication"]["emails"]["PRI"]["email"]
    both = {"brightpearl": ["ours"] * 2, "infor": ["theirs"] * 2, "manual": ["ours", "theirs"]}[side]
    assert both == [each.partition("@")[0] for each in (ours, site.customer("ACME02")["MAIL"])]


def _with_authority(mappings: Path, folder: Path, side: str) -> Path:
    copied = folder / "mappings"
    copied.mkdir()
    (copied / "lookups").symlink_to(mappings / "lookups")
    for name in (THERE, BACK):
        text = (mappings / f"{name}.yaml").read_text(encoding="utf-8")
        changed = text.replace("authority: {default: brightpearl}", f"authority: {{default: {side}}}")
        (copied / f"{name}.yaml").write_text(changed, encoding="utf-8")
    return copied


def test_what_is_emptied_on_one_side_does_not_come_back(site: BothSides) -> None:
    add(site, "C900", MAIL="ann@corner.example", PHN2="+447700900123")
    site.round(BACK, THERE)
    somebody = str(contact(site, "C900")["contactId"])
    site.in_brightpearl(somebody, **{"/communication/telephones/MOB": ""})
    site.round(BACK, THERE)
    site.in_m3("CRS610MI", "ChgBasicData", CUNO="C900", CUNM="Shop of Ann")
    site.round(BACK, THERE)
    ann = contact(site, "C900")
    assert ("Shop of Ann", None) == (
        ann["organisation"]["name"],
        ann["communication"]["telephones"].get("MOB") or None,
    )
    # M3 takes a missing value as unchanged
    assert "+447700900123" == site.customer("C900")["PHN2"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"CSCD": "QQ"}, "Address.countryIsoCode: 'QQ' is not a country"),
        ({"CSCD": ""}, "the customer has no country (CSCD)"),
        ({"CUCD": "SEK"}, "priceListId: 'SEK' is not in lookup price_list"),
    ],
)
def test_a_customer_that_brightpearl_cannot_take_is_a_letter_and_follows_when_it_is_put_right(
    site: BothSides, wrong: dict[str, str], reason: str
) -> None:
    add(site, "C900")
    site.patch("/infor/customers/100|C900", wrong)
    site.pass_time(3)
    summary = site.run(BACK)
    assert Counts(extracted=3, created=2, rejected=1) == summary.counts
    [(number, letter)] = site.open_letters(BACK).items()
    assert "C900" == number
    assert reason.removeprefix("Address.") in letter.reason
    site.patch("/infor/customers/100|C900", {"CSCD": "GB", "CUCD": "GBP"})
    site.round(BACK, THERE)
    assert ({}, "C900") == (site.open_letters(BACK), numbers(site)[str(contact(site, "C900")["contactId"])])


def test_blocked_and_preliminary_customers_stay_out_and_leave_a_contact_as_it_is(site: BothSides) -> None:
    for number, status in (("C901", "90"), ("C902", "10")):
        add(site, number, STAT=status)
    site.round(BACK, THERE)
    assert not {"C901", "C902"} & set(numbers(site).values())
    shop = contact(site, "ACME01")
    site.in_m3("CRS610MI", "ChgBasicData", CUNO="ACME01", CUNM="Closed", STAT="90")
    site.round(BACK, THERE)
    assert shop == contact(site, "ACME01")
    site.in_m3("CRS610MI", "ChgBasicData", CUNO="C902", STAT="20")
    site.round(BACK, THERE)
    assert "C902" in numbers(site).values()


def test_the_default_delivery_address_is_taken(site: BothSides) -> None:
    add(site, "C900")
    for adid, street in (("A", "1 First"), ("B", "2 Second")):
        site.in_m3("CRS610MI", "AddAddress", CUNO="C900", ADRT="1", ADID=adid, **{**PLACE, "CUA1": street})
    site.in_m3("CRS610MI", "ChgOrderInfo", CUNO="C900", ADID="B")
    site.round(BACK, THERE)
    assert "2 Second" == address(site, "C900", "DEL")["addressLine1"]
    site.in_m3("CRS610MI", "ChgAddress", CUNO="C900", ADRT="1", ADID="B", CUA1="3 Third")
    site.round(BACK, THERE)
    assert "3 Third" == address(site, "C900", "DEL")["addressLine1"]


def test_both_sides_are_found_equal_by_reconciliation(site: BothSides) -> None:
    site.round(BACK, THERE)
    for flow in (BACK, THERE):
        assert {} == site.differences(flow)


def test_a_customer_under_another_number_asks_whose_contact_it_is(site: BothSides) -> None:
    site.round(BACK, THERE)
    zoe = contact(site, "BP203")
    # deleted in M3, and added under another number with the same email
    site.in_m3("CRS610MI", "Delete", CUNO="BP203")
    add(site, "C903", MAIL="zoe.patel.2@example.co.uk", CUNM="Zoë Patel")
    site.pass_time(3)
    site.run(BACK)
    found = site.open_letters(BACK)
    assert {"BP203": "missing", "C903": "open"} == {number: each.state for number, each in found.items()}
    question = found["C903"]
    assert ("review", "primaryEmail") == (question.kind, question.field)
    assert "contact 203 of Brightpearl has this primaryEmail and is that of record BP203" in question.reason
    assert zoe == contact(site, "BP203")


def test_a_customer_that_m3_deleted_does_not_return(site: BothSides) -> None:
    site.round(BACK, THERE)
    zoe, customers = contact(site, "BP203"), len(site.m3("customers"))
    site.in_m3("CRS610MI", "Delete", CUNO="BP203")
    site.in_brightpearl("203", **{"/firstName": "Zora"})
    for _ in range(2):
        site.round(THERE, BACK)
        site.latest = THERE
        report = compare(site.wiring(THERE), f"reconcile{site.runs}", full_resync=True)
        assert report is not None
        # a person decides: nothing is unbound
        assert ({"manual": ("203",)}, ReconcileState.NEEDS_REVIEW) == (
            {name: ids for name, ids in report.ids.items() if ids and name != "waiting"}, report.state,
        )  # fmt: skip
    assert customers - 1 == len(site.m3("customers"))
    assert (
        "infor has deleted Customer BP203, which is not created again"
        in site.open_letters(THERE)["203"].reason
    )
    assert "Zora" == contact(site, "BP203")["firstName"]
    assert zoe["contactId"] == contact(site, "BP203")["contactId"]
