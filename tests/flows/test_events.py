"""Events name records, and the flows that read them run for just these."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.inbox import InboxEvent, InboxPolicy, InboxState, Topic
from airflow_provider_brightpearl.core.window import Request, RunKind, Window
from airflow_provider_brightpearl.runtime import run
from airflow_provider_brightpearl.runtime.events import EventRunner
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.event_days import SqlEventDays
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from tests.flows.conftest import QUIET
from tests.flows.site import Site

IMPATIENT = InboxPolicy(tries=4, first=timedelta(0))
FLOWS = ("products_to_salesforce", "customers_to_salesforce", "orders_to_salesforce", "orders_to_infor")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An org that knows the products."""
    with Sandbox(customers=4, products=6, orders=4, days=20, seed=11, settings=QUIET) as sandbox:
        site = Site(sandbox, tmp_path)
        site.run("products_to_salesforce")
        yield site


def told(site: Site, *ids: str, stream: str = "sales_orders") -> None:
    event = InboxEvent("brightpearl", "brightpearl_default", "order.modified", (stream,), ids)
    SqlInbox(site.database).store([event])


def processed(site: Site, *flows: str) -> EventRunner:
    site.runs += 1
    runner = EventRunner(site.environment, flows or FLOWS[:3], f"events{site.runs}")
    runner.process()
    return runner


def states(site: Site) -> dict[str, InboxState]:
    """By flow, of those that were run: each has one record."""
    counts = [each for each in SqlInbox(site.database).counts() if each.topic.flow in FLOWS]
    assert all(each.records == 1 for each in counts)
    return {each.topic.flow: each.state for each in counts}


def sales_orders(site: Site) -> list[str]:
    return sorted(key for key, row in site.here("order").items() if row["orderTypeCode"] == "SO")


def order(site: Site) -> str:
    return sales_orders(site)[0]


def test_an_order_is_written_and_so_is_the_customer_it_waits_for(site: Site) -> None:
    told(site, order(site))

    done = processed(site)

    assert set(site.there("Order", "Brightpearl_Order_Id__c")) == {order(site)}
    assert len(site.there("Account")) == 1
    assert done.report.records == {"orders_to_salesforce": 2, "customers_to_salesforce": 1}
    assert not site.letters.waiting("orders_to_salesforce", [order(site)])


def test_many_events_of_a_record_are_one_run_of_it(site: Site) -> None:
    site.run("customers_to_salesforce")
    for _ in range(20):
        told(site, order(site))

    done = processed(site)

    assert done.report.records == {"orders_to_salesforce": 1}
    assert site.ledger.runs("orders_to_salesforce")[0].kind == "event"
    assert site.watermark("orders_to_salesforce") is None, "events move no watermark"
    (day,) = SqlEventDays(site.database).days(site.now().date().replace(year=2000))
    assert (day.flow, day.processed, sum(day.latency.values())) == ("orders_to_salesforce", 1, 1)


def test_a_system_that_is_down_holds_up_its_own_flow_alone(site: Site) -> None:
    site.run("customers_to_salesforce")
    site.sandbox.control("POST", "/faults", {"system": "salesforce", "path": "", "status": 503, "times": 0})
    told(site, order(site))

    done = processed(site, *FLOWS)

    assert states(site) == {"orders_to_salesforce": InboxState.DUE, "orders_to_infor": InboxState.DONE}
    assert done.report.records == {"orders_to_infor": 1}
    assert done.report.failed == {"orders_to_salesforce": 1}


def test_a_record_that_breaks_its_run_is_found_and_set_aside(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_brightpearl.runtime import events

    site.run("customers_to_salesforce")
    orders = sales_orders(site)

    def breaks(wiring: object, request: Request, name: str) -> object:
        if orders[1] in request.ids:
            raise ValueError("a defect that no stage has thought of, with password=hunter2hunter2")
        return run.run_flow(wiring, request, name)  # type: ignore[arg-type]

    monkeypatch.setattr(events, "run_flow", breaks)
    monkeypatch.setattr(events, "_RECORDS", 10)
    monkeypatch.setattr(events, "SqlInbox", lambda engine: SqlInbox(engine, IMPATIENT))
    told(site, *orders)
    while (report := processed(site).report).failed:
        last = report

    ((flow, record_id, why),) = last.aside
    assert ("orders_to_salesforce", orders[1]) == (flow, record_id)
    assert why.endswith("password=***")
    assert set(site.there("Order", "Brightpearl_Order_Id__c")) == {*orders} - {orders[1]}
    topic = Topic("brightpearl", "brightpearl_default", "sales_orders", "orders_to_salesforce")
    found = {each.state: each.records for each in SqlInbox(site.database).counts() if each.topic == topic}
    assert found == {InboxState.DONE: len(orders) - 1, InboxState.ASIDE: 1}


def test_a_record_that_kills_its_process_is_set_aside_with_an_alert_and_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_brightpearl.runtime import events

    orders = sales_orders(site)
    runs: list[tuple[str, ...]] = []

    def killed(_wiring: object, request: Request, _name: str) -> None:
        runs.append(request.ids)
        if orders[0] in request.ids:
            raise SystemExit

    monkeypatch.setattr(events, "run_flow", killed)
    monkeypatch.setattr(events, "_RECORDS", 10)
    monkeypatch.setattr(events, "SqlInbox", lambda engine: SqlInbox(engine, IMPATIENT))
    told(site, *orders)
    for _ in range(IMPATIENT.tries):
        with pytest.raises(SystemExit):
            processed(site, "orders_to_salesforce")
    told(site, "new")

    last = processed(site, "orders_to_salesforce")

    assert [*runs[-len(orders) :]].count((orders[0],)) == 1, "the others have gone alone since"
    ((flow, record_id, why),) = last.report.aside
    assert (flow, record_id) == ("orders_to_salesforce", orders[0])
    assert "killed" in why
    assert {("new",), *((each,) for each in orders[1:])} <= {*runs}


def test_what_waits_for_a_flow_that_is_gone_holds_up_no_other(site: Site) -> None:
    inbox = SqlInbox(site.database)
    inbox.want(Topic("brightpearl", "brightpearl_default", "sales_orders", "gone"), ["1"])

    assert not processed(site, "gone", "orders_to_salesforce").report.failed


def test_what_no_flow_reads_is_ignored_and_said(site: Site) -> None:
    told(site, "7", stream="availability")

    processed(site)

    (count,) = SqlInbox(site.database).counts()
    assert count.state is InboxState.IGNORED


def test_the_sweep_says_what_events_missed(site: Site) -> None:
    site.run("customers_to_salesforce")
    first, second, *others = sales_orders(site)
    told(site, first)
    processed(site)
    # nobody has looked into the inbox since
    told(site, second)
    site.pass_time(10)

    interval = Window(site.now().replace(year=2000), site.now())
    wiring = site.wiring("orders_to_salesforce")
    extracted = run.extract(wiring, Request(RunKind.SCHEDULED, interval), "sweep")
    mapped = [run.transform(wiring, extracted.run, part) for part in extracted.parts]
    judged = run.gate(wiring, extracted.run, mapped)
    loads = [run.load(wiring, extracted.run, part, judged) for part in mapped]
    for _ in range(2):
        run.settle(wiring, extracted.run, extracted.parts, mapped, judged, loads)

    (day,) = SqlEventDays(site.database).days(site.now().date().replace(year=2000))
    assert (day.processed, day.changed, day.missed) == (1, 1 + len(others), len(others))
