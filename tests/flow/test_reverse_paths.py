"""Paths of ``reverse.objects`` lead to columns of the stream, in the spelling of expressions, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.systems.registry import check_flow
from tests.flows.site import MAPPINGS

CUSTOMERS, ORDERS = "salesforce_customers_to_brightpearl.yaml", "salesforce_orders_to_brightpearl.yaml"
OBJECTS = '{Account: Id, Contact: "Contacts[1].Id"}'
ROWS = "{object: OrderRow, id: Id}"


def checked(name: str, old: str, new: str) -> None:
    text = (MAPPINGS / name).read_text()
    assert text.count(old) == 1
    check_flow(parse_flow(text.replace(old, new), name))


@pytest.mark.parametrize("path", ["Contacts.0.Id", '"Contacts[1].Id"', '"Contacts[2].Id"'])
def test_a_path_into_a_list_is_written_as_in_expressions(path: str) -> None:
    checked(CUSTOMERS, OBJECTS, f"{{Account: Id, Contact: {path}}}")


def test_both_spellings_of_the_first_entry_are_one_path() -> None:
    text = (MAPPINGS / CUSTOMERS).read_text()
    older = parse_flow(text.replace('"Contacts[1].Id"', "Contacts.0.Id"), CUSTOMERS).reverse
    newer = parse_flow(text, CUSTOMERS).reverse
    assert older and newer
    assert older.paths == newer.paths == {"Account": "Id", "Contact": "Contacts.0.Id"}


@pytest.mark.parametrize("name", sorted(path.name for path in MAPPINGS.glob("*_to_brightpearl.yaml")))
def test_the_shipped_flows_name_columns_of_their_streams(name: str) -> None:
    check_flow(parse_flow((Path(MAPPINGS) / name).read_text(), name))


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        (
            "{Account: AccountNumer, Contact: Contacts.0.Id}",
            "Account: AccountNumer: unknown column AccountNumer; did you mean Acc",
        ),
        (
            "{Account: Id, Contact: Contacts.1.Id}",
            "Contact: Contacts.1.Id: entries are counted from 1, in brackets, as in expressions: "
            '"Contacts[1].Id" is the first',
        ),
        (
            '{Account: Id, Contact: "Contacts[0].Id"}',
            "Contact: Contacts[0].Id: entries are counted from 1, in",
        ),
        (
            '{Account: Id, Contact: "Contacts[1].RowId"}',
            "Contact: Contacts[1].RowId: unknown column RowId; did you mean Id?",
        ),
        (
            "{Account: Id, Contact: Contacts.Id}",
            'Contact: Contacts.Id: Contacts holds many entries; write "Contacts[1].Id" for that of the first, or link',
        ),
        (
            "{Account: Id, Contact: Contacts}",
            "Contact: Contacts: is no single value; name the field that holds the",
        ),
        ("{Account: Id, Contact: Id.Id}", "Contact: Id.Id: Id is a single VARCHAR and has nothing below it"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(objects: str, problem: str) -> None:
    with pytest.raises(Misconfigured) as error:
        checked(CUSTOMERS, OBJECTS, objects)
    assert f"{CUSTOMERS}: reverse.objects.{problem}" in str(error.value)


def test_fields_have_to_stand_beside_the_id() -> None:
    with pytest.raises(Misconfigured) as error:
        checked(CUSTOMERS, OBJECTS, "{Account: Id, Contact: Id}")
    assert (
        f"{CUSTOMERS}: reverse.fields.Contact.primaryEmail: Contact.Email does not stand beside "
        "reverse.objects.Contact, Id, and would count as empty"
    ) in str(error.value)


def test_the_id_of_linked_rows_is_one_of_their_entries() -> None:
    with pytest.raises(
        Misconfigured,
        match=r"^salesforce_orders_to_brightpearl.yaml: reverse.objects.OrderItem: id: RowId: entries of "
        "OrderItems: unknown column RowId",
    ):
        checked(ORDERS, ROWS, "{object: OrderRow, id: RowId}")
