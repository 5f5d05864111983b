"""Every name of compat is there on the installed Airflow, and its newest home gives no warning."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from airflow_provider_brightpearl import compat

FIRST_IN = {"AssetWatcher": (3, 0), "RetryDecision": (3, 3), "RetryPolicy": (3, 3)}


@pytest.mark.parametrize("name", sorted(compat._HOMES))
def test_name_is_found(name):
    if compat.airflow_version() < FIRST_IN.get(name, (2, 11)):
        pytest.skip("not in this Airflow")
    assert getattr(compat, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = compat.Nothing


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"apache-airflow": "2.11.2"}, (2, 11)),
        ({"apache-airflow-core": "3.1.0", "apache-airflow-task-sdk": "1.1.0"}, (3, 1)),
        ({"apache-airflow-task-sdk": "1.3.2"}, (3, 3)),
    ],
)
def test_the_version_is_known_where_only_a_part_of_airflow_is_installed(monkeypatch, installed, expected):
    def version(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError(package)
        return str(installed[package])

    monkeypatch.setattr(compat, "version", version)
    compat.airflow_version.cache_clear()
    try:
        assert expected == compat.airflow_version()
    finally:
        compat.airflow_version.cache_clear()


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
