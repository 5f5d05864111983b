"""What Brightpearl orders are told of their M3 orders, run whole against the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from sqlalchemy import select

from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.sandbox.brightpearl import json_patch
from airflow_provider_brightpearl.sandbox.brightpearl.call import ServiceError
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.tables import run
from tests.flows.conftest import QUIET
from tests.flows.site import Site
from tests.flows.world import World
from tests.postgres import sqlite_url

pytestmark = pytest.mark.slow

FLOW = "orders_to_infor"
MANY = "/public-api/acmetest/multi-message"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World[Site]]:
    quiet: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False, "custom_fields_touch": True}}
    flows = ("customers_to_infor", "products_to_infor")
    with Sandbox(customers=8, products=6, orders=14, seed=3, settings=QUIET | quiet) as sandbox:
        site = Site(sandbox, tmp_path_factory.mktemp("world"))
        yield World(sandbox, site, lambda site: [site.run(flow) for flow in flows])


@pytest.fixture
def site(world: World[Site], tmp_path: Path) -> Site:
    return world.begin(tmp_path)


def numbers(site: Site) -> dict[str, str]:
    """M3's number of each order."""
    return {row["CUOR"]: row["ORNO"] for row in site.m3("orders")}


def notes(site: Site) -> Counter[tuple[str, str]]:
    return Counter(
        (str(row["orderId"]), row["text"])
        for row in site.sandbox.snapshot("brightpearl", "order-note")
        if row["text"].startswith("M3 order")
    )


def told(site: Site) -> dict[str, str]:
    """The M3 number that each Brightpearl order shows in its custom field."""
    fields = {key: row.get("customFields", {}) for key, row in site.here("order").items()}
    return {key: given["PCF_M3ORDER"] for key, given in fields.items() if "PCF_M3ORDER" in given}


def assert_all_told_once(site: Site) -> None:
    assert numbers(site) == told(site)
    assert {(key, f"M3 order {number}, status 22"): 1 for key, number in numbers(site).items()} == notes(site)
    assert [] == SqlIntents(site.database).in_doubt()


def outcome(summary: RunSummary) -> tuple[int, int, int]:
    """Records that were written back to, that wait, that were given up."""
    assert summary.write_back is not None
    return summary.write_back.delivered, summary.write_back.waiting, summary.write_back.given_up


def run_later(site: Site) -> RunSummary:
    """A run once no note whose answer was lost can come in any more."""
    site.pass_time(1)
    return site.run(FLOW)


def last_note(site: Site) -> str:
    """What the ledger says of the last run."""
    with site.database.connect() as connection:
        notes = connection.execute(select(run.c.note).where(run.c.flow == FLOW).order_by(run.c.started_at))
        return str(list(notes)[-1][0])


def test_no_note_is_doubled_after_the_state_was_lost(site: Site) -> None:
    site.run(FLOW)
    before = notes(site)
    assert {1} == set(before.values())
    site.database = open_engine(sqlite_url(site.folder, "another.db"))
    for name in ("customers_to_infor", "products_to_infor", FLOW):
        site.run(name)
    assert before == notes(site)
    assert [] == SqlIntents(site.database, pair=site.wiring(FLOW).pair).in_doubt()


def fault(site: Site, **rule: Any) -> None:
    site.sandbox.control("POST", "/faults", {"system": "brightpearl", "path": MANY, "times": 1, **rule})


def posts(site: Site) -> int:
    log = site.sandbox.control("GET", "/log?system=brightpearl")
    return sum(entry["path"].endswith("/multi-message") for entry in log)


def test_every_order_is_told_its_number_in_the_fewest_calls(site: Site) -> None:
    summary = site.run(FLOW)
    assert_all_told_once(site)
    orders = len(numbers(site))
    assert (orders, 0, 0) == outcome(summary)
    assert ceil(2 * orders / 10) == posts(site)
    assert summary.calls.made["brightpearl"] == summary.calls.minimum["brightpearl"]
    assert () == summary.warnings
    statuses = {
        row["customFields"]["PCF_M3STAT"] for key, row in site.here("order").items() if key in told(site)
    }
    assert {"22"} == statuses


def test_telling_an_order_makes_no_echo(site: Site) -> None:
    first = site.run(FLOW)
    stamps = {key: row.get("updatedOn") for key, row in site.here("order").items()}
    assert all(stamps[key] for key in numbers(site))
    site.pass_time(10)
    sent = posts(site)
    again = site.run(FLOW)
    assert (first.counts.created, first.counts.created) == (again.counts.extracted, again.counts.unchanged)
    assert 0 == again.calls.made.get("infor", 0)
    assert sent == posts(site)
    assert stamps == {key: row.get("updatedOn") for key, row in site.here("order").items()}
    assert_all_told_once(site)


