from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.identity import mapping_version
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.write_back import render
from airflow_provider_brightpearl.systems.registry import GROUP, check_flow, systems


def flow(write_back: str, source: str = "brightpearl.sales_orders", target: str = "infor") -> FlowSpec:
    text = f"""
flow: f
source: {source}
target: {target}
objects:
  Order: {{key: {{CUOR: id}}, fields: {{}}}}
  OrderLine: {{rows: orderRows, key: {{id: row_id}}, fields: {{}}}}
{write_back}
"""
    return parse_flow(text, "f.yaml")


def test_texts_are_filled_and_what_was_not_said_is_empty() -> None:
    assert "M3 10, {22} ." == render("M3 {target_id}, {{{ORSL}}} {NTAM}.", {"target_id": "10", "ORSL": "22"})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("write_back: {Order: {}}", "write_back.Order: names neither fields nor a note"),
        (
            "write_back: {Ordr: {note: x}}",
            "write_back.Ordr: is not an object of this flow with one row a record",
        ),
        ("write_back: {OrderLine: {note: x}}", "write_back.OrderLine: is not an object of this flow"),
        ('write_back: {Order: {note: "{0}"}}', "write_back.Order.note: {0} is not a name"),
        ('write_back: {Order: {note: "{target_id!r}"}}', "{target_id} is not a name"),
        ('write_back: {Order: {note: "{target_id"}}', "write_back.Order.note: expected '}'"),
        ("write_back: {Order: {text: x}}", "write_back.Order.text: unknown key; known here: fields, note"),
    ],
)
def test_what_a_flow_file_may_not_say(given: str, reason: str) -> None:
    with pytest.raises(Misconfigured) as error:
        flow(given)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("given", "place", "reason"),
    [
        (
            'write_back: {Order: {note: "{ORLS}"}}',
            {},
            "write_back.Order: unknown name ORLS; known: NTAM, ORSL, ORST",
        ),
        (
            'write_back: {Order: {note: "{ORSL}"}}',
            {"target": "salesforce"},
            "known: key, source_id, target_id",
        ),
        (
            "write_back: {Order: {fields: {SO: x}}}",
            {},
            "fields.SO: is not the code of a custom field, such as PCF_",
        ),
        ("write_back: {Order: {note: x}}", {"source": "brightpearl.contacts"}, "contacts have no notes"),
        (
            "write_back: {Order: {note: x}}",
            {"source": "brightpearl.payments"},
            "payments have no custom fields",
        ),
        (
            "write_back: {Order: {note: x}}",
            {"source": "oracle.orders"},
            "source oracle.orders: unknown stream; known: brightpearl.contacts",
        ),
    ],
)
def test_what_a_source_does_not_take(given: str, place: dict[str, str], reason: str) -> None:
    with pytest.raises(Misconfigured) as error:
        check_flow(flow(given, **place))
    assert reason in str(error.value)


ORACLE = """
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.systems.system import System

ORACLE = System("oracle", "no.hook", "no connection", {"orders": StreamSchema("id", {"id": "BIGINT"})})
"""


@pytest.fixture
def oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system that another package brings, and that takes no write-backs."""
    package = tmp_path / "oracle_system-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: oracle-system\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[{GROUP}]\noracle = oracle_system:ORACLE\n")
    (tmp_path / "oracle_system.py").write_text(ORACLE)
    monkeypatch.syspath_prepend(tmp_path)
    systems.cache_clear()
    yield
    systems.cache_clear()


@pytest.mark.usefixtures("oracle")
def test_a_source_that_takes_no_write_backs_is_refused_with_those_that_do() -> None:
    check_flow(flow("", "oracle.orders", "salesforce"))
    with pytest.raises(Misconfigured) as error:
        check_flow(flow("write_back: {Order: {note: x}}", "oracle.orders", "salesforce"))
    expected = "f.yaml: write_back.Order: oracle takes no write-backs; those that do: brightpearl, salesforce"
    assert expected == str(error.value)


def test_a_write_back_is_no_other_mapping() -> None:
    said = flow("write_back: {Order: {note: x, fields: {PCF_NO: '{target_id}'}}}")
    check_flow(said)
    assert mapping_version(flow(""), {}) == mapping_version(said, {})
