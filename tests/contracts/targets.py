"""Every object of every target, in flows of their own, with records that it accepts and one that it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.core.changes import RecordChange
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems.infor.client import Transaction
from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from tests.contracts.example import Example
from tests.flows.site import Site
from tests.systems.infor.m3 import change, record
from tests.systems.salesforce.org import Org


@dataclass(frozen=True)
class Records:
    """What is written: records that pass, and one of which the target refuses something."""

    good: Sequence[RecordChange]
    bad: RecordChange


@dataclass(frozen=True)
class TargetExample(Example):
    """Objects of one target that a flow writes together.

    ``tables`` are those of the sandbox that the rows end in, ``no_id`` an id that no row of the first object has.
    """

    flow: FlowSpec
    tables: tuple[str, ...]
    records: Callable[[Site], Records]
    no_id: str = ""
    open_sink: Callable[[Wiring], Sink] = lambda wiring: wiring.sink("run")

    def stored(self, site: Site) -> dict[str, list[dict[str, Any]]]:
        """The rows of its tables, without the stamps that every write leaves."""
        found = {name: site.sandbox.snapshot(self.system, name) for name in self.tables}
        return {name: [_lasting(row) for row in rows] for name, rows in found.items()}


STAMPS = {"LMDT", "LMTS", "CHNO", "CHID", "SystemModstamp", "LastModifiedDate", "ActivatedDate"}


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in STAMPS}


def _flow(objects: str, target: str) -> FlowSpec:
    head = f"flow: contract\nsource: brightpearl.products\ntarget: {target}\nobjects:\n"
    return parse_flow(head + objects, "contract.yaml")


# Salesforce

_KEY = "Brightpearl_Id__c"
_CUSTOMER = _flow(
    f"""
  Account:
    key: {{{_KEY}: id}}
    fields: {{Name: name}}
  Contact:
    key: {{{_KEY}: id}}
    parent: {{AccountId: Account}}
    fields: {{LastName: name, Email: email}}
""",
    "salesforce",
)
_SALE = _flow(
    """
  Order:
    key: {Brightpearl_Order_Id__c: id}
    set_last: {Status: Draft}
    fields: {AccountId: a, Pricebook2Id: b, CurrencyIsoCode: c, EffectiveDate: d, Status: s}
    create_only: [AccountId, Pricebook2Id, CurrencyIsoCode]
  OrderItem:
    rows: rows
    key: {Brightpearl_Row_Id__c: row_id}
    parent: {OrderId: Order}
    fields: {PricebookEntryId: p, Quantity: q, UnitPrice: u}
    create_only: [OrderId, PricebookEntryId]
""",
    "salesforce",
)
_NO_ACCOUNT, _NO_ORDER = "001000000009999AAA", "801000000009999AAA"


def _customers(site: Site) -> Records:
    def customer(number: int, email: str) -> RecordChange:
        key, name = str(number), f"Customer {number}"
        person = change("Contact", key, {"LastName": name, "Email": email}, key)
        return record(key, change("Account", key, {"Name": name}), person)

    good = [customer(number, f"c{number}@example.com") for number in range(11, 16)]
    return Records(good, customer(16, "no address"))


def _sales(site: Site) -> Records:
    org = Org(site.sandbox)
    good = [org.order(number, {f"{number}1": {}, f"{number}2": {}}) for number in range(11, 16)]
    return Records(good, org.order(16, {"161": {"Quantity": 0}}))


def _object_by_object(wiring: Wiring) -> Sink:
    return SalesforceSink(wiring.target_client, wiring.flow, whole_below=1)


def _in_bulk(wiring: Wiring) -> Sink:
    return SalesforceSink(wiring.target_client, wiring.flow, bulk_from=1, whole_below=1)


# Infor M3

_M3_CUSTOMER = _flow(
    """
  Customer:
    key: {CUNO: id}
    fields: {CUTM: a, CUNM: b, CUA1: c}
    create_only: [CUTM]
  CustomerFinance:
    key: {CUNO: id}
    fields: {BLCD: a}
  CustomerOrderInfo:
    key: {CUNO: id}
    fields: {OREF: a}
  CustomerAddress:
    key: {CUNO_ADRT_ADID: id}
    fields: {CUA1: a, PONO: b, CSCD: c, TOWN: d}
