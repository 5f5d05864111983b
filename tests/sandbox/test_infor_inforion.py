"""The public client `inforion` against the simulated tenant.

Its pins do not resolve beside Airflow's, so it has an environment of its own: requirements/inforion.txt.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.sandbox.infor_tenant import M3, m3, sandbox

__all__ = ["m3", "sandbox"]

PYTHON = Path(__file__).parents[2] / ".venv-inforion/bin/python"
SCRIPT = """
import json, sys, types
sys.modules.setdefault("pyodbc", types.ModuleType("pyodbc"))  # needs a driver manager, and is not used here
import pandas, inforion, inforion.ionapi.model.inforlogin as login
login.load_config(sys.argv[1])
login.login()
numbers = ["BP1", "BP2", "ACME01"]
rows = pandas.DataFrame({"CUTM": ["WEB"] * 3, "CUNO": numbers, "CUNM": numbers, "CUA1": ["Street"] * 3})
from inforion.ionapi.model import execute
found = execute(sys.argv[2], login.header(), "CRS610MI", "Add", rows)
print("RESULT" + json.dumps(list(found["MESSAGE"])))
"""


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="inforion is not installed; `make test` does it")
def test_inforion_logs_in_and_adds_customers_in_bulk(m3: M3, tmp_path: Path) -> None:
    m3.settings(records_in_errors=True)  # it reads `records` of failed items too
    credentials = tmp_path / "tenant.ionapi"
    credentials.write_text(json.dumps(m3.file))
    arguments = [str(PYTHON), "-c", SCRIPT, str(credentials), f"{m3.root}/v2/execute"]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path)
    line = next((one for one in run.stdout.splitlines() if one.startswith("RESULT")), run.stderr[-2000:])
    messages = json.loads(line.removeprefix("RESULT"))
    assert ["Add:OK^_^", "Add:OK^_^", "Add:Record already exists^_^"] == messages
    assert {"BP1", "BP2"} <= {row["CUNO"] for row in m3.sandbox.snapshot("infor", "customers")}
