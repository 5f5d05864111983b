"""The clients against a sandbox in a process of its own, which shares no state of a module with them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from tests.sandbox.test_command_line import process
from tests.systems.infor.m3 import client_for
from tests.systems.live import brightpearl, salesforce


class Remote(Sandbox):
    """A sandbox that was started elsewhere, by its address."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    with process("--no-throttle") as (_, lines):
        sandbox = Remote(lines[0].split()[3])
        yield sandbox
        assert sandbox.unknown_addresses() == []


def test_brightpearl(remote: Remote) -> None:
    client = brightpearl(remote)
    orders = [row["orderId"] for row in client.search("order-service/order-search", columns=("orderId",))]
    assert len(orders) == 10
    assert len(list(client.get_records("order-service/order", orders))) == 10


def test_salesforce_refuses_a_row_longer_than_a_csv_cell_usually_is(remote: Remote) -> None:
    rows = [
        {"Brightpearl_Id__c": "1", "Name": "Marsh"},
        {"Brightpearl_Id__c": "2", "Name": "Moss", "Description": "x" * 200_000},
    ]
    answers = {
        answer.key: answer.code
        for answer in salesforce(remote).bulk_upsert(
            "Account", "Brightpearl_Id__c", [json.dumps(row) for row in rows]
        )
    }
    assert answers == {"1": "", "2": "STRING_TOO_LONG"}


def test_infor(remote: Remote) -> None:
    client = client_for(remote, MemoryTokens())
    assert "ACME01" in [row["CUNO"] for row in client.read("CRS610MI", "LstByNumber", {})]
