"""What M3 shows of bound rows, and what a reconciliation and a two-way flow may not ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.ports.target import Held, HoldsRows
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.infor.target import InforTarget
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import Tenant
from tests.systems.infor.m3 import flow as parsed
from tests.systems.live import running_sandbox, sandbox
from tests.systems.reconciled import flow

__all__ = ["running_sandbox", "sandbox"]

CUSTOMERS = """
flow: customers_to_infor
source: brightpearl.contacts
target: infor
objects:
  Customer: {key: {CUNO: contactId}, fields: {CUNM: a, CUA1: b}}
  Finance: {object: CustomerFinance, key: {CUNO: contactId}, fields: {CRLM: c}}
  Address: {object: CustomerAddress, key: {CUNO_ADRT_ADID: contactId}, fields: {TOWN: d}}
authority: {default: brightpearl, fields: {Customer.CUNM: infor}}
"""


@pytest.fixture
def m3(sandbox: Sandbox, tmp_path: Path) -> Iterator[Tenant]:
    yield Tenant(sandbox, SqlIntents(open_engine(sqlite_url(tmp_path))))


def test_bound_rows_are_shown_in_few_bulks_and_missing_ones_are_left_out(m3: Tenant) -> None:
    m3.customer(*(f"BP{number}" for number in range(60)))
    client = m3.client()
    target = InforTarget(client, parsed(CUSTOMERS))
    assert isinstance(target, HoldsRows)
    held = list(
        target.held("Customer", [*(f"BP{number}" for number in range(60)), "BP999"], ["CUNM", "MAIL"])
    )
    # the time of a change is not known, so nothing passes for the newer of two
    assert Held("BP0", {"CUNM": "A", "MAIL": ""}, None) == held[0]
    assert (60, 2) == (len(held), client.calls)
    [address] = target.held("Address", ["ACME01|1|DEL01", "ACME01|1|DEL09"], ["TOWN"])
    assert "Hull" == address.fields["TOWN"]


def test_who_changed_an_item_is_shown(m3: Tenant) -> None:
    items = parsed(
        "flow: products_to_infor\nsource: brightpearl.products\ntarget: infor\n"
        "objects:\n  Item: {key: {ITNO: id}, fields: {ITDS: a}}"
    )
    stored = m3.rows("items")[0]
    [held] = InforTarget(m3.client(), items).held("Item", [stored["ITNO"]], ["ITDS"])
    assert (stored["ITDS"], stored["CHID"]) == (held.fields["ITDS"], held.changed_by)
    assert held.changed_by


def test_a_field_that_m3_shows_to_nobody_is_refused_by_name(m3: Tenant) -> None:
    target = InforTarget(m3.client(), parsed(CUSTOMERS))
    for name, field, reason in [
        ("Customer", "CUTM", "Customer.CUTM: CRS610MI GetBasicData does not show it"),
        ("Finance", "CRLM", "M3 shows no row of Finance by its key"),
    ]:
        with pytest.raises(Misconfigured) as raised:
            list(target.held(name, ["ACME01"], [field]))
        assert f"customers_to_infor.yaml: authority: {reason}; write it in one flow only" == str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("default: brightpearl", "default: newest", "default"),
        ("CUNM: infor", "CUNM: newest", "fields.Customer.CUNM"),
    ],
)
def test_the_newest_of_two_changes_is_not_asked_of_m3(old: str, new: str, place: str) -> None:
    check_flow(parsed(CUSTOMERS))
    with pytest.raises(Misconfigured) as raised:
        check_flow(parsed(CUSTOMERS.replace(old, new)))
    assert (
        f"customers_to_infor.yaml: authority.{place}: newest is not possible with M3, which shows the day of a change "
        "and not its time; write brightpearl, infor or manual"
    ) == str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"reconcile": "deleted: remove"}, "reconcile.deleted: rows of M3 are not removed by flows"),
        (
            {"object": "Journal", "reconcile": "amount: CUAM"},
            "reconcile.amount: M3 reports no amounts of Journal",
        ),
    ],
)
def test_a_flow_that_asks_too_much_is_refused(wrong: dict[str, str], reason: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        check_flow(flow(target="infor", **wrong))
    assert str(raised.value).startswith(f"test_flow.yaml: {reason}")