""",
    "infor",
)
_M3_ITEM = _flow(
    """
  Item:
    key: {ITNO: id}
    fields: {STAT: a, CITN: b, ITDS: c}
    create_only: [CITN]
  ItemPrice:
    key: {ITNO: id}
    fields: {SAPR: a, CUCS: b}
  ItemAlias:
    key: {id: id}
    fields: {ALWT: a, POPN: b, ITNO: c}
  ItemWarehouse:
    key: {WHLO_ITNO: id}
    fields: {CWHL: a, CITN: b}
""",
    "infor",
)
_M3_STOCK = _flow(
    """
  StockCount:
    key: {WHLO_ITNO_WHSL: id}
    fields: {STQI: a}
  ItemReference:
    key: {id: id}
    fields: {ITNO: a}
""",
    "infor",
)
_M3_ORDER = _flow(
    """
  Order:
    key: {CUOR: id}
    fields: {CUNO: a, ORTP: b, FACI: c, WHLO: d, RLDT: e, CUCD: f}
  OrderAddress:
    key: {id: id}
    parent: {ORNO: Order}
    fields: {ADRT: a, CUNM: b, CUA1: c, PONO: d, TOWN: e, CSCD: f}
  OrderLine:
    key: {row: id}
    parent: {ORNO: Order}
    fields: {ITNO: a, ORQT: b, SAPR: c, CUPO: d}
  OrderCharge:
    key: {row: id}
    parent: {ORNO: Order}
    fields: {CRID: a, CRAM: b}
  OrderText:
    key: {row: id}
    parent: {ORNO: Order}
    fields: {TYPE: a, TYTR: b, PARM: c}
""",
    "infor",
)
_M3_JOURNAL = _flow(
    """
  Journal:
    key: {KEY1: id}
    fields: {INTN: a, DESC: b}
  JournalLine:
    key: {line: id}
    parent: {KEY1: Journal}
    fields: {LINE: a, INRI: b, AIT1: c, CUCD: d, CUAM: e, DBCR: f, ACDT: g, VTXT: h}
""",
    "infor",
)
_M3_SHIPMENT = _flow(
    """
  Tracking:
    key: {id: id}
    fields: {RIDN: a, INOU: b, ETRN: c}
  Pick:
    key: {PMSN: id}
    fields: {E0PA: a, E065: b, PRFL: c, WHLO: d, WHSL: e, RIDN: f, ITNO: g, QTYP: h}
