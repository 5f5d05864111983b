"""Customers of which both sides change the same at the same time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airflow_provider_brightpearl.errors import TimedOut
from airflow_provider_brightpearl.pipeline.batch import Batch
from airflow_provider_brightpearl.pipeline.two_way import TwoWay
from airflow_provider_brightpearl.stores.conflicts import all_conflicts
from airflow_provider_brightpearl.systems.intent_log import IntentLog
from tests.flows.site import MAPPINGS
from tests.flows.test_salesforce_customers import BACK, HOME, THERE, Customers, linked, site, world

__all__ = ["site", "world"]


def test_a_field_that_the_other_flow_brings_meanwhile_is_agreed_on(
    site: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        site.there_and_back()
    key, account, _ = linked(site)
    site.edit_here(key, "/communication/telephones/PRI", "+441134960001")
    keep = TwoWay.keep
    done: list[str] = []

    def other_flow_first(merge: TwoWay, batch: Batch) -> None:
        if batch.flow.flow == THERE and not done:
            done.append(batch.run)
            site.edit("Account", account, BillingCity="First edit")
            assert 1 == site.run(BACK).counts.updated
        keep(merge, batch)

    monkeypatch.setattr(TwoWay, "keep", other_flow_first)
    assert 1 == site.run(THERE).counts.updated
    site.edit("Account", account, BillingCity="Second edit")
    site.run(BACK)
    site.settle()
    assert ["Second edit", "Second edit"] == [
        site.address(key, "BIL")["addressLine3"],
        site.there("Account")[key]["BillingCity"],
    ]
    assert [] == all_conflicts(site.database)


SHIPPED = {"Street": "7 Dock Road", "City": "Hull", "PostalCode": "HU1 1AA", "CountryCode": "GB"}


def emptied_and_corrected(site: Customers, key: str, account: str) -> None:
    """Somebody empties an account's shipping address, and somebody corrects it in Brightpearl."""
    site.edit("Account", account, **{f"Shipping{name}": value for name, value in SHIPPED.items()})
    site.settle()
    assert "7 Dock Road" == site.address(key, "DEL")["addressLine1"]
    empty = dict.fromkeys([*SHIPPED, "State", "StateCode", "Country"])
    site.patch(f"/salesforce/Account/{account}", {f"Shipping{name}": None for name in empty})
    site.edit("Account", account, ShippingStreet=None)
    moved = {"addressLine1": "9 Dock Road", "addressLine3": "Hull", "postalCode": "HU1 1AB"}
    there = site.brightpearl().post("contact-service/postal-address", {**moved, "countryIsoCode": "GBR"})
    site.edit_here(key, "/postAddressIds/DEL", int(there))


def shipped(site: Customers, key: str) -> tuple[str | None, str | None]:
    """The street to which is shipped, of Brightpearl and of Salesforce."""
    slot = site.contact(key)["postAddressIds"].get("DEL")
    there = site.there("Account")[key]["ShippingStreet"]
    return site.address(key, "DEL")["addressLine1"] if slot else None, there


@pytest.mark.parametrize("winner", ["brightpearl", "salesforce"])
@pytest.mark.parametrize("first", [THERE, BACK])
def test_an_emptied_address_that_the_other_side_corrects_is_decided_by_authority(
    site: Customers, tmp_path: Path, first: str, winner: str
) -> None:
    site.mappings = Path(shutil.copytree(MAPPINGS, tmp_path / "mappings"))
    flow = site.mappings / f"{THERE}.yaml"
    flow.write_text(flow.read_text().replace("  default: brightpearl\n", f"  default: {winner}\n"))
    key, account, _ = linked(site)
    emptied_and_corrected(site, key, account)
    site.run(first)
    site.settle()
    street = "9 Dock Road" if winner == "brightpearl" else None
    assert (street, street) == shipped(site, key)


def test_an_emptied_address_goes(site: Customers) -> None:
    key, account, _ = linked(site)
    site.edit("Account", account, **{f"Shipping{name}": value for name, value in SHIPPED.items()})
    site.settle()
    site.patch(f"/salesforce/Account/{account}", {f"Shipping{name}": None for name in [*SHIPPED, "Country"]})
    site.edit("Account", account, ShippingStreet=None)
    site.settle()
    assert (None, None) == shipped(site, key)


def test_a_write_in_doubt_whose_account_is_gone_holds_nobody_back_for_ever(
    site: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the minute in which a call may still arrive
    monkeypatch.setattr(IntentLog, "wait_until_quiet", lambda _: None)
    site.settle()
    account = site.add("Account", Name="Gone Ltd", **{f"Billing{name}": each for name, each in HOME.items()})
    site.pass_time(5)
    fault = {"system": "brightpearl", "method": "POST", "path": "multi-message", "drop": "before", "skip": 1}
    site.sandbox.control("POST", "/faults", fault)
    with pytest.raises(TimedOut):
        site.run(BACK)
    site.sandbox.control("DELETE", "/faults")
    home = site.brightpearl().post(
        "contact-service/postal-address", {"addressLine1": "1", "countryIsoCode": "GBR"}
    )
    person = {
        "firstName": "By",
        "lastName": "Stander",
        "postAddressIds": dict.fromkeys(("DEF", "BIL", "DEL"), home),
    }
    key = str(site.brightpearl().post("contact-service/contact", person))
    site.salesforce().sf.Account.delete(account)
    # the other flow has not looked since, so that it may be its contact
    site.pass_time(24 * 60)
    [(reason, _)] = site.run(THERE).reasons
    assert "without an answer" in reason
    site.run(BACK)
    site.pass_time(24 * 60)
    assert 0 == site.run(THERE).counts.rejected
    assert key in site.there("Account")
    site.settle()
