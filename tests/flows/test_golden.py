"""Every field of every row that the shipped mappings make, against data that was read by a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.golden import CASES, case, made_of

SHIPPED = {"customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce"}


@pytest.mark.parametrize("path", CASES, ids=str)
def test_a_record_becomes_the_rows_it_should(path: Path) -> None:
    expected = case(path)
    assert expected == {"record": expected["record"], **made_of(path.parent.name, expected["record"])}


def test_every_shipped_flow_has_golden_data() -> None:
    assert SHIPPED <= {path.parent.name for path in CASES}
