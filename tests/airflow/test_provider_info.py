"""What Airflow is told about the package, against the schema of the Airflow that is installed."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import jsonschema
import pytest

from airflow_provider_brightpearl import __version__, compat
from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.get_provider_info import get_provider_info

BASES = {
    "hooks": "BaseHook", "operators": "BaseOperator", "sensors": "BaseSensorOperator", "triggers": "BaseTrigger",
}  # fmt: skip
# tasks of sync_dag and reconcile_dag, and what operators are made of
PRIVATE = {"stages", "maintenance", "reconcile", "pausing"}


def _schema() -> Any:
    spec = find_spec("airflow")
    assert spec and spec.origin
    return json.loads((Path(spec.origin).parent / "provider_info.schema.json").read_text())


def test_fits_the_schema_of_the_installed_airflow():
    jsonschema.validate(get_provider_info(), _schema())


def test_leaves_the_salesforce_connection_type_to_its_own_provider():
    types = [entry["connection-type"] for entry in get_provider_info()["connection-types"]]
    assert ["brightpearl", "infor"] == types


def test_secrets_of_the_connection_are_password_fields():
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    secret = {name for name in fields if name.endswith(("secret", "secrets", "_token"))}
    assert secret == {name for name, field in fields.items() if field["schema"].get("format") == "password"}


def test_what_people_import_is_listed_and_can_be_imported():
    """A module of the folders that Airflow lists, with a class in it that is meant for people."""
    info = get_provider_info()
    for folder, base in BASES.items():
        listed = {name for entry in info[folder] for name in entry["python-modules"]}
        package = import_module(f"airflow_provider_brightpearl.{folder}")
        public = {
            f"{package.__name__}.{module.name}"
            for module in iter_modules(package.__path__)
            if module.name not in PRIVATE
            and _defines(f"{package.__name__}.{module.name}", getattr(compat, base))
        }
        assert public == listed
    for entry in info["transfers"]:
        assert entry["python-module"] == import_module(entry["python-module"]).__name__


def _defines(module: str, base: type) -> bool:
    return any(
        isinstance(each, type) and issubclass(each, base) and each.__module__ == module
        for each in vars(import_module(module)).values()
    )


def test_reading_it_imports_nothing_heavy(run):
    code = (
        "import sys\nfrom airflow_provider_brightpearl import get_provider_info as info\n"
        "info.get_provider_info()\n"
        "heavy = ('airflow', 'pydantic', 'requests', 'sqlalchemy')\n"
        "print([name for name in sys.modules if name.split('.')[0] in heavy])"
    )
    assert "[]" == run("python", "-c", code).stdout.strip()


@pytest.mark.system
def test_airflow_lists_provider_connection_type_and_notifier(run):
    listed = run("airflow", "providers", "list")
    assert "airflow-provider-brightpearl" in listed.stdout, listed.stderr
    assert __version__ in listed.stdout
    hooks = run("airflow", "providers", "hooks")
    line = next(line for line in hooks.stdout.splitlines() if line.startswith("brightpearl "))
    assert "Error when importing hook" not in line
    assert "BrightpearlHook" in line
    assert "SyncNotifier" in run("airflow", "providers", "notifications").stdout


@pytest.mark.system
def test_airflow_shows_the_fields_of_the_connection_form(run):
    if (3, 0) <= airflow_version() < (3, 2):
        pytest.skip("the command line of Airflow 3.0 and 3.1 shows no fields")
    shown = run("airflow", "providers", "widgets").stdout
    for field in get_provider_info()["connection-types"][0]["conn-fields"]:
        assert f"extra__brightpearl__{field}" in shown or field in shown


@pytest.mark.system
def test_options_have_their_defaults_in_airflows_configuration(run):
    assert "14" == run("airflow", "config", "get-value", "brightpearl", "keep_staging_days").stdout.strip()
