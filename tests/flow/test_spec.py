from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.identity import mapping_version
from airflow_provider_brightpearl.flow.load import load_flow, parse_flow

GOOD = """
flow: things
source: shop.things
target: crm
window: {lookback: 1h, delay: 30s}
gate: {max_rejected: 5%}
objects:
  Thing:
    key: {Id__c: id}
    fields: {Name: name, Amount: 0}
  Line:
    rows: lines
    key: {Row__c: row_id}
    parent: {ThingId: Thing}
    fields: {Sku: row.sku}
"""


def refusal(text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        parse_flow(text, "things.yaml")
    return str(caught.value)


def test_a_flow_is_read_with_its_defaults() -> None:
    flow = parse_flow(GOOD, "things.yaml")
    assert (timedelta(hours=1), timedelta(seconds=30)) == (flow.window.lookback, flow.window.delay)
    assert ("shop", "things", "Thing", 0.05) == (
        flow.source_system,
        flow.stream,
        flow.root,
        flow.gate.max_rejected,
    )
    assert ("Id__c", "id", "0") == (
        flow.objects["Thing"].key_field,
        flow.objects["Thing"].key_expression,
        flow.objects["Thing"].fields["Amount"],
    )
    assert ("@hourly", "UTC", 20_000) == (flow.schedule, flow.timezone, flow.part_size)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("target: crm", "target: crm\nbanana: 1"), "things.yaml: banana: unknown key; known here: after, "),
        (("delay: 30s", "late: 30s"), "things.yaml: window.late: unknown key; known here: delay, lookback"),
        (("rows: lines", "row: lines"), "things.yaml: objects.Line.row: unknown key; known here: create_only, "),
        (("5%", "5%, most: 2"), "things.yaml: gate.most: unknown key; known here: closed, max_rejected, min_records"),
        (("1h", "1w"), "things.yaml: window.lookback: '1w' is not a duration; write a whole number"),
        (("1h", "h"), "'h' is not a duration"),
        (("1h", "-1h"), "'-1h' is not a duration"),
        (("5%", "500%"), "things.yaml: gate.max_rejected: a share lies between 0% and 100%"),
        (("5%", "many%"), "things.yaml: gate.max_rejected: could not convert"),
        (("{ThingId: Thing}", "{ThingId: Other}"), "objects.Line.parent: 'Other' is not an object above it"),
        (("{ThingId: Thing}", "{ThingId: Line}"), "objects.Line.parent: 'Line' is not an object above it"),
        (("{ThingId: Thing}", "{A: Thing, B: Thing}"), "things.yaml: objects.Line.parent: "),
        (("{Id__c: id}", "{}"), "things.yaml: objects.Thing.key: "),
        (("{Id__c: id}", "{A: id, B: id}"), "things.yaml: objects.Thing.key: "),
        (("{Row__c: row_id}", "{Row__c: row_id}\n    create_only: [Nope]"), "objects.Line: Nope is not among its"),
        (("{Row__c: row_id}", "{Row__c: row_id}\n    set_last: {Nope: x}"), "Nope is not among its fields"),
        (("gate:", "expect: {Thin: []}\ngate:"), "expect.Thin: no such object; objects here: Thing, Line"),
        (("flow: things", "flow: Things"), "things.yaml: flow: String should match pattern"),
        (("flow: things\n", ""), "things.yaml: flow: Field required"),
        (("source: shop.things", "source: things"), "things.yaml: source: String should match pattern"),
        (("target: crm", "target: crm\ntimezone: Bath"), "things.yaml: timezone: 'Bath' is not a time"),
        (("Sku: row", "'S k': row"), "things.yaml: objects.Line.fields.S k: 'S k' is not a valid name here; write let"),
        (("  Line:", "  ../Line:"), "things.yaml: objects.../Line: '../Line' is not a valid name here; write letters"),
        (("target: crm", "target: crm\npart_size: 10"), "things.yaml: part_size: Input should be greater"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_file_and_field(change: tuple[str, str], expected: str) -> None:
    assert change[0] in GOOD
    found = refusal(GOOD.replace(*change))
    assert expected in found


def test_the_first_object_takes_no_rows() -> None:
    text = GOOD.replace("    parent: {ThingId: Thing}\n", "").replace(
        "{Id__c: id}", "{Id__c: id}\n    rows: lines"
    )
    assert "things.yaml: objects.Thing: the first object has one row a record and takes no rows:" == refusal(
        text
    )


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    found = refusal(GOOD.replace("1h", "1w").replace("target: crm", "target: crm\nbanana: 1"))
    assert ["things.yaml: window.lookback", "things.yaml: banana"] == [
        ": ".join(line.split(": ")[:2]) for line in found.splitlines()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flow: a\nsource: [b\n", "things.yaml:3:1: not YAML: "),
        ("flow: a\n\tsource: b\n", "things.yaml:2:1: not YAML: "),
        ("flow: a\nflow: b\n", "things.yaml:2:1: not YAML: duplicate key flow"),
        ("flow: a\x00b\n", "things.yaml: not YAML: "),
        ("- flow\n", "things.yaml: a flow file holds keys such as flow, source and objects"),
        ("", "things.yaml: a flow file holds keys such as flow, source and objects"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, expected: str) -> None:
    found = refusal(text)
    assert expected == found[: len(expected)]


def test_a_field_that_is_there_twice_is_refused() -> None:
    text = GOOD.replace("fields: {Name: name, Amount: 0}", "fields:\n      Name: name\n      Name: status")
    assert "things.yaml:12:7: not YAML: duplicate key Name" == refusal(text)


def test_yaml_cannot_build_python_objects() -> None:
    assert "not YAML" in refusal("flow: !!python/object/apply:os.system [ls]\n")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"gone.yaml: cannot be read: No such file"):
        load_flow(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"description: caf\xe9\n")
    with pytest.raises(Misconfigured, match=r"latin.yaml: is not UTF-8 at byte 16; save it as UTF-8"):
        load_flow(tmp_path / "latin.yaml")


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "things.yaml"
    found = []
    for text in (GOOD, GOOD, GOOD.replace("1h", "2h")):
        file.write_text(text)
        found.append(load_flow(file))
    assert found[0] is found[1]
    assert [1, 1, 2] == [each.window.lookback / timedelta(hours=1) for each in found]


def version(text: str, lookups: dict[str, str] | None = None) -> str:
    return mapping_version(parse_flow(text, "things.yaml"), lookups or {})


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("target: crm", "target: crm\ndescription: more words"), True),
        (("target: crm", "target: crm\nschedule: '@daily'"), True),
        (("lookback: 1h", "lookback: 2h"), True),
        (("target: crm", "target: crm\npart_size: 500"), True),
        (("Name: name", "Name: upper(name)"), False),
        (("5%", "6%"), True),
        (("target: crm", "target: crm\ntotals: {amount: amount, currency: currency}"), False),
    ],
)
def test_the_version_changes_with_what_a_record_becomes(change: tuple[str, str], same: bool) -> None:
    assert same == (version(GOOD) == version(GOOD.replace(*change)))


def test_the_version_changes_with_the_time_zone_since_dates_do() -> None:
    assert version(GOOD) != version(GOOD.replace("target: crm", "target: crm\ntimezone: Europe/London"))


def test_the_version_changes_with_a_lookup_file() -> None:
    versions: Any = {version(GOOD), version(GOOD, {"status": "a"}), version(GOOD, {"status": "b"})}
    assert 3 == len(versions)
