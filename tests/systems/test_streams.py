"""Streams narrowed by filters of a flow file, and streams that another package adds by its entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems import registry
from airflow_provider_brightpearl.systems.brightpearl.estimate import Follow, by_id
from airflow_provider_brightpearl.systems.brightpearl.streams import table
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import SearchedStream
from tests.flows.site import Site

SUPPLIERS = SearchedStream(
    schema=StreamSchema("contactId", {"contactId": "BIGINT", "firstName": "VARCHAR"}),
    estimate=by_id(Follow("contact-service/contact")),
    search="contact-service/contact-search",
    id_column="contactId",
    resource="contact-service/contact",
    filters={"isSupplier": "true"},
)
HERE = "tests.systems.test_streams"
FLOW = """
flow: suppliers_to_salesforce
source: {source}
{filters}
target: salesforce
objects:
  Account:
    key: {{Brightpearl_Id__c: contactId}}
    fields: {{Name: "'Supplier ' || contactId"}}
"""


def suppliers(site: Site) -> set[str]:
    contacts = site.here("contact", "contactId")
    return {key for key, row in contacts.items() if row["relationshipToAccount"]["isSupplier"]}


def run(sandbox: Sandbox, folder: Path, source: str, filters: str = "") -> Site:
    (folder / "suppliers_to_salesforce.yaml").write_text(FLOW.format(source=source, filters=filters))
    site = Site(sandbox, folder, folder)
    for contact in list(site.here("contact", "contactId"))[:2]:
        relation = {"isSupplier": True, "isStaff": False}
        site.patch(f"/brightpearl/contact/{contact}", {"relationshipToAccount": relation})
    site.run("suppliers_to_salesforce")
    return site


def check(source: str, filters: str) -> None:
    text = FLOW.format(source=source, filters=filters)
    registry.check_flow(parse_flow(text, "suppliers_to_salesforce.yaml"))


def test_a_filter_takes_the_place_of_that_of_the_stream(sandbox: Sandbox, tmp_path: Path) -> None:
    site = run(sandbox, tmp_path, "brightpearl.contacts", "filters: {isSupplier: true}")
    assert suppliers(site) == set(site.there("Account")) != set()


@pytest.mark.parametrize(
    ("source", "filters", "problem"),
    [
        (
            "brightpearl.payments",
            "isSupplier: true",
            "payments is not found by one search; use where: of the object",
        ),
        (
            "brightpearl.contacts",
            "createdOn: x",
            "filters.createdOn: is set by the window or by the ids of a run",
        ),
        (
            "brightpearl.contacts",
            "contactId: 1",
            "filters.contactId: is set by the window or by the ids of a run",
        ),
    ],
)
def test_filters_that_cannot_be_are_refused(source: str, filters: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=f"suppliers_to_salesforce.yaml: .*{problem}"):
        check(source, f"filters: {{{filters}}}")


Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package with one entry point for a stream, as pip leaves it on the path."""

    def install(name: str, value: str) -> None:
        folder = tmp_path / "site-packages" / "acme_flows-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-flows\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{table.GROUP}]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(folder.parent))
        table.streams.cache_clear()

    yield install
    monkeypatch.undo()
    table.streams.cache_clear()


def test_a_stream_of_another_package_is_read_like_those_of_this_one(
    sandbox: Sandbox, tmp_path: Path, install: Install
) -> None:
    install("suppliers", f"{HERE}:SUPPLIERS")
    assert SUPPLIERS.schema is registry.stream_schema("brightpearl.suppliers")
    site = run(sandbox, tmp_path, "brightpearl.suppliers")
    assert suppliers(site) == set(site.there("Account")) != set()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("contacts", f"{HERE}:SUPPLIERS", "brightpearl.contacts already exists"),
        ("others", f"{HERE}:FLOW", "is not a stream of Brightpearl"),
    ],
)
def test_an_entry_point_that_cannot_be_is_refused(
    install: Install, name: str, value: str, problem: str
) -> None:
    install(name, value)
    with pytest.raises(Misconfigured, match=problem):
        registry.stream_schema("brightpearl.contacts")


def test_a_system_that_takes_no_filters_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    plain: dict[str, Any] = {**registry.systems()}
    plain["brightpearl"] = replace(plain["brightpearl"], takes_filters=False)
    monkeypatch.setattr(registry, "systems", lambda: plain)
    with pytest.raises(Misconfigured, match="filters: streams of brightpearl take none"):
        check("brightpearl.contacts", "filters: {isSupplier: true}")