""",
    "infor",
)
_ADDRESS = {"CUA1": "2 Dock Road", "PONO": "HU1 1AA", "CSCD": "GB", "TOWN": "Hull"}


def _m3_customers(site: Site) -> Records:
    def customer(number: int, address: str = "1 High Street") -> RecordChange:
        key = f"BP{number}"
        return record(
            str(number),
            change("Customer", key, {"CUTM": "WEB", "CUNM": f"Shop {number}", "CUA1": address}),
            change("CustomerFinance", key, {"BLCD": "0"}),
            change("CustomerOrderInfo", key, {"OREF": "web"}),
            change("CustomerAddress", f"{key}|1|DEL", _ADDRESS),
        )

    return Records([customer(number) for number in range(11, 16)], customer(16, "x" * 37))


def _m3_items(site: Site) -> Records:
    def item(number: int, template: str = "TEMPLATE") -> RecordChange:
        key = f"SKU-{number}"
        return record(
            str(number),
            change("Item", key, {"STAT": "20", "CITN": template, "ITDS": f"Lamp {number}"}),
            change("ItemPrice", key, {"SAPR": 19.99, "CUCS": "GBP"}),
            change("ItemAlias", str(number), {"ALWT": "1", "POPN": f"sku-{number}", "ITNO": key}),
            change("ItemWarehouse", f"100|{key}", {"CWHL": "100", "CITN": "TEMPLATE"}),
        )

    return Records([item(number) for number in range(11, 16)], item(16, "NONE"))


def _m3_stock(site: Site) -> Records:
    def count(item: str, warehouse: str = "100") -> RecordChange:
        place = f"{warehouse}|{item}|A0101"
        return record(
            item, change("StockCount", place, {"STQI": 25}), change("ItemReference", item, {"ITNO": item})
        )

    return Records([count("ITEM-1"), count("ITEM-2")], count("ITEM-3", "999"))


def _m3_customer(site: Site) -> None:
    fields = {"CUTM": "WEB", "CUNM": "A", "CUA1": "1 High Street", "CSCD": "GB", "CUNO": "BP1"}
    site.infor().write("CRS610MI", "Add", fields)


def _m3_orders(site: Site) -> Records:
    _m3_customer(site)

    def order(number: int, item: str = "ITEM-1") -> RecordChange:
        key = str(number)
        head = {
            "CUNO": "BP1", "ORTP": "W01", "FACI": "A01", "WHLO": "100", "RLDT": "2026-11-25", "CUCD": "GBP",
        }  # fmt: skip
        line = {"ITNO": item, "ORQT": 1, "SAPR": 19.99, "CUPO": "1"}
        return record(
            key,
            change("Order", key, head),
            change("OrderAddress", key, {"ADRT": 1, "CUNM": "A B", **_ADDRESS}, key),
            change("OrderLine", f"{key}-1", line, key),
            change("OrderCharge", f"{key}-2", {"CRID": "DISC", "CRAM": -1}, key),
            change("OrderText", f"{key}-3", {"TYPE": "1", "TYTR": 1, "PARM": "Ring twice"}, key),
        )

    return Records([order(number) for number in range(11, 16)], order(16, "NO-SUCH"))


def _m3_journals(site: Site) -> Records:
    def payment(number: int, received: float = 10) -> RecordChange:
        key = f"BP{number}"
        line = {"INRI": "I1", "CUCD": "GBP", "ACDT": "2026-03-20", "VTXT": f"{number} card"}
        sides = (("1930", received, "D"), ("1590", -10.0, "C"))
        lines = [
            change(
                "JournalLine", f"{key}-{place}",
                {**line, "LINE": place, "AIT1": account, "CUAM": amount, "DBCR": side}, key,
            )
            for place, (account, amount, side) in enumerate(sides, 1)
        ]  # fmt: skip
        head = change("Journal", key, {"INTN": "BPGL", "DESC": f"Payment {number}"})
        return record(str(number), head, *lines)

    return Records([payment(number) for number in range(11, 16)], payment(16, 9.99))


def _m3_shipments(site: Site) -> Records:
    _m3_customer(site)
    client = site.infor()
    head = {"CUNO": "BP1", "ORTP": "W01", "FACI": "A01", "WHLO": "100", "CUOR": "1", "CUCD": "GBP"}
    batch = client.write("OIS100MI", "AddBatchHead", head)["ORNO"]
    line = {"ITNO": "ITEM-1", "ORQT": "5", "SAPR": "1", "ORNO": batch}
    client.bulk("OIS100MI", [Transaction("AddBatchLine", line)])
    order = client.write("OIS100MI", "Confirm", {"ORNO": batch})["ORNO"]

    def note(number: int, quantity: int) -> RecordChange:
        pick = {
            "E0PA": "BRIGHTPEARL", "E065": "BPSHP", "PRFL": "*EXE", "WHLO": "100", "WHSL": "A0101", "RIDN": order,
            "ITNO": "ITEM-1", "QTYP": quantity,
        }  # fmt: skip
        tracking = {"RIDN": order, "INOU": "1", "ETRN": "1Z11"}
        key = str(number)
        return record(key, change("Tracking", key, tracking), change("Pick", f"BPG{key}-1", pick))

    return Records([note(11, 2), note(12, 1)], note(13, 6))


# Brightpearl

_CONTACT = _flow(
    """
  Contact:
    key: {id: id}
    fields: {firstName: a, lastName: b, primaryEmail: c, companyName: d, isSupplier: e, PCF_LOYALTY: f}
  Address:
    key: {id: id}
    parent: {of: Contact}
    fields: {type: a, addressLine1: b, postalCode: c, countryIsoCode: d}
""",
    "brightpearl",
)


_BP_SALE = """
  {kind}:
    key: {{externalRef: id}}
    fields: {{contactId: a, ref: b, placedOn: c, taxDate: d, channelId: e, currencyCode: f, net: g, tax: h, gross: i}}
  OrderRow:
    key: {{externalRef: id}}
    parent: {{of: {kind}}}
    fields: {{productId: a, quantity: b, taxCode: c, net: d, tax: e}}
  OrderAddress:
    key: {{id: id}}
    parent: {{of: {kind}}}
    fields: {{type: a, addressFullName: b, addressLine1: c, countryIsoCode: d}}
