"""The plug-in as users meet it: an option, fixtures, and nothing where neither is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.site import MAPPINGS

PLUGIN = "airflow_provider_brightpearl.testing.plugin"
OWN_TEST = """
def test_products_arrive(sync_sandbox, sync_place):
    place = sync_place({mappings!r})
    assert place.run("products_to_infor", "first").counts.created == 9
    assert len(sync_sandbox.snapshot("infor", "items")) > 9
"""


def pytest_with(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest in a folder of a user, who has none of our settings."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        PLUGIN,
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *arguments,
    ]
    path = os.pathsep.join(sys.path)
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


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
