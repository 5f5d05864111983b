"""What a reconciliation may not ask of M3."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.systems.reconciled import flow


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
