"""What a person calls a record."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.core.kinds import kind_of, kinds_of, kinds_of_name


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (("sales_orders", "Order"), {"order"}),
        (("contacts", "Account"), {"customer"}),
        (("items", "Product2"), {"product"}),
        (("deliveries", "GoodsOutNote"), {"shipment"}),
        (("sales_credits", "Brightpearl_Return__c"), {"credit"}),
        (("availability", "Product2"), {"stock", "product"}),
        (("opportunities", "SalesOrder"), {"opportunity", "order"}),
        (("invoices", "OrderInvoice"), {"invoice", "order"}),
        # those of other packages keep their own word
        (("machines", "Thing__c"), {"machine", "thing"}),
    ],
)
def test_streams_and_objects_have_kinds(names: tuple[str, ...], kinds: set[str]) -> None:
    assert kinds == kinds_of(*names)


def test_a_person_may_say_it_in_the_singular_plural_or_by_the_stream() -> None:
    known = ["customer", "order", "shipment"]
    said = ("order", "Orders", "sales_orders", "accounts", "deliveries", "goods_out_notes", "invoice", "")
    assert ["order", "order", "order", "customer", "shipment", "shipment", "", ""] == [
        kind_of(each, known) for each in said
    ]


def test_a_flow_without_a_file_says_its_kind_by_its_name() -> None:
    assert "order" in kinds_of_name("orders_to_infor")
    assert "order" in kinds_of_name("salesforce_orders_to_brightpearl")
    assert "customer" in kinds_of_name("customers_to_salesforce")
