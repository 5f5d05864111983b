"""The figures of a sale before it is sent: what Brightpearl could not store, or would add up to something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.rows import Row, Whole

_CENT = Decimal("0.01")
# decimals that Brightpearl stores, in words
_STORED = {"net": (2, "two"), "tax": (2, "two"), "quantity": (4, "four")}
_TOTALS = ("net", "tax", "gross")


class Figures:
    """Checks and completes the figures of sales.

    A row without ``tax`` gets that of its tax code, as Brightpearl computes it: net times rate, half away from zero.
    """

    def __init__(self, client: BrightpearlClient) -> None:
        self.client = client

    @cached_property
    def _rates(self) -> Mapping[str, Decimal]:
        """Rates in percent by tax code, those of the account; a code without a rate has none to pay."""
        codes = self.client.get("accounting-service/tax-code") or ()
        return {str(each["code"]): Decimal(str(each.get("rate") or 0)) for each in codes}

    def complete(self, sale: Whole) -> None:
        """Computes what is missing, and refuses what does not fit."""
        sale.parts = [self._with_tax(sale, row) if row.kind == "OrderRow" else row for row in sale.parts]
        for row in sale.of_kind("OrderRow"):
            if not row.values.get("taxCode") and not row.bound_to:
                sale.refuse("is missing, and no row of the order has this product", row, "taxCode")
            if row.values["quantity"] <= 0:
                sale.refuse("has to be above 0", row, "quantity")
            for name, (places, words) in _STORED.items():
                if row.values[name] != round(row.values[name], places):
                    sale.refuse(f"has more than the {words} decimals that Brightpearl takes", row, name)
        if sale.head and not sale.id and sale.open:
            _check_totals(sale, sale.head)

    def _with_tax(self, sale: Whole, row: Row) -> Row:
        if row.values.get("tax") is not None:
            return row
        rate = self._rates.get(row.values.get("taxCode") or "")
        if rate is None:
            sale.refuse("is not a tax code of the account", row, "taxCode")
        tax = (row.values["net"] * (rate or 0) / 100).quantize(_CENT, ROUND_HALF_UP)
        return replace(row, values={**row.values, "tax": tax})


def _check_totals(sale: Whole, head: Row) -> None:
    """Refuses a new sale whose totals differ from what its rows add up to."""
    rows = sale.of_kind("OrderRow")
    sums = {name: sum((row.values[name] for row in rows), Decimal(0)) for name in ("net", "tax")}
    sums["gross"] = sums["net"] + sums["tax"]
    for name in _TOTALS:
        ours = head.values.get(name)
        if ours is not None and ours != sums[name]:
            sale.refuse(
                f"is {ours} at the source, and its rows add up to {sums[name]}; nothing was sent", head, name
            )


def check_stored(sale: Whole) -> None:
    """Refuses a sale whose figures in Brightpearl differ from ours."""
    total = (sale.there or {}).get("total") or {}
    for name in _TOTALS if sale.head else ():
        ours = sale.head.values.get(name) if sale.head else None
        if ours is not None and ours != Decimal(total.get(name, "0")):
            sale.refuse(_difference(sale, f"the total {name}", total.get(name), ours), sale.head, name)


def _difference(sale: Whole, what: str, theirs: object, ours: object) -> str:
    return (
        f"{what} is {theirs} in Brightpearl's {sale.id} and {ours} at the source; "
        "correct it in Brightpearl, then sync this record again"
    )


def check_row(sale: Whole, row: Row, stored: Mapping[str, str]) -> None:
    """The same for one row."""
    for name in ("quantity", "net", "tax"):
        if Decimal(str(stored.get(name) or 0)) != row.values[name]:
            sale.refuse(_difference(sale, name, stored.get(name), row.values[name]), row, name)
