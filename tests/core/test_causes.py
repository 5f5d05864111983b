"""Causes of dead letters: reasons without what differs from record to record."""

from __future__ import annotations

import pytest

from airflow_provider_brightpearl.core.causes import normalised


@pytest.mark.parametrize(
    ("reason", "values", "cause"),
    [
        ("Type: 'Fax' is not in lookup channel", ("Fax",), "Type: … is not in lookup channel"),
        ("Quantity must be above 0, got -3.50", ("-3.50",), "Quantity must be above …, got …"),
        ("duplicate value found: id 801000000000001AAA, row 7", (), "duplicate value found: id …, row …"),
        ("order 100001 and its row 7 differ", ("7", "100001"), "order … and its row … differ"),
        # names are none of the values
        ("CRS610MI Add: MAIL is too long", ("M",), "CRS610MI Add: MAIL is too long"),
        ("Address1 of 2026-01-31 is 'it\\'s', 'x', 9", (), "Address1 of … is …"),
        ("550e8400-e29b-41d4-a716-446655440000 was not found", (), "… was not found"),
    ],
)
def test_values_numbers_and_ids_are_taken_out(reason: str, values: tuple[str, ...], cause: str) -> None:
    assert cause == normalised(reason, values)
