"""The benchmarks work and say what they promise; what they measure is judged by who runs them, not here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_brightpearl.compat import airflow_version

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    "figure",
    [
        "transform",
        "quota",
        "nothing_new",
        "calls",
        "imports",
        "load",
        "small",
        "rejected",
        "reconcile",
        "bookkeeping",
        "lost_answers",
        "events_receiver",
        pytest.param(
            "outage", marks=pytest.mark.skipif(airflow_version() < (3, 0), reason="tasks are deferred")
        ),
    ],
)
def test_a_figure_gives_rows_with_goals(figure: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/run.py", figure, "--quick", "--report", report],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert report.exists(), done.stderr[-3000:]
    written = json.loads(report.read_text())
    rows = written["rows"]
    assert {"name", "figure", "unit", "goal", "holds"} == {key for row in rows for key in row}
    assert any(row["goal"] for row in rows)
    assert written["holds"] == all(row["holds"] is not False for row in rows)
    assert (0 if written["holds"] else 1) == done.returncode


def test_an_unknown_figure_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/run.py", "speed"], capture_output=True, text=True, check=False
    )
    assert 2 == done.returncode
    assert "invalid choice: 'speed'" in done.stderr
