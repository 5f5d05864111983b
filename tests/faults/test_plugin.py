"""The plug-in as users meet it: an option, fixtures, and nothing where neither is used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from airflow_provider_brightpearl.testing.flows import ALL
from airflow_provider_brightpearl.testing.suite import cases
from airflow_provider_brightpearl.testing.table import FAULTS
from tests.flows.site import MAPPINGS

ROOT = Path(__file__).parents[2]

PLUGIN = "airflow_provider_brightpearl.testing.plugin"
OWN_TEST = """
def test_products_arrive(sync_sandbox, sync_place):
    place = sync_place({mappings!r})
    assert place.run("products_to_infor", "first").counts.created == 9
    assert len(sync_sandbox.snapshot("infor", "items")) > 9
"""

OWN_WORDS = """
import pytest

@pytest.fixture
def sync_fault():
    return "mine"

@pytest.fixture
def brightpearl_fault():
    return "mine too"

def test_mine(sync_fault, brightpearl_fault, record_property):
    record_property("sync_fault", sync_fault)
    assert (sync_fault, brightpearl_fault) == ("mine", "mine too")

def test_once(pytestconfig):
    names = [name for name, _ in pytestconfig.pluginmanager.list_name_plugin()]
    assert [{plugin!r}] == [name for name in names if name.endswith("testing.plugin")]
"""
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]


def pytest_with(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest in a folder of a user, who has installed the package and none of our settings."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    installed = folder / "site" / "airflow_provider_brightpearl-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: airflow-provider-brightpearl\nVersion: 0\n"
    )
    lines = [f"{name} = {module}" for name, module in ENTRY_POINTS.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed.parent), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_flow_file_is_tried_and_the_table_is_shown(tmp_path: Path) -> None:
    flow = str(MAPPINGS / "payments_to_infor_gl.yaml")
    (tmp_path / "test_own.py").write_text(OWN_TEST.format(mappings=str(MAPPINGS)))
    done = pytest_with(
        tmp_path,
        f"--sync-faults={flow}",
        "--sync-report",
        "table.md",
        "-k",
        "half-json or products",
        "test_own.py",
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    [row] = [line for line in done.stdout.splitlines() if line.startswith("half-json ")]
    assert 10 == row.count("✓")
    assert "| `half-json` |" in (tmp_path / "table.md").read_text()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = pytest_with(tmp_path, "--sync-faults", "nowhere.yaml")
    assert 4 == done.returncode
    assert "no such flow file: nowhere.yaml" in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("flow: mine\nsource: shop.orders\ntarget: salesforce\nobjects: {}\n", "from shop.orders into salesforce"),
        ("flow: mine\nsource: brightpearl.payments\ntarget: shop\nobjects: {}\n", "targets: brightpearl, salesf"),
        ("name: none\n", "is not a flow file"),
        ("a: [", "is not a flow file"),
    ],
)  # fmt: skip
def test_a_file_without_cases_is_refused(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ValueError, match=re.escape(says)):
        cases(tmp_path / "mine.yaml", "short")


def test_that_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("flow: mine\nsource: shop.orders\ntarget: salesforce\nobjects: {}\n")
    done = pytest_with(tmp_path, "--sync-faults", "mine.yaml", "--sync-profile", "short")
    assert 4 == done.returncode, done.stdout
    assert "no fault can be tried from shop.orders into salesforce; sources: brightpearl." in done.stderr


def test_short_is_a_few_of_each_flow() -> None:
    for file in sorted(MAPPINGS.glob("*.yaml")):
        short, able = cases(file, "short"), cases(file, "long")
        assert 0 < len(short) < len(able) / 2, file.name
        assert {each.name for each in short} <= {each.name for each in able}


def test_short_has_each_fault() -> None:
    tried = {
        fault.name for shape in ALL for fault in FAULTS if shape in fault.quick and fault.applies(*shape)
    }
    assert {fault.name for fault in FAULTS} == tried | {fault.name for fault in FAULTS if not fault.quick}


def test_a_user_may_use_our_words_and_load_the_plug_in_twice(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(f"pytest_plugins = [{PLUGIN!r}]\n")
    (tmp_path / "test_own.py").write_text(OWN_WORDS.format(plugin=PLUGIN))
    done = pytest_with(tmp_path, "--strict-markers", "-p", PLUGIN, "test_own.py")
    assert 0 == done.returncode, done.stdout + done.stderr


def test_without_the_option_nothing_is_imported() -> None:
    code = (
        f"import sys, {PLUGIN}; print(*(name for name in sys.modules if name.startswith('airflow_provider')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert {"airflow_provider_brightpearl", "airflow_provider_brightpearl.testing", PLUGIN} == set(
        done.stdout.split()
    )
