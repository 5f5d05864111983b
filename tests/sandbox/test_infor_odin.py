"""The simulated M3 as m3-odin sees it, Infor's own client for web applications.

Needs node; `make test` installs it where there is npm.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.sandbox.infor_tenant import M3, m3, sandbox
from tests.sandbox.test_salesforce_jsforce import FOLDER, NODE, pytestmark

__all__ = ["m3", "pytestmark", "sandbox"]


def test_odin_gets_along_with_m3(m3: M3) -> None:
    if not (FOLDER / "node_modules/@infor-up/m3-odin").is_dir():
        pytest.skip("m3-odin is not installed; `make test` does it where there is npm")
    token = str(m3.http.headers["Authorization"]).removeprefix("Bearer ")
    command = [str(NODE), "odin.mjs", m3.root.removesuffix("/m3api-rest"), token]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert ("ACME01", 2, True) == (seen["one"], seen["list"], seen["typed"])
    assert ["WCU0203", "CUNO"] == [text.strip() for text in seen["refused"]]
