"""Brightpearl's objects that flows can write: their fields, and what belongs together.

Each first object has its parts, which are sent with it and hold its key as their ``parent``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.fields import CUSTOM, Field, Kind


@dataclass(frozen=True, slots=True)
class TargetObject:
    """One object: its fields by name, those it needs, and whether it takes custom fields (``PCF_…``)."""

    fields: Mapping[str, Field]
    needed: tuple[str, ...] = ()
    custom: bool = False

    def field(self, name: str) -> Field | None:
        """The field of that name, None where there is none; custom fields are text."""
        if self.custom and CUSTOM.fullmatch(name):
            return Field("", patch=f"/{name}")
        return self.fields.get(name)


def _contact(path: str, kind: Kind = Kind.TEXT, longest: int | None = None) -> Field:
    return Field(path, kind, f"/{path}", longest)


_LINES = {name: Field(name) for name in ("addressLine1", "addressLine2", "addressLine3", "addressLine4")}
_PLACE = {**_LINES, "postalCode": Field("postalCode"), "countryIsoCode": Field("countryIsoCode")}

CONTACT = TargetObject(
    {
        "salutation": _contact("salutation"),
        "firstName": _contact("firstName", longest=32),
        "lastName": _contact("lastName", longest=32),
        "primaryEmail": _contact("communication/emails/PRI/email"),
        "secondaryEmail": _contact("communication/emails/SEC/email"),
        "tertiaryEmail": _contact("communication/emails/TER/email"),
        "telephone": _contact("communication/telephones/PRI"),
        "secondaryTelephone": _contact("communication/telephones/SEC"),
        "mobileTelephone": _contact("communication/telephones/MOB"),
        "companyName": _contact("organisation/name"),
        "jobTitle": _contact("organisation/jobTitle"),
        "isSupplier": _contact("relationshipToAccount/isSupplier", Kind.FLAG),
        "isReceiveEmailNewsletter": _contact("marketingDetails/isReceiveEmailNewsletter", Kind.FLAG),
        "priceListId": _contact("financialDetails/priceListId", Kind.ID),
        "currencyId": _contact("financialDetails/currencyId", Kind.ID),
        "nominalCode": _contact("financialDetails/nominalCode"),
        "creditLimit": _contact("financialDetails/creditLimit", Kind.NUMBER),
        "creditTermDays": _contact("financialDetails/creditTermDays", Kind.NUMBER),
        "discountPercentage": _contact("financialDetails/discountPercentage", Kind.NUMBER),
        "staffOwnerContactId": _contact("assignment/current/staffOwnerContactId", Kind.ID),
    },
    custom=True,
)
SLOTS = ("DEF", "BIL", "DEL")
ADDRESS = TargetObject({"type": Field(""), **_PLACE}, ("type", "countryIsoCode"))


def _total(name: str) -> Field:
    return Field(f"total/{name}", Kind.NUMBER, computed=True)


_SALE = {
    "externalRef": Field("externalRef"),
    "installedIntegrationInstanceId": Field("installedIntegrationInstanceId", Kind.ID),
    "contactId": Field("customer/id", Kind.ID, "/parties/customer/contactId"),
    "billingContactId": Field("billing/contactId", Kind.ID, "/parties/billing/contactId"),
    "parentId": Field("parentId", Kind.ID),
    "ref": Field("ref", patch="/reference", longest=64),
    "placedOn": Field("placedOn", Kind.INSTANT),
    "taxDate": Field("taxDate", Kind.DATE),
    "statusId": Field("statusId", Kind.ID),
    "warehouseId": Field("warehouseId", Kind.ID, "/warehouseId"),
    "channelId": Field("channelId", Kind.ID),
    "staffOwnerId": Field("staffOwnerId", Kind.ID),
    "projectId": Field("projectId", Kind.ID),
    "leadSourceId": Field("leadSourceId", Kind.ID),
    "teamId": Field("teamId", Kind.ID),
    "priceListId": Field("priceListId", Kind.ID),
    "priceModeCode": Field("priceModeCode"),
    "currencyCode": Field("currency/code"),
    "exchangeRate": Field("currency/exchangeRate", Kind.NUMBER, places=6),
    "fixedExchangeRate": Field("currency/fixedExchangeRate", Kind.FLAG),
    "deliveryDate": Field("delivery/date", Kind.DATE, "/delivery/deliveryDate"),
    "shippingMethodId": Field("delivery/shippingMethodId", Kind.ID, "/delivery/shippingMethodId"),
    # stock is reserved for its rows
    "allocate": Field("", Kind.FLAG),
    "net": _total("net"),
    "tax": _total("tax"),
    "gross": _total("gross"),
}
SALE = TargetObject(_SALE, ("contactId",), custom=True)
SALE_ROW = TargetObject(
    {
        "externalRef": Field("externalRef"),
        "productId": Field("productId", Kind.ID),
        "name": Field("name"),
        "quantity": Field("quantity", Kind.NUMBER, "/quantity/magnitude"),
        "taxCode": Field("taxCode"),
        "net": Field("net", Kind.NUMBER, "/rowValue/rowNet/value"),
        "tax": Field("tax", Kind.NUMBER, "/rowValue/rowTax/value"),
        "nominalCode": Field("nominalCode"),
    },
    ("quantity", "taxCode", "net"),
)
PARTIES = ("customer", "billing", "delivery")
_PARTY = ("addressFullName", "companyName", "telephone", "mobileTelephone", "fax", "email")
SALE_ADDRESS = TargetObject(
    {"type": Field(""), **_PLACE, **{name: Field(name) for name in _PARTY}}, ("type",)
)
STOCK = TargetObject(
    {
        "warehouseId": Field("warehouseId", Kind.ID),
        "productId": Field("productId", Kind.ID),
        "inStock": Field("inStock", Kind.NUMBER),
        "reason": Field("reason"),
        "locationId": Field("locationId", Kind.ID),
        "cost": Field("cost/value", Kind.NUMBER),
        "costCurrency": Field("cost/currency"),
        # where the source knows no cost: the price list that does
        "costPriceListId": Field("", Kind.ID),
    },
    ("warehouseId", "productId", "inStock"),
)
GOODS_OUT = TargetObject(
    {
        "orderId": Field("orderId", Kind.ID),
        "warehouseId": Field("warehouseId", Kind.ID),
        "releaseDate": Field("releaseDate", Kind.INSTANT),
        "priority": Field("priority", Kind.FLAG),
        "labelUri": Field("labelUri"),
        "shippingMethodId": Field("shipping/shippingMethodId", Kind.ID),
        "reference": Field("shipping/reference", longest=64),
        "boxes": Field("shipping/boxes", Kind.NUMBER),
        "weight": Field("shipping/weight", Kind.NUMBER),
        "shippedOn": Field("status/shippedOn", Kind.INSTANT),
        "shippedById": Field("status/shippedById", Kind.ID),
    },
    ("orderId", "warehouseId"),
)
GOODS_OUT_ROW = TargetObject(
    {
        "orderRowId": Field("orderRowId", Kind.PART),
        "productId": Field("productId", Kind.ID),
        "quantity": Field("quantity", Kind.NUMBER),
    },
    ("orderRowId", "productId", "quantity"),
)
INVOICE = TargetObject(
    {
        "orderId": Field("id", Kind.ID),
        "taxDate": Field("invoice/taxDate", Kind.DATE),
        "net": _total("net"),
        "tax": _total("tax"),
        "gross": _total("gross"),
    },
    ("orderId", "gross"),
    custom=True,
)
_IDENTITY = ("sku", "barcode", "ean", "upc", "isbn", "mpn")
_SIZES = ("length", "height", "width")
PRODUCT = TargetObject(
    {
        **{name: Field(f"identity/{name}") for name in _IDENTITY},
        # of the first sales channel
        "name": Field(""),
        "categoryCode": Field(""),
        "description": Field(""),
        "brandId": Field("brandId", Kind.ID),
        "productTypeId": Field("productTypeId", Kind.ID),
        "collectionId": Field("collectionId", Kind.ID),
        "stockTracked": Field("stock/stockTracked", Kind.FLAG),
        "weight": Field("stock/weight/magnitude", Kind.NUMBER),
        **{name: Field(f"stock/dimensions/{name}", Kind.NUMBER) for name in _SIZES},
        "taxable": Field("financialDetails/taxable", Kind.FLAG),
        "taxCodeId": Field("financialDetails/taxCode/id", Kind.ID),
        "nominalCodeStock": Field("nominalCodeStock"),
        "nominalCodePurchases": Field("nominalCodePurchases"),
        "nominalCodeSales": Field("nominalCodeSales"),
        "status": Field("status"),
    },
    custom=True,
)
PRICE = TargetObject(
    {
        "priceListId": Field("priceListId", Kind.ID),
        "quantity": Field("quantity", Kind.ID),
        "price": Field("price", Kind.NUMBER),
    },
    ("priceListId", "price"),
)
_SALE_PARTS = {"OrderRow": SALE_ROW, "OrderAddress": SALE_ADDRESS}
# a row of a credit has the tax code of the order's row where the flow gives none
_CREDIT_PARTS = {**_SALE_PARTS, "OrderRow": replace(SALE_ROW, needed=("quantity", "net"))}

ROOTS: Mapping[str, Mapping[str, TargetObject]] = {
    "Contact": {"Contact": CONTACT, "Address": ADDRESS},
    "SalesOrder": {"SalesOrder": SALE, **_SALE_PARTS},
    "SalesCredit": {"SalesCredit": SALE, **_CREDIT_PARTS},
    "OrderInvoice": {"OrderInvoice": INVOICE},
    "StockCorrection": {"StockCorrection": STOCK},
    "Product": {"Product": PRODUCT, "ProductPrice": PRICE},
    "GoodsOutNote": {"GoodsOutNote": GOODS_OUT, "GoodsOutRow": GOODS_OUT_ROW},
}
"""Each first object by name, with itself and its parts."""


# where Brightpearl has a field for the key of another system, it holds it
KEYS = {
    "SalesOrder": "externalRef",
    "SalesCredit": "externalRef",
    "OrderRow": "externalRef",
    "Product": "sku",
}


@dataclass(frozen=True, slots=True)
class Resource:
    """Where a first object is read: its path, the name of its id, and which of its parts a record has.

    Records without an id of their own come as a map by id.
    ``rewritable`` ones are created anew where somebody deleted them. ``holds``: whether a record has the object that is
    kept in it, as an order its invoice.
    """

    path: str
    id: str
    parts: Callable[[str, Mapping[str, Any]], Iterable[str]]
    rewritable: bool = False
    holds: Callable[[Mapping[str, Any]], bool] = lambda _record: True


def _slots(_kind: str, contact: Mapping[str, Any]) -> Iterable[str]:
    return contact.get("postAddressIds") or {}


def _sale_parts(kind: str, sale: Mapping[str, Any]) -> Iterable[str]:
    return PARTIES if kind == "OrderAddress" else (str(row["id"]) for row in sale["rows"])


def _no_parts(_kind: str, _record: Mapping[str, Any]) -> Iterable[str]:
    return ()


def _is_invoiced(sale: Mapping[str, Any]) -> bool:
    return bool((sale.get("invoice") or {}).get("invoiceReference"))


def _note_rows(_kind: str, note: Mapping[str, Any]) -> Iterable[str]:
    return note.get("orderRows") or {}


_RESOURCES: Mapping[str, Resource] = {
    "Contact": Resource("contact-service/contact", "contactId", _slots, rewritable=True),
    "SalesOrder": Resource("order-service/sales-order", "id", _sale_parts),
    "SalesCredit": Resource("order-service/sales-credit", "id", _sale_parts),
    "OrderInvoice": Resource("order-service/sales-order", "id", _no_parts, holds=_is_invoiced),
    "Product": Resource("product-service/product", "id", _no_parts),
    "GoodsOutNote": Resource("warehouse-service/order/*/goods-note/goods-out", "", _note_rows),
}


def resource_of(root: str) -> Resource | None:
    """Where a first object is read, None where Brightpearl keeps none of it."""
    return _RESOURCES.get(root)


def fields_of(flow: FlowSpec, name: str) -> TargetObject:
    """The object that an entry of a flow writes."""
    return ROOTS[flow.target_object(flow.root)][flow.target_object(name)]


# an empty value empties the field of an existing row; other objects keep what they have
EMPTIED = frozenset(ROOTS["Contact"])
RETURNED = ("statusId", "allocationStatusCode", "net", "tax", "gross")


def returned_fields_of(name: str) -> tuple[str, ...]:
    """What Brightpearl returns for a row of this object beside its id."""
    return RETURNED if name in ("SalesOrder", "SalesCredit") else ()