@pytest.mark.parametrize("skip", range(3))
@pytest.mark.parametrize("answer", [{"drop": "after"}, {"drop": "before"}, {"status": 504}, {"status": 500}])
def test_a_lost_answer_makes_no_second_note(site: Site, skip: int, answer: dict[str, Any]) -> None:
    fault(site, skip=skip, **answer)
    summary = site.run(FLOW)
    assert summary.counts.created == len(numbers(site))
    assert "write-backs to brightpearl wait for the next run" in summary.warnings[0]
    assert summary.warnings[0] in last_note(site)

    again = run_later(site)
    _, waiting, _ = outcome(summary)
    delivered, *_ = outcome(again)
    assert waiting == delivered
    assert 0 == again.calls.made.get("infor", 0)
    assert_all_told_once(site)


def test_a_crash_before_the_write_back_leaves_it_to_the_next_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_brightpearl.pipeline.write_back import Outbox

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Outbox, "deliver", _dies)
        site.run(FLOW)
    assert ({}, {}) == (told(site), notes(site))
    site.run(FLOW)
    assert_all_told_once(site)


def test_a_crash_between_the_answer_of_m3_and_the_binding_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SqlCrosswalk, "bind", lambda _, rows: _dies() if rows else [])
        site.run(FLOW)
    assert [] == site.crosswalk.of_records(FLOW, list(site.here("order")))
    assert len(numbers(site)) > 0
    # meanwhile somebody works on the order in M3, so that its status is another one
    site.run(FLOW)
    assert_all_told_once(site)


def test_a_crash_between_a_note_and_its_confirmation_makes_no_second_note(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        from airflow_provider_brightpearl.pipeline.write_back import _Delivery

        patched.setattr(_Delivery, "_take", _dies)
        site.run(FLOW)
    assert sum(notes(site).values()) == 5
    run_later(site)
    assert_all_told_once(site)


def _dies(*_: Any) -> None:
    raise KeyboardInterrupt


def test_an_account_without_the_custom_field_is_named_after_one_call_and_told_when_it_is_right(
    site: Site, tmp_path: Path
) -> None:
    right, site.mappings = site.mappings, tmp_path / "mappings"
    copytree(right, site.mappings)
    file = site.mappings / f"{FLOW}.yaml"
    file.write_text(file.read_text().replace("PCF_M3ORDER", "PCF_NONE"))
    summary = site.run(FLOW)
    assert summary.counts.created == len(numbers(site))
    assert "custom field PCF_NONE does not exist: create it in Brightpearl" in summary.warnings[0]
    assert 1 == posts(site)
    site.mappings = right
    assert (len(numbers(site)), 0, 0) == outcome(site.run(FLOW))
    assert_all_told_once(site)


@pytest.mark.parametrize("answer", [None, {"code": "CMNU-003", "message": "An unexpected error occurred"}])
def test_a_custom_field_of_another_type_is_refused_once(
    site: Site, tmp_path: Path, answer: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, site.mappings = site.mappings, tmp_path / "mappings"
    copytree(right, site.mappings)
    file = site.mappings / f"{FLOW}.yaml"
    file.write_text(file.read_text().replace("PCF_M3ORDER", "PCF_ZONE"))
    if answer:
        error = ServiceError(500, answer["code"], answer["message"])
        monkeypatch.setattr(json_patch, "invalid_operation", lambda _: error)
    summary = site.run(FLOW)
    assert (0, len(numbers(site))) == outcome(summary)[1:]
    assert "PCF_ZONE is of type SELECT and does not take '" in summary.warnings[0]
    assert "make it a text field" in summary.warnings[0]
    # the notes are there all the same, and nothing is sent again
    assert len(numbers(site)) == sum(notes(site).values())
    sent = posts(site)
    again = run_later(site)
    assert ((), sent) == (again.warnings, posts(site))


def test_an_order_that_is_gone_in_brightpearl_is_given_up_and_said(site: Site) -> None:
    fault(site, status=503)
    site.run(FLOW)
    gone = sorted(numbers(site))[0]
    site.sandbox.control("DELETE", f"/brightpearl/order/{gone}")
    summary = run_later(site)
    _, _, given_up = outcome(summary)
    assert 1 == given_up
    assert f"1 write-backs to brightpearl were given up: {gone} (CMNC-404" in summary.warnings[0]
    assert () == site.run(FLOW).warnings


def test_an_order_that_m3_refuses_is_not_told_until_it_is_there(site: Site) -> None:
    """One line of an order has no item in M3: the order is not there, and the others are told."""
    site.sandbox.control(
        "POST",
        "/settings/infor",
        {"transaction_faults": [{"program": "OIS100MI", "transaction": "AddBatchLine", "code": "WIT0103"}]},
    )
    summary = site.run(FLOW)
    site.sandbox.control("POST", "/settings/infor", {"transaction_faults": []})
    assert 1 == summary.counts.rejected
    assert (summary.counts.created, 0, 0) == outcome(summary)
    assert_all_told_once(site)
