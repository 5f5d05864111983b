"""How many records had each column is kept by pair and flow."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.presence import Presence
from airflow_provider_brightpearl.stores.seen_columns import SqlSeenColumns


def test_what_is_kept_comes_back_and_is_replaced(engine: Engine) -> None:
    seen = SqlSeenColumns(engine, "a:1>b:2")
    assert {} == seen.of("orders")
    seen.keep("orders", {"parties.customer": Presence(20, 3), "reference": Presence(20, 0)})
    seen.keep("orders", {"reference": Presence(40, 1)})
    assert {"reference": Presence(40, 1)} == seen.of("orders")
    assert {} == seen.of("customers") == SqlSeenColumns(engine, "a:1>b:3").of("orders")
