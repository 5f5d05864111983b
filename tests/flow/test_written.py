"""The values that a flow file names for its fields."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.written import written_values

TABLES = {"status": LookupTable({"1": "Draft", "2": None}, "default", "Open")}


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("name", set()),
        ("'It''s new'", {"It's new"}),
        ("lookup('status', state)", {"Draft", "Open"}),
        ("coalesce(lookup('status', split_part(state, ',', 1)), 'None')", {"Draft", "Open", "None"}),
        ("CASE WHEN state = 'x' THEN 'Sent' else 'Kept' END", {"Sent", "Kept"}),
        ("concat_ws(' ', lookup('status', state), 'end')", set()),
        ("lookup('unknown', state)", set()),
    ],
)
def test_texts_and_lookups_that_are_the_result_count(expression: str, named: set[str]) -> None:
    flow = parse_flow(
        f"""
flow: orders
source: crm.orders
target: shop
objects:
  Order:
    key: {{Id: id}}
    fields:
      Status: "{expression}"
      Phase: phase
    set_last: {{Phase: Begun}}
""",
        "orders.yaml",
    )
    found = written_values(flow, TABLES)["Order"]
    assert (named, {"Begun"}, "Id") == (found.values["Status"], found.values["Phase"], found.key)
