"""The last agreed values of links, on both databases."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.stores.bases import SqlBases
from airflow_provider_brightpearl.stores.crosswalk import SqlCrosswalk


def test_a_base_is_kept_with_its_link_and_outlives_a_new_binding(engine: Engine) -> None:
    crosswalk, bases = SqlCrosswalk(engine, "a>b"), SqlBases(engine, "a>b")
    row = Binding("people", "Account", "1", "1", "T1", "print", "r1", "r1")
    crosswalk.bind([row])
    assert {} == bases.of("people", "Account", ["1"])
    # a number stays one, so that 1.50 equals 1.5
    agreed = {"Name": "Ann", "Phone": None, "Weight": Decimal("1.50")}
    bases.agree("people", "back", {("Account", "1"): agreed, ("Account", "2"): {}})
    [read] = crosswalk.of_records("people", ["1"])
    crosswalk.bind([read])
    assert {"1": agreed} == bases.of("people", "Account", ["1", "2"])
    assert {} == SqlBases(engine, "b>a").of("people", "Account", ["1"])


def test_a_row_that_is_bound_anew_has_no_base(engine: Engine) -> None:
    crosswalk, bases = SqlCrosswalk(engine, "a>b"), SqlBases(engine, "a>b")
    row = Binding("people", "Account", "1", "1", "T1", "print", "r1", "r1")
    crosswalk.bind([row])
    bases.agree("people", "people", {("Account", "1"): {"Name": "Ann"}})
    crosswalk.unbind(crosswalk.of_records("people", ["1"]))
    crosswalk.bind([row])
    assert {} == bases.of("people", "Account", ["1"])


def test_fields_that_another_run_agreed_on_meanwhile_stay(engine: Engine) -> None:
    crosswalk, bases = SqlCrosswalk(engine, "a>b"), SqlBases(engine, "a>b")
    crosswalk.bind([Binding("people", "Account", "1", "1", "T1", "print", "r1", "r1")])
    place = ("Account", "1")
    bases.agree("people", "people", {place: {"Name": "Ann", "Phone": "1"}})
    # two runs read the same base, and each agrees on a field of its own and on one of both
    [seen] = bases.of("people", "Account", ["1"]).values()
    bases.agree("people", "back", {place: {"City": "Bath", "Name": "Anna"}}, {place: seen})
    bases.agree("people", "people", {place: {"Phone": "2", "Name": "Anne"}}, {place: seen})
    assert {"1": {"Name": "Anna", "City": "Bath", "Phone": "2"}} == bases.of("people", "Account", ["1"])
    # without a base before it, what is agreed counts
    bases.agree("people", "people", {place: {"Name": "Anne"}})
    assert "Anne" == bases.of("people", "Account", ["1"])["1"]["Name"]
