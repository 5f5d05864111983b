"""The ``reconcile`` block of a flow file."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from tests.systems.reconciled import flow


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("perod: 7d", "reconcile.perod: unknown key; known here: amount, currency, deleted"),
        ("period: 7w", "reconcile.period: '7w' is not a duration; write a whole number and s, m, h or d"),
        ("period: 0d", "reconcile.period: a period of 0 compares nothing"),
        (
            "deleted: detatch",
            "reconcile.deleted: 'detatch' must be one of ignore, report, detach, propagate, remove; "
            "did you mean detach?",
        ),
        ("soft_delete: {IsActive: false}", "reconcile: soft_delete goes with deleted: remove"),
        ("tolerance: 0.01", "reconcile: currency and tolerance go with amount"),
        ("amount: Net__c, tolerance: -1", "reconcile.tolerance: Input should be greater than or equal to 0"),
        ("max_repair: -1", "reconcile.max_repair"),
    ],
)
def test_a_wrong_block_is_named_with_its_field(wrong: str, problem: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        flow(wrong)
    assert problem in str(raised.value)


def test_a_tolerance_is_exact() -> None:
    spec = flow("amount: Net__c, tolerance: 0.1").reconcile
    assert spec is not None
    assert "0.1" == str(spec.tolerance)
