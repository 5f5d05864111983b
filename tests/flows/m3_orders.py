"""A site whose customers, products and orders are in M3, where people ship and invoice them."""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.systems.infor.client import Transaction
from tests.flows.site import Site

SETTINGS: dict[str, dict[str, object]] = {
    "brightpearl": {"throttle": False},
    # the stock was never counted into M3
    "infor": {"stock_checked_at_pick": False, "limit_logins": False, "invoice_at_delivery": True},
}


class Warehouse(Site):
    """People in M3 who pick and invoice."""

    def send_orders(self) -> None:
        for flow in ("customers_to_infor", "products_to_infor", "orders_to_infor"):
            self.run(flow)

    @property
    def in_m3(self) -> dict[str, str]:
        """M3's number of each Brightpearl order."""
        found: dict[str, str] = self.wiring("orders_to_infor").crosswalk.resolve(
            "orders_to_infor", "Order", self.here("order")
        )
        return found

    def notes_of(self, order: str) -> dict[str, dict[str, Any]]:
        notes = self.here("goods-out-note", "goodsOutNoteId")
        return {key: note for key, note in notes.items() if str(note["orderId"]) == order}

    def sell(self, *pieces: int) -> str:
        """An order of so many pieces of one product a row, 10.00 each and 20 % tax, that is in M3; gives its id."""
        products = [key for key, row in self.here("product").items() if row["stock"]["stockTracked"]]
        rows = [
            {
                "productId": int(product), "quantity": str(count), "taxCode": "T20", "net": f"{10 * count}.00",
                "tax": f"{2 * count}.00",
            }
            for product, count in zip(sorted(products), pieces, strict=False)
        ]  # fmt: skip
        customer = next(
            key for key, row in sorted(self.here("contact", "contactId").items())
            if not row["relationshipToAccount"]["isSupplier"] and not row["relationshipToAccount"]["isStaff"]
        )  # fmt: skip
        body = {
            "customer": {"id": int(customer)},
            "warehouseId": 2,
            "currency": {"code": "GBP"},
            "rows": rows,
        }
        order = str(self.brightpearl().post("order-service/sales-order", body))
        self.pass_time(5)
        self.run("orders_to_infor")
        return order

    def lines_of(self, order: str) -> list[dict[str, Any]]:
        """The lines of an order's delivery, without those that stand for no product."""
        number = self.in_m3.get(order)
        rows = [row for row in self.m3("delivery_lines") if row["RIDN"] == number]
        return [row for row in rows if row["ITNO"] != "FREE-TEXT"]

    def row_of(self, line: dict[str, Any]) -> str:
        """The order row of a line."""
        place = f"{line['RIDN']}|{line['RIDL']}"
        found = self.wiring("orders_to_infor").crosswalk.of_targets("OrderLine", [place])
        return found[0].key

    def pick(self, order: str, **pieces: object) -> str:
        """Issues the lines of an order by number, such as ``_1=2``; all of each that is not named.

        Where fewer are issued, the line is closed. Gives the delivery.
        """
        lines = [row for row in self.m3("delivery_lines") if row["RIDN"] == self.in_m3[order]]
        head = next(row for row in self.m3("orders") if row["ORNO"] == self.in_m3[order])
        sent = []
        for line in lines:
            wanted = pieces.get(f"_{line['RIDL']}")
            pick = {
                "WHLO": line["WHLO"], "E0PA": "BRIGHTPEARL", "E065": "BPSHP", "PRFL": "*EXE", "CUNO": head["CUNO"],
                "RIDN": line["RIDN"], "RIDL": str(line["RIDL"]), "RIDX": str(line["RIDX"]), "PLSX": "1",
                "PMSN": f"M3-{line['PLRN']}", "WHSL": "A0101", "QTYP": str(line["TRQT"] if wanted is None else wanted),
            }  # fmt: skip
            sent.append(Transaction("AddCOPick", pick if wanted is None else {**pick, "OEND": "1"}))
        answers = self.infor().bulk("MHS850MI", sent)
        assert all(each.done for each in answers), answers
        self.pass_time(5)
        return str(lines[0]["DLIX"])

    def invoice(self, order: str) -> str:
        """Ships an order in M3, which makes its invoice; gives the id."""
        before = {row["IVNO"] for row in self.m3("invoices")}
        self.pick(order)
        [row] = [row for row in self.m3("invoices") if row["IVNO"] not in before]
        return f"{row['YEA4']}|{row['IVNO']}"

    def track(self, delivery: str, reference: str) -> None:
        self.infor().write("MWS410MI", "UpdPlanSts", {"INOU": "1", "DLIX": delivery, "ETRN": reference})
        self.pass_time(5)
