"""The simulated org as jsforce sees it: a client of another language, written by others.

Needs node; `make test` installs it where there is npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]

FOLDER = Path(__file__).parent / "jsforce"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").is_dir(),
        reason="jsforce is not installed; `make test` does it where there is npm",
    ),
]


PACKAGE = {
    "package.xml": """<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
    <types><members>Account.Shop__c</members><name>CustomField</name></types>
    <version>62.0</version>
</Package>""",
    "objects/Account.object": """<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
    <fields><fullName>Shop__c</fullName><label>Shop</label><length>40</length><type>Text</type></fields>
</CustomObject>""",
}


def test_jsforce_gets_along_with_the_org(api: Api, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for name, text in PACKAGE.items():
            archive.writestr(name, text)
    api.settings(change_events=["Contact"])
    command = [str(NODE), "conformance.mjs", api.sandbox.url, str(tmp_path / "package.zip")]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False)
    assert 0 == done.returncode, done.stderr
    seen = json.loads(done.stdout)
    assert ["005", "00D", api.sandbox.url] == [seen["soap"][0][:3], seen["soap"][1][:3], seen["soap"][2]]
    assert (100_000, True, "Integration User") == (seen["limit"], seen["describe"], seen["identity"])
    assert "CREATE" == seen["event"]
    assert ["Harbour & Finch Ltd"] == seen["search"]
    assert [450, 449, "STRING_TOO_LONG"] == seen["upsert"]
    assert seen["again"] is False
    assert ([True, True], "three") == (seen["update"], seen["retrieve"])
    assert "ENTITY_IS_DELETED" == seen["gone"]
    assert [449, 449] == seen["query"]
    assert "INVALID_FIELD" == seen["badQuery"]
    assert [201, 201] == seen["composite"]
    assert ([1, 1, 0], "STRING_TOO_LONG") == (seen["bulk"], seen["bulkError"])
    assert ["B1"] == seen["bulkQuery"]
    assert ["Succeeded", 1, "Account.Shop__c"] == seen["deploy"]
