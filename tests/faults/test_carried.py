"""The checker sees a value that its target does not show, and a row whose account is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.testing.carried import not_carried
from airflow_provider_brightpearl.testing.evidence import Evidence, Row
from airflow_provider_brightpearl.testing.sandbox_control import SandboxControl
from tests.flows.site import MAPPINGS

# 00:30 on the 26th in London, by its summer time
SOURCE = {
    "id": 1, "placedOn": "2025-10-25T23:30:00.000Z", "reference": "007", "totalValue": {"net": "1.005"},
    "currency": {"orderCurrencyCode": "KWD"},
}  # fmt: skip
SHOWN: Row = {
    "Id": "a", "AccountId": "x", "Brightpearl_Order_Id__c": "1", "EffectiveDate": "2025-10-26", "Net__c": "1.01",
    "OrderReferenceNumber": "007",
}  # fmt: skip


def evidence(flow: str, rows: dict[tuple[str, str], list[Any]]) -> Evidence:
    found = Evidence(SandboxControl("nowhere"), "", MAPPINGS / f"{flow}.yaml", Path())
    known: dict[str, object] = {"bindings": [{"source_id": "1"}], "letters": {}, "_rows": rows}
    found.__dict__.update(known)
    return found


def in_salesforce(**fields: object) -> Evidence:
    rows: dict[tuple[str, str], list[Any]] = {
        ("brightpearl", "order"): [SOURCE],
        ("salesforce", "Account"): [{"Id": "x"}],
        ("salesforce", "Order"): [{**SHOWN, **fields}],
        ("salesforce", "OrderItem"): [],
    }
    return evidence("orders_to_salesforce", rows)


def test_what_is_shown_is_shown() -> None:
    assert [] == not_carried(in_salesforce())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("EffectiveDate", "2025-10-25"),
        ("OrderReferenceNumber", "7"),
        ("Net__c", "1.02"),
        ("AccountId", "gone"),
    ],
)
def test_what_is_not_shown_is_found(field: str, value: str) -> None:
    (wrong,) = not_carried(in_salesforce(**{field: value}))
    assert value in wrong


def test_dates_of_m3_are_read_as_such() -> None:
    order = {"CUOR": "1", "ORDT": "20251025", "CUCD": "KWD", "OREF": "007"}
    rows: dict[tuple[str, str], list[Any]] = {
        ("brightpearl", "order"): [SOURCE],
        ("infor", "orders"): [order],
    }
    wrong = not_carried(evidence("orders_to_infor", rows))
    assert ["Order 1: ORDT is '20251025', the source has 2025-10-26"] == wrong
