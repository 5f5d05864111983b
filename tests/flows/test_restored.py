"""A state database that was restored from a backup: runs stop, and once that is accepted nothing is written twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import Misconfigured, RunChanged
from airflow_provider_brightpearl.pipeline.load import load_part
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.restored import accept_restored
from tests.flows.backup import Backup
from tests.flows.site import Site
from tests.postgres import sqlite_url

pytestmark = pytest.mark.slow

PARENTS = ("customers_to_infor", "products_to_infor")
ORDERS = "orders_to_infor"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Sandbox(customers=8, products=6, orders=8, seed=3) as sandbox:
        sandbox.control("POST", "/settings/brightpearl", {"throttle": False})
        # the stock that was shipped in the past was never counted into M3
        sandbox.control("POST", "/settings/infor", {"stock_checked_at_pick": False})
        yield Site(sandbox, tmp_path)


def written(site: Site, *flows: str) -> dict[str, Any]:
    """All that flows have created in M3 and written to orders."""
    for flow in flows:
        site.run(flow)
    found: dict[str, Any] = {
        "orders": sorted(row["CUOR"] for row in site.m3("orders")),
        "notes": sorted(row["text"] for row in site.sandbox.snapshot("brightpearl", "order-note")),
    }
    return found | {name: len(site.m3(name)) for name in ("order_lines", "journals", "vouchers", "messages")}


def test_nothing_is_written_twice_after_a_backup_was_restored_and_accepted(site: Site) -> None:
    flows = (*PARENTS, ORDERS, "payments_to_infor_gl", "shipments_to_infor")
    before = written(site, *flows)
    backup = Backup(site)
    site.act(orders_created=4, parts_shipped=2)
    after = written(site, *flows)
    assert all(after.values())
    assert len(before["orders"]) < len(after["orders"]) == len(set(after["orders"]))

    backup.restore()
    with pytest.raises(
        Misconfigured, match="older copy: runs have written to it .* `brightpearl state restored`"
    ):
        site.run(ORDERS)
    assert sorted(flows) == accept_restored(site.database)
    assert after == written(site, *flows)
    assert after == written(site, *flows)


def test_nothing_is_written_twice_after_another_database_was_in_use_for_a_while(site: Site) -> None:
    written(site, *PARENTS, ORDERS)
    backup = Backup(site)
    site.database.dispose()
    (site.folder / "state.db").unlink()
    site.database = open_engine(f"sqlite:///{site.folder / 'state.db'}")
    site.act(orders_created=2)
    meanwhile = written(site, *PARENTS, ORDERS)
    backup.restore()
    accept_restored(site.database, site.now())
    assert meanwhile == written(site, *PARENTS, ORDERS)


def test_a_backup_that_is_restored_in_the_middle_of_a_run_stops_it(site: Site) -> None:
    """Before the run is settled, and although the copy was taken after it had begun."""
    for flow in PARENTS:
        site.run(flow)
    ports = site.wiring(ORDERS)
    extracted = run.extract(ports, Request(RunKind.MANUAL), "run")
    mapped = [run.transform(ports, extracted.run, part) for part in extracted.parts]
    judged = run.gate(ports, extracted.run, mapped)
    backup = Backup(site)
    loads = [run.load(ports, extracted.run, part, judged) for part in mapped]
    backup.restore()
    with pytest.raises(RunChanged, match="older copy of the one that this run began with"):
        run.settle(site.wiring(ORDERS), extracted.run, extracted.parts, mapped, judged, loads)
    assert site.watermark(ORDERS) is None


def test_a_backup_that_is_restored_during_a_load_is_noticed_at_its_end_and_after_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flow in PARENTS:
        site.run(flow)
    ports = site.wiring(ORDERS)
    extracted = run.extract(ports, Request(RunKind.MANUAL), "run")
    mapped = [run.transform(ports, extracted.run, part) for part in extracted.parts]
    judged = run.gate(ports, extracted.run, mapped)
    backup = Backup(site)

    def restored_meanwhile(*args: Any, **named: Any) -> Any:
        report = load_part(*args, **named)
        backup.restore()
        return report

    monkeypatch.setattr(run, "load_part", restored_meanwhile)
    for _ in ("load", "its repeat"):
        with pytest.raises(RunChanged, match="older copy of the one that this run began with"):
            run.load(site.wiring(ORDERS), extracted.run, mapped[0], judged)


def test_orders_that_wait_in_the_first_run_after_state_was_lost_are_looked_for_when_they_come(
    site: Site,
) -> None:
    before = written(site, *PARENTS, ORDERS)
    site.database = open_engine(sqlite_url(site.folder, "new.db"))
    # its schedule comes first: all are parked, the run is settled, and has its watermark
    first = site.run(ORDERS)
    assert ("done", len(before["orders"])) == (first.state, first.counts.parked)
    for flow in PARENTS:
        site.run(flow)
    site.pass_time(20)
    assert before == written(site, ORDERS)
    assert 0 == site.run(ORDERS).counts.parked


def test_a_database_that_dies_during_a_load_and_is_restored_is_noticed_by_the_repeat(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flow in PARENTS:
        site.run(flow)
    ports = site.wiring(ORDERS)
    extracted = run.extract(ports, Request(RunKind.MANUAL), "run")
    mapped = [run.transform(ports, extracted.run, part) for part in extracted.parts]
    judged = run.gate(ports, extracted.run, mapped)
    backup = Backup(site)

    def die(*args: Any, **named: Any) -> Any:
        load_part(*args, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "load_part", die)
    with pytest.raises(KeyboardInterrupt):
        run.load(ports, extracted.run, mapped[0], judged)
    monkeypatch.undo()
    before = written(site)
    assert before["orders"]

    backup.restore()
    with pytest.raises(RunChanged, match="older copy of the one that this run began with"):
        run.load(site.wiring(ORDERS), extracted.run, mapped[0], judged)
    accept_restored(site.database)
    assert before["orders"] == written(site, ORDERS)["orders"]


def test_notes_that_were_delivered_after_a_backup_are_not_written_again(site: Site) -> None:
    for flow in PARENTS:
        site.run(flow)
    ports = site.wiring(ORDERS)
    extracted = run.extract(ports, Request(RunKind.MANUAL), "run")
    mapped = [run.transform(ports, extracted.run, part) for part in extracted.parts]
    judged = run.gate(ports, extracted.run, mapped)
    loads = [run.load(ports, extracted.run, part, judged) for part in mapped]
    summary = run.settle(ports, extracted.run, extracted.parts, mapped, judged, loads)
    backup = Backup(site)
    run.write_back(ports, extracted.run, summary)
    before = written(site)
    assert before["notes"]

    backup.restore()
    with pytest.raises(Misconfigured, match="older copy"):
        site.run(ORDERS)
    accept_restored(site.database)
    assert before == written(site, ORDERS)
