"""Two flows of one entity agree on which fields are one and whose value counts, or say where they do not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_brightpearl.core.merge import Rule
from airflow_provider_brightpearl.flow.identity import mapping_version
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow.two_way import rule_of, target_deletions
from airflow_provider_brightpearl.flow.writers import writer_problems

AUTHORITY = {"default": "newest", "fields": {"Account.Type": "brightpearl", "Contact.Email": "salesforce"}}
PAIRS = {"Person.email": "Contact.Email", "Person.phone": "Account.Phone"}
OBJECTS = {"Account": "Id", "Contact": "Contacts.0.Id"}


def forward(authority: Any = AUTHORITY, **more: Any) -> FlowSpec:
    objects = {
        "Account": {"key": {"Id__c": "id"}, "fields": {"Type": "t", "Phone": "p"}},
        "Contact": {"key": {"Id__c": "id"}, "fields": {"Email": "e"}},
    }
    fields = {"flow": "there", "source": "brightpearl.contacts", "target": "salesforce", "objects": objects}
    return FlowSpec.model_validate({**fields, "authority": authority, **more})


def backward(name: str = "back", person: Any = None, lines: Any = None, **reverse: Any) -> FlowSpec:
    objects = {"Person": {"key": {"Ref": "Id"}, "fields": {"email": "e", "phone": "p"}, **(person or {})}}
    objects |= {"Line": lines} if lines else {}
    fields = {"flow": name, "source": "salesforce.accounts", "target": "brightpearl", "objects": objects}
    declared = {"of": "there", "objects": OBJECTS, "fields": PAIRS, **reverse}
    return FlowSpec.model_validate({**fields, "reverse": declared})


def texts(*flows: FlowSpec) -> list[str]:
    return [problem.text for problem in writer_problems(flows)]


def test_flows_that_agree_have_no_problem() -> None:
    assert [] == texts(forward(), backward())


@pytest.mark.parametrize("one_way", ["Person", "Person.fax"])
def test_a_field_that_only_one_flow_writes_is_declared_one_way(one_way: str) -> None:
    person = {"fields": {"fax": "f"}} if one_way == "Person" else {"fields": {"email": "e", "fax": "f"}}
    pairs = {} if one_way == "Person" else {"Person.email": "Contact.Email"}
    assert [] == texts(forward(), backward(person=person, fields=pairs, one_way=[one_way]))


@pytest.mark.parametrize(
    ("flows", "problem"),
    [
        ([backward()], "back.yaml: reverse.of: there is no flow there"),
        ([forward(None), backward()], "back.yaml: reverse: there.yaml has no authority:"),
        (
            [forward({"default": "infor"})],
            "there.yaml: authority.default: 'infor' is none of brightpearl, salesforce, newest, manual",
        ),
        (
            [forward({"default": "newest", "fields": {"Account.Fax": "newest"}})],
            "there.yaml: authority.fields: Account.Fax is not a field of this flow",
        ),
        (
            [forward(), backward().model_copy(update={"authority": forward().authority})],
            "back.yaml: authority: counts in there.yaml, which reverse.of names, for both directions; it is there "
            "already, so remove it here",
        ),
        (
            [forward(None), backward().model_copy(update={"authority": forward().authority})],
            "back.yaml: authority: counts in there.yaml, which reverse.of names, for both directions; move it there",
        ),
        (
            [forward(source="infor.customers"), backward()],
            "back.yaml: reverse.of: there goes from infor to salesforce, which is not the other direction",
        ),
        (
            [forward(), backward(objects={**OBJECTS, "Acount": "Id"})],
            "reverse.objects: Acount is not an object of there.yaml; did you mean Account?",
        ),
        (
            [forward(), backward(objects={"Contact": "Id"})],
            "reverse.objects: Account, the first object of there.yaml, is missing",
        ),
        (
            [forward(), backward(fields={**PAIRS, "Person.email": "Contact.Mail"})],
            "reverse.fields.Person.email: Contact.Mail is not a field of there.yaml",
        ),
        (
            [forward(), backward(fields={**PAIRS, "Person.fax": "Account.Phone"})],
            "reverse.fields: Person.fax is not a field of this flow",
        ),
        (
            [forward(), backward(one_way=["Price"])],
            "reverse.one_way: Price is not an object or field of this flow",
        ),
        (
            [forward(), backward(one_way=["Person"])],
            "reverse.one_way: Person.email is among fields: as well; name it in one of them",
        ),
        (
            [forward(), backward(fields={"Person.email": "Contact.Email"})],
            "reverse.fields: Person.phone is written by this flow, and nothing says which field of there.yaml",
        ),
        (
            [forward(), backward(), backward("again")],
            "again.yaml: reverse.fields: Account.Phone of there.yaml is one with a field of back.yaml already",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_both_places(flows: list[FlowSpec], problem: str) -> None:
    assert any(problem in text for text in texts(*flows)), texts(*flows)


LINES = {"rows": "Lines", "key": {"Ref": "row.Id"}, "fields": {}}


def test_links_alone_need_no_authority_and_no_fields() -> None:
    links = {"Account": "Id", "Contact": {"object": "Line", "id": "Id"}}
    assert [] == texts(forward(None), backward(lines=LINES, objects=links, fields={}))


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        (
            {"Account": "Id", "Contact": {"object": "Lines", "id": "Id"}},
            "reverse.objects.Contact: Lines is not an object of this flow; did you mean Line?",
        ),
        (
            {"Account": "Id", "Contact": {"object": "Person", "id": "Id"}},
            "reverse.objects.Contact: Person has one row a record and no rows: of its own",
        ),
        (
            {"Account": {"object": "Line", "id": "Id"}},
            "reverse.objects: Account, the first object of there.yaml, has one row a record: name its path",
        ),
    ],
)
def test_rows_are_linked_with_rows(objects: Any, problem: str) -> None:
    assert [f"back.yaml: {problem}"] == texts(
        forward(None), backward(lines=LINES, objects=objects, fields={})
    )


def test_linked_rows_take_no_fields() -> None:
    links = {"Account": "Id", "Contact": {"object": "Line", "id": "Id"}}
    problem = "back.yaml: reverse.fields.Person.email: Contact is linked row by row, and takes no fields"
    assert problem in texts(forward(), backward(lines=LINES, objects=links))


def test_a_field_sent_with_new_rows_only_needs_no_partner() -> None:
    lone = backward(person={"create_only": ["phone"]}, fields={"Person.email": "Contact.Email"})
    assert [] == texts(forward(), lone)


def test_the_side_that_counts_is_source_or_target_by_direction() -> None:
    flow = forward()
    found = {
        place: (rule_of(flow, place, forward=True), rule_of(flow, place, forward=False))
        for place in ("Account.Type", "Contact.Email", "Account.Phone")
    }
    assert found == {
        "Account.Type": (Rule.SOURCE, Rule.TARGET),
        "Contact.Email": (Rule.TARGET, Rule.SOURCE),
        "Account.Phone": (Rule.NEWEST, Rule.NEWEST),
    }


def test_a_pair_that_is_no_object_and_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        backward(fields={"email": "Contact.Email"})


def test_rules_do_not_change_what_a_record_becomes() -> None:
    assert mapping_version(forward(), {}) == mapping_version(forward({"default": "manual"}), {})


@pytest.mark.parametrize("word", ["ignore", "report", "detach", "propagate", "remove"])
def test_what_one_flow_says_of_deletions_the_other_one_follows(word: str) -> None:
    flows = (forward(), backward(), forward(None, flow="alone"))
    flows = (flows[0], flows[1].model_copy(update={"reconcile": ReconcileSpec(deleted=word)}), flows[2])
    expected = "remove" if word == "propagate" else word
    assert {"there": expected, "back": "report"} == target_deletions(flows)


def test_detach_needs_a_flow_of_the_other_direction() -> None:
    alone = forward(None, reconcile={"deleted": "detach"})
    assert [
        "there.yaml: reconcile.deleted: detach needs a flow of the other direction; without one, write report"
    ] == texts(alone)
    assert [] == texts(forward(reconcile={"deleted": "detach"}), backward())


def test_what_names_a_faulty_file_is_not_judged() -> None:
    assert [] == writer_problems([backward()], {"there"})
