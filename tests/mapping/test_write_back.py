from __future__ import annotations

import pytest

from airflow_provider_brightpearl.endpoints.registry import check_write_back
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.spec import FlowSpec, mapping_version, parse_flow
from airflow_provider_brightpearl.mapping.write_back import render


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
            "fields.SO: is no code of a custom field, such as PCF_",
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
            "oracle cannot be told; known: brightpearl",
        ),
    ],
)
def test_what_a_source_cannot_be_told(given: str, place: dict[str, str], reason: str) -> None:
    with pytest.raises(Misconfigured) as error:
        check_write_back(flow(given, **place))
    assert reason in str(error.value)


def test_a_write_back_is_no_other_mapping() -> None:
    told = flow("write_back: {Order: {note: x, fields: {PCF_NO: '{target_id}'}}}")
    check_write_back(told)
    assert mapping_version(flow(""), {}) == mapping_version(told, {})
