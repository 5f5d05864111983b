"""Every name of compat is there on the installed Airflow, and its newest home gives no warning."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl import compat

ONLY_FROM_3_3 = {"RetryDecision", "RetryPolicy"}


@pytest.mark.parametrize("name", sorted(compat._HOMES))
def test_name_is_found(name):
    if name in ONLY_FROM_3_3 and compat.airflow_version() < (3, 3):
        pytest.skip("not in this Airflow")
    assert getattr(compat, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = compat.Nothing


@pytest.mark.slow
def test_names_come_without_warnings_on_airflow_3(run):
    if compat.airflow_version() < (3, 0):
        pytest.skip("Airflow 2.11 warns about its own internals")
    code = (
        "from airflow_provider_brightpearl import compat\n"
        "print([name for name in compat._HOMES if getattr(compat, name) is None])"
    )
    done = run("python", "-W", "error", "-c", code)
    assert "[]" == done.stdout.strip().splitlines()[-1], done.stderr