"""
_BP_ORDER = _flow(_BP_SALE.format(kind="SalesOrder"), "brightpearl")
_BP_CREDIT = _flow(_BP_SALE.format(kind="SalesCredit"), "brightpearl")


_BP_STOCK = _flow(
    """
  StockCorrection:
    key: {place: id}
    fields: {warehouseId: a, productId: b, inStock: c, cost: d, costCurrency: e}
""",
    "brightpearl",
)


def _bp_stock(site: Site) -> Records:
    products = [
        row["id"] for row in site.sandbox.snapshot("brightpearl", "product") if row["stock"]["stockTracked"]
    ]

    def count(product: int) -> RecordChange:
        fields = {"warehouseId": 2, "productId": product, "inStock": 123, "cost": 2.5, "costCurrency": "GBP"}
        return record(str(product), change("StockCorrection", f"2|{product}", fields))

    return Records([count(product) for product in products[:3]], count(98765432))


_BP_SHIPMENT = _flow(
    """
  GoodsOutNote:
    key: {id: id}
    fields: {orderId: a, warehouseId: b, shippingMethodId: c, reference: d, shippedOn: e}
  GoodsOutRow:
    key: {id: id}
    parent: {of: GoodsOutNote}
    fields: {orderRowId: a, productId: b, quantity: c}
""",
    "brightpearl",
)


def _bp_shipments(site: Site) -> Records:
    order = {
        "customer": {"id": 203},
        "rows": [{"productId": 1001, "quantity": "9", "taxCode": "T20", "net": "1"}],
    }
    client = site.brightpearl()
    number = client.post("order-service/sales-order", order)
    [line] = client.get(f"order-service/sales-order/{number}")[0]["rows"]

    def note(key: str, quantity: int) -> RecordChange:
        head = {
            "orderId": number, "warehouseId": 2, "shippingMethodId": 1, "reference": f"1Z{key}",
            "shippedOn": "2026-03-31T12:00:00.000Z",
        }  # fmt: skip
        row = {"orderRowId": f"{number}|{line['id']}", "productId": 1001, "quantity": quantity}
        return record(key, change("GoodsOutNote", key, head), change("GoodsOutRow", f"{key}-1", row, key))

    return Records([note("D1", 2), note("D2", 1)], note("D3", 10))


_BP_PRODUCT = _flow(
    """
  Product:
    key: {sku: id}
    fields: {name: a, brandId: b, weight: c, stockTracked: d, PCF_CARE: e}
  ProductPrice:
    key: {id: id}
    parent: {of: Product}
    fields: {priceListId: a, price: b}
""",
    "brightpearl",
)


def _bp_products(site: Site) -> Records:
    brand = site.sandbox.snapshot("brightpearl", "brand")[0]["id"]

    def product(number: int, brand_id: int = brand) -> RecordChange:
        key = f"NEW-{number}"
        head = {
            "name": f"Lamp {number}",
            "brandId": brand_id,
            "weight": 0.25,
            "stockTracked": True,
            "PCF_CARE": "dry",
        }
        price = change("ProductPrice", f"{key}-2", {"priceListId": 2, "price": 9.99}, key)
        return record(key, change("Product", key, head), price)

    return Records([product(number) for number in range(11, 16)], product(16, 98765432))


_BP_INVOICE = _flow(
    """
  OrderInvoice:
    key: {id: id}
    fields: {orderId: a, taxDate: b, gross: c}
