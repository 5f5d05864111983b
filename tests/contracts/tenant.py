"""Records of an M3 company that people work in, each with a change timestamp of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from airflow_provider_brightpearl.sandbox.server import Sandbox

RECORDS = 8
KEYS = {
    "customers": ("CUNO",),
    "addresses": ("CUNO", "ADRT", "ADID"),
    "items": ("ITNO",),
    "item_warehouse": ("ITNO", "WHLO"),
    "aliases": ("ALWT", "ALWQ", "POPN", "E0PA", "ITNO"),
    "invoices": ("DIVI", "YEA4", "IVNO"),
    "invoice_lines": ("DIVI", "YEA4", "IVNO", "LINO"),
    "orders": ("ORNO",),
    "deliveries": ("DLIX",),
    "delivery_lines": ("DLIX", "RIDL", "RIDX"),
    "packages": ("DLIX", "PANR"),
}


def add(sandbox: Sandbox, table: str, moment: datetime, **values: Any) -> None:
    """Adds a record that was created and changed at a moment."""
    sandbox.control("POST", f"/infor/{table}", {"CONO": "100", **values})
    key = "|".join(["100", *(str(values[name]) for name in KEYS[table])])
    stamp(sandbox, table, key, moment)


def stamp(sandbox: Sandbox, table: str, key: str, moment: datetime) -> None:
    """Dates a record back to a moment."""
    day = f"{moment:%Y%m%d}"
    stamps = {"LMTS": int(moment.timestamp() * 1000), "LMDT": day, "RGDT": day, "RGTM": f"{moment:%H%M%S}"}
    sandbox.control("PATCH", f"/infor/{table}/{key.replace(' ', '%20')}?quiet=1", stamps)


def fill_tenant(sandbox: Sandbox, since: datetime) -> None:
    """Customers with addresses, items with stock, invoices with lines, deliveries of orders."""
    moments = (since + timedelta(minutes=7 * number, milliseconds=number) for number in count())
    for table in ("customers", "items", "item_warehouse"):
        for row in list(sandbox.snapshot("infor", table)):
            key = "|".join(str(row[name]) for name in ("CONO", *KEYS[table]))
            stamp(sandbox, table, key, next(moments))
    for number in range(RECORDS):
        moment, cuno, itno = next(moments), f"C{number:03}", f"SKU-{number:03}"
        customer = {
            "CUNM": f"Customer {number}",
            "CUA1": "1 High Street",
            "STAT": "20",
            "CUCD": "GBP",
            "CSCD": "GB",
        }
        add(sandbox, "customers", moment, CUNO=cuno, **customer)
        address = {"CUNM": "Home", "CUA1": "2 Low Road", "TOWN": "Bath", "CSCD": "GB"}
        add(sandbox, "addresses", moment, CUNO=cuno, ADRT=1, ADID="DEL01", **address)
        add(sandbox, "items", next(moments), ITNO=itno, ITDS=f"Item {number}", STAT="20", UNMS="PCS", DCCD=0)
        add(sandbox, "aliases", moment, ALWT=1, ALWQ="EA13", POPN=f"50{number:011}", E0PA="", ITNO=itno)
        for whlo in ("100", "200"):
            figures = {"STQT": "12.00", "ALQT": "2.00", "REQT": "0.00", "FACI": "A01"}
            add(sandbox, "item_warehouse", next(moments), ITNO=itno, WHLO=whlo, **figures)
        amounts = {"AMT1": "9.50", "AMT2": "11.40", "RAFC": "11.40", "IVAV": "11.40", "VTAM": "1.90"}
        party = {
            "CUNO": cuno,
            "PYNO": cuno,
            "CUCD": "GBP",
            "DIVI": "AAA",
            "YEA4": 2026,
            "IVNO": 900_200 + number,
        }
        dates = {
            "IDAT": "20260310",
            "DUDT": "20260410",
            "ACDT": "20260310",
            "VONO": 71_000 + number,
            "VSER": "C1",
        }
        add(sandbox, "invoices", next(moments), ORNO=f"00100{number:05}", **party, **amounts, **dates)
        line = {"LINO": 1, "ORNO": f"00100{number:05}", "IVTP": "31", "VTCD": "1", **amounts}
        add(sandbox, "invoice_lines", moment, **party, **line)
        add(
            sandbox,
            "orders",
            moment,
            ORNO=f"00100{number:05}",
            CUNO=cuno,
            CUOR=str(number),
            CUCD="GBP",
            TEPY="P30",
        )
        delivery = {"DLIX": 2_000_200 + number, "RORC": 3, "RIDN": f"00100{number:05}"}
        transport = {"CONA": "", "CONN": 30_000 + number, "DSDT": "20260310", "WHLO": "100", "ETRN": "1Z9"}
        add(sandbox, "deliveries", next(moments), **delivery, **transport, PGRS="90", PLSX=1)
        goods = {"RIDL": 1, "RIDX": 0, "ITNO": itno, "TRQT": "2.00", "DLQT": "2.00", "CLOSED": False}
        add(sandbox, "delivery_lines", moment, **delivery, **goods)
        add(sandbox, "packages", moment, DLIX=delivery["DLIX"], PANR="1", ETRN="1Z9")
