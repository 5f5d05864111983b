"""What importing the DAG files costs above ``import airflow``, each time in a fresh process with compiled modules."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_most, said

HEAVY = ("pandas", "duckdb", "great_expectations", "simple_salesforce")
ROUNDS = 5
_ENDS = f"""
import json, sys
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, [m for m in {HEAVY} if m in sys.modules]]))
"""
_BEGINS = "import time; wall, cpu = time.perf_counter(), time.process_time()\n"
PROGRAMS = {
    "airflow": "import airflow",
    "airflow.DAG": "from airflow_provider_brightpearl.compat import DAG",
    "dags": """
import airflow, pathlib, runpy
for path in sorted(pathlib.Path("dags").glob("*.py")):
    runpy.run_path(str(path))
""",
}


def rows(*, quick: bool) -> Iterator[Row]:
    times: dict[str, list[tuple[float, float]]] = {}
    with workbench.folder() as work:
        env = workbench.environment(work)
        # the first time modules are compiled and Airflow writes its configuration
        heavy = {name: _run(name, env)[2] for name in PROGRAMS}["dags"]
        for _ in range(1 if quick else ROUNDS):
            for name in PROGRAMS:
                wall, cpu, _ = _run(name, env)
                times.setdefault(name, []).append((wall, cpu))
    wall, cpu = (
        {name: statistics.median(t[kind] for t in found) for name, found in times.items()} for kind in (0, 1)
    )
    yield said("import airflow", wall["airflow"], "s")
    yield said("import of what every DAG file needs of Airflow", wall["airflow.DAG"], "s")
    yield said("import airflow and all DAG files", wall["dags"], "s")
    yield at_most(0.3, "DAG files above import airflow", wall["dags"] - wall["airflow"], "s")
    yield said("DAG files above import airflow, processor time", cpu["dags"] - cpu["airflow"], "s")
    yield at_most(0, f"of {', '.join(HEAVY)}, pulled in by DAG files", len(heavy), "packages")


def _run(name: str, env: Mapping[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _BEGINS + PROGRAMS[name] + "\n" + _ENDS],
        cwd=workbench.ROOT, env=dict(env), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])
