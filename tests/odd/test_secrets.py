"""Pages of any bytes can be searched for credentials, and what the product parses as XML is its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from hypothesis import given
from hypothesis import strategies as st

import airflow_provider_brightpearl
from airflow_provider_brightpearl.systems.http.secrets import masked, redacted, redacted_page, remember
from tests.odd.odd import A_QUARTER, ODD, TEXTS

SECRET = "odd+9f8e7d6c/5b4a=3210"
REQUEST = requests.Request("GET", "http://x.test", headers={"Authorization": f"Bearer {SECRET}"}).prepare()


@A_QUARTER
@given(value=ODD, around=TEXTS)
def test_pages(value: Any, around: str) -> None:
    remember(SECRET)
    odd = value if isinstance(value, bytes) else json.dumps(value).encode("utf-8", "surrogatepass")
    before = around.encode("utf-8", "replace")
    for page in (odd, before + odd, before + SECRET.encode() + odd, json.dumps([around, SECRET]).encode()):
        assert SECRET.encode() not in masked(page, REQUEST)
        assert SECRET.encode() not in redacted_page(page)


@A_QUARTER
@given(st.text(max_size=80), st.text(max_size=80))
def test_texts(before: str, after: str) -> None:
    remember(SECRET)
    assert SECRET not in redacted(f"{before}{SECRET}{after}".encode("utf-8", "replace").decode())


def test_no_xml_of_others_is_parsed() -> None:
    """Ruff's S3 rules find a parser; these two read the metadata of this package."""
    product = Path(str(airflow_provider_brightpearl.__file__)).parent
    files = {
        file for file in product.rglob("*.py") if "sandbox" not in file.parts and "xml" in file.read_text()
    }
    parsing = {
        file.name for file in files if "import Element" in file.read_text() or "minidom" in file.read_text()
    }
    assert parsing == {"compare.py", "deploy.py"}
