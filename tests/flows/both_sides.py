"""A site whose Brightpearl account and M3 company are both edited by people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from airflow_provider_brightpearl.runtime.reconcile import compare
from airflow_provider_brightpearl.stores.tables import dead_letter
from airflow_provider_brightpearl.systems.infor.client import Transaction
from tests.flows.site import Site

_M3 = ("customers", "addresses", "items", "item_warehouse", "aliases", "orders")
_BRIGHTPEARL = ("contact", "postal-address", "product", "product-price", "order")


class BothSides(Site):
    """Runs flows of both directions, and edits on either side."""

    def round(self, *flows: str) -> None:
        """Runs each flow so late that it sees what the one before has written."""
        for flow in flows:
            self.pass_time(3)
            assert "done" == self.run(flow).state

    def settle(self, *flows: str) -> None:
        """Two rounds, after which a third one changes no record of either side."""
        self.round(*flows, *flows)
        before = self.everything()
        self.round(*flows)
        assert before == self.everything()

    def differences(self, flow: str) -> dict[str, Any]:
        """The ids that a reconciliation finds missing, differing or deleted, by kind."""
        self.latest = flow
        report = compare(self.wiring(flow), "reconcile", full_resync=True)
        assert report is not None
        return {name: found for name, found in report.ids.items() if found}

    def everything(self) -> dict[str, Any]:
        """The records of both sides, with when each was changed and how often."""
        m3 = {name: self.m3(name) for name in _M3}
        return m3 | {name: self.sandbox.snapshot("brightpearl", name) for name in _BRIGHTPEARL}

    def in_m3(self, program: str, transaction: str, **fields: str) -> None:
        """Somebody does something in M3."""
        self.pass_time(1)
        [answer] = self.infor().bulk(program, [Transaction(transaction, fields)])
        assert answer.done, answer.reason

    def in_brightpearl(self, contact: str, **values: Any) -> None:
        """Somebody edits a contact in Brightpearl, by the paths of its fields."""
        self.pass_time(1)
        operations = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
        self.brightpearl().patch(f"contact-service/contact/{contact}", operations)

    def customer(self, number: str) -> dict[str, Any]:
        return next(row for row in self.m3("customers") if row["CUNO"] == number)

    def item(self, number: str) -> dict[str, Any]:
        return next(row for row in self.m3("items") if row["ITNO"] == number)

    def open_letters(self, flow: str) -> Mapping[str, Any]:
        """The letters of a flow that are not closed, by record."""
        mine = (dead_letter.c.flow == flow, dead_letter.c.state != "resolved")
        with self.database.connect() as connection:
            return {row.source_id: row for row in connection.execute(select(dead_letter).where(*mine))}
