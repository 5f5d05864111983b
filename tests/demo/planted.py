"""Systems that hold exactly what the demonstration expects, to plant mistakes in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from airflow_provider_brightpearl.sandbox.server import Sandbox
from demo import found
from demo.expected.records import Expected, Fields, Link, OneOf
from demo.found import Found

Row = dict[str, Any]

# a record is written after those it refers to
ORDER = (
    "Account", "Contact", "Product2", "PricebookEntry", "Order", "OrderItem", "Brightpearl_Shipment__c",
    "Brightpearl_Shipment_Line__c", "Brightpearl_Return__c", "Brightpearl_Return_Line__c",
)  # fmt: skip


def fill_salesforce(sandbox: Sandbox, wanted: Expected) -> None:
    """Writes past every check what is expected."""
    ids = {("Pricebook2", each["Name"]): each["Id"] for each in sandbox.snapshot("salesforce", "Pricebook2")}
    for name in ORDER:
        for key, fields in wanted.records[name].items():
            plain = {field: _plain(value, ids) for field, value in fields.items()}
            plain[found.SALESFORCE[name]] = key
            ids[name, key] = sandbox.control("POST", f"/salesforce/{name}", plain)["Id"]


def _plain(value: Any, ids: Mapping[tuple[str, str], str]) -> Any:
    if isinstance(value, Link):
        return ids[value.object, value.key]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def salesforce_tables(sandbox: Sandbox) -> dict[str, list[Row]]:
    return {name: sandbox.snapshot("salesforce", name) for name in found.SALESFORCE}


def in_salesforce(sandbox: Sandbox) -> Found:
    return found.in_salesforce(
        salesforce_tables(sandbox), {"order": sandbox.snapshot("brightpearl", "order")}
    )


def m3_tables(wanted: Expected) -> dict[str, list[Row]]:
    """Tables of M3 that hold what is expected; an order has its id as its number, a line its place."""
    records = wanted.records
    lines = _rows(records["OrderLine"], "ORNO", "CUPO")
    return {
        "customers": [*_rows(records["Customer"], "CUNO"), {"CONO": "100", "CUNO": "ACME01"}],
        "addresses": _rows(records["CustomerAddress"], "CUNO", "ADRT", "ADID"),
        "items": [*_rows(records["Item"], "ITNO"), {"CONO": "409", "ITNO": "OTHER COMPANY"}],
        "aliases": _rows(records["ItemAlias"], "POPN"),
        "item_warehouse": _rows(records["ItemWarehouse"], "ITNO", "WHLO"),
        "balances": _rows(records["StockCount"], "WHLO", "ITNO", "WHSL"),
        "orders": [{**row, "ORNO": row["CUOR"]} for row in _rows(records["Order"], "CUOR")],
        "order_addresses": _rows(records["OrderAddress"], "ORNO", "ADRT"),
        "order_lines": [{**row, "PONR": int(row["CUPO"])} for row in lines],
        "order_charges": _rows(records["OrderCharge"], "ORNO", "CRID"),
        "deliveries": _rows(records["Delivery"], "CUOR"),
        "messages": [
            {**row, "RIDN": row["CUOR"], "RIDL": row["CUPO"]} for row in _rows(records["Pick"], "PMSN")
        ],
        "journals": _rows(records["Journal"], "KEY1"),
        "journal_lines": _rows(records["JournalLine"], "KEY1", "LINE"),
        "vouchers": _rows(records["Voucher"], "KEY1", "JSNO"),
    }


def _rows(records: Mapping[str, Fields], *keys: str) -> list[Row]:
    return [
        {
            "CONO": "100",
            "LMTS": 1,
            "CHNO": 1,
            **_texts(fields),
            **dict(zip(keys, key.split("|"), strict=True)),
        }
        for key, fields in records.items()
    ]


def _texts(fields: Fields) -> Row:
    return {name: _text(value) for name, value in fields.items()}


def _text(value: Any) -> Any:
    if isinstance(value, OneOf):
        return max(value.values)
    return "" if value is None else str(value) if isinstance(value, Decimal) else value