""",
    "brightpearl",
)


def _bp_invoices(site: Site) -> Records:
    client = site.brightpearl()

    def invoice(key: str, gross: float) -> RecordChange:
        row = {"productId": 1001, "quantity": "1", "taxCode": "T20", "net": "10.00", "tax": "2.00"}
        number = client.post("order-service/sales-order", {"customer": {"id": 203}, "rows": [row]})
        return record(
            key, change("OrderInvoice", key, {"orderId": number, "taxDate": "2026-03-30", "gross": gross})
        )

    return Records([invoice("I1", 12), invoice("I2", 12.00)], invoice("I3", 12.01))


def _bp_sales(kind: str) -> Callable[[Site], Records]:
    def sale(number: int, tax_code: str = "T20") -> RecordChange:
        key = f"SO{number}"
        head = {
            "contactId": 203, "ref": f"WEB-{number}", "placedOn": "2026-03-30T09:00:00.000Z", "taxDate": "2026-03-30",
            "channelId": 1, "currencyCode": "GBP", "net": 50.55, "tax": 10.11, "gross": 60.66,
        }  # fmt: skip
        line = {"productId": 1001, "quantity": 2, "taxCode": tax_code, "net": 40.05, "tax": 8.01}
        place = {
            "type": "delivery",
            "addressFullName": "Ada",
            "addressLine1": "1 Quay St",
            "countryIsoCode": "GBR",
        }
        return record(
            key,
            change(kind, key, head),
            change("OrderRow", f"{key}-1", line, key),
            change("OrderRow", f"{key}-2", {**line, "productId": 1002, "net": 10.50, "tax": 2.10}, key),
            change("OrderAddress", f"{key}-3", place, key),
        )

    return lambda site: Records([sale(number) for number in range(11, 16)], sale(16, "NONE"))


def _contacts(site: Site) -> Records:
    def person(number: int, country: str = "GBR") -> RecordChange:
        key = f"SF{number}"
        head = {
            "firstName": "Ada", "lastName": f"Marsh {number}", "primaryEmail": f"ada{number}@new.example",
            "companyName": "Marsh Ltd", "isSupplier": False, "PCF_LOYALTY": number,
        }  # fmt: skip
        place = {"addressLine1": "1 Quay St", "postalCode": "BS1 1AA", "countryIsoCode": country}
        return record(
            key,
            change("Contact", key, head),
            change("Address", f"{key}-1", {"type": "DEF", **place}, key),
            change(
                "Address", f"{key}-2", {"type": "DEL", **place, "addressLine1": f"{number} Dock Road"}, key
            ),
        )

    return Records([person(number) for number in range(11, 16)], person(16, "XXX"))


TARGETS = [
    TargetExample("salesforce.accounts", _CUSTOMER, ("Account", "Contact"), _customers, _NO_ACCOUNT),
    TargetExample(
        "salesforce.accounts_in_bulk", _CUSTOMER, ("Account", "Contact"), _customers, _NO_ACCOUNT, _in_bulk
    ),
    TargetExample("salesforce.orders", _SALE, ("Order", "OrderItem"), _sales, _NO_ORDER),
    TargetExample(
        "salesforce.orders_by_object", _SALE, ("Order", "OrderItem"), _sales, _NO_ORDER, _object_by_object
    ),
    TargetExample(
        "salesforce.orders_in_bulk", _SALE, ("Order", "OrderItem"), _sales, _NO_ORDER, _in_bulk
    ),
    TargetExample("infor.customers", _M3_CUSTOMER, ("customers", "addresses"), _m3_customers, "NOBODY"),
    TargetExample("infor.items", _M3_ITEM, ("items", "item_warehouse", "aliases"), _m3_items, "NOTHING"),
    TargetExample("infor.stock", _M3_STOCK, ("balances",), _m3_stock, "NOTHING"),
    TargetExample(
        "infor.orders", _M3_ORDER, ("orders", "order_lines", "order_charges"), _m3_orders, "0099999999"
    ),
    TargetExample("infor.journals", _M3_JOURNAL, ("vouchers",), _m3_journals, "2026|300|99999"),
    TargetExample(
        "infor.shipments", _M3_SHIPMENT, ("deliveries", "delivery_lines"), _m3_shipments, "99999999"
    ),
    TargetExample(
        "brightpearl.contacts", _CONTACT, ("contact", "postal-address"), _contacts, "98765432"
    ),
    TargetExample("brightpearl.orders", _BP_ORDER, ("order",), _bp_sales("SalesOrder"), "98765432"),
    TargetExample("brightpearl.stock", _BP_STOCK, ("stock-correction",), _bp_stock, "98765432"),
    TargetExample("brightpearl.shipments", _BP_SHIPMENT, ("goods-out-note",), _bp_shipments, "98765432"),
    TargetExample("brightpearl.products", _BP_PRODUCT, ("product", "product-price"), _bp_products, "98765432"),
    TargetExample("brightpearl.invoices", _BP_INVOICE, ("order",), _bp_invoices, "98765432"),
    TargetExample("brightpearl.credits", _BP_CREDIT, ("order",), _bp_sales("SalesCredit"), "98765432"),
]  # fmt: skip
