"""Stored records as search rows, column by column."""

from __future__ import annotations

from typing import Any

from . import reference_data
from .collection import Record


def _at(record: Any, *path: str) -> Any:
    for step in path:
        if not isinstance(record, dict):
            return None
        record = record.get(step)
    return record


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, list) and values else None


def order(record: Record) -> Record:
    """An order in order-search; an `updatedOn` that GET omits is null here."""
    kind = record.get("orderTypeCode")
    return {
        "orderId": record.get("id"),
        "orderTypeId": reference_data.TYPE_IDS.get(kind) if isinstance(kind, str) else None,
        "contactId": _at(record, "parties", "customer", "contactId")
        or _at(record, "parties", "supplier", "contactId"),
        "orderStatusId": _at(record, "orderStatus", "orderStatusId"),
        "orderStockStatusId": reference_data.STOCK_IDS.get(str(record.get("stockStatusCode"))),
        "createdOn": record.get("createdOn"),
        "createdById": record.get("createdById"),
        "customerRef": record.get("reference"),
        "orderPaymentStatusId": reference_data.PAYMENT_IDS.get(str(record.get("orderPaymentStatus"))),
        "updatedOn": record.get("updatedOn"),
        "parentOrderId": record.get("parentOrderId"),
        "orderShippingStatusId": reference_data.SHIPPING_IDS.get(str(record.get("shippingStatusCode"))),
        "externalRef": record.get("externalRef"),
        "installedIntegrationInstanceId": record.get("installedIntegrationInstanceId"),
        "warehouseId": record.get("warehouseId"),
        "staffOwnerContactId": _at(record, "assignment", "current", "staffOwnerContactId"),
        "taxDate": _at(_first(record.get("invoices")), "taxDate"),
        "departmentId": 0,
        "deliveryDate": _at(record, "delivery", "deliveryDate"),
        "placedOn": record.get("placedOn"),
        "shippingMethodId": _at(record, "delivery", "shippingMethodId"),
        "projectId": _at(record, "assignment", "current", "projectId"),
        "channelId": _at(record, "assignment", "current", "channelId"),
        "leadSourceId": _at(record, "assignment", "current", "leadSourceId"),
        "isClosed": "closedOn" in record,
        "externalRefs": record.get("externalRef"),
        "externalRefSearchString": record.get("externalRef"),
    }


def sales_order(record: Record) -> Record:
    """A sales order in sales-order-search."""
    row = order(record)
    lines = record.get("orderRows")
    products = [_at(one, "productId") for one in lines.values()] if isinstance(lines, dict) else []
    return row | {
        "salesOrderId": row["orderId"],
        "customerId": row["contactId"],
        "orderStockStatus": row["orderStockStatusId"],
        "orderPaymentStatus": row["orderPaymentStatusId"],
        "orderShippingStatus": row["orderShippingStatusId"],
        "staffOwnerId": row["staffOwnerContactId"],
        "productIds": products,
        "isHistoricalOrder": record.get("historicalOrder"),
    }


def contact(record: Record) -> Record:
    """A contact in contact-search."""
    communication = record.get("communication")
    phones = [_at(communication, "telephones", slot) or "" for slot in ("PRI", "SEC", "MOB")]
    slots = [_at(communication, "emails", slot, "email") or "" for slot in ("PRI", "SEC", "TER")]
    company = _at(record, "organisation", "name")
    staff, supplier = (_at(record, "relationshipToAccount", key) for key in ("isStaff", "isSupplier"))
    tags = [int(tag) for tag in str(record.get("contactTags") or "").split(",") if tag.isdigit()]
    return {
        "contactId": record.get("contactId"),
        "primaryEmail": slots[0],
        "secondaryEmail": slots[1],
        "tertiaryEmail": slots[2],
        "firstName": record.get("firstName"),
        "lastName": record.get("lastName"),
        "isSupplier": supplier,
        "companyName": company,
        "isStaff": staff,
        "isCustomer": not (supplier or staff),
        "createdOn": record.get("createdOn"),
        "updatedOn": record.get("updatedOn"),
        "lastContactedOn": None,
        "lastOrderedOn": None,
        "nominalCode": int(_at(record, "financialDetails", "nominalCode") or 0),
        "isPrimary": record.get("isPrimaryContact"),
        "pri": phones[0],
        "sec": phones[1],
        "mob": phones[2],
        "exactCompanyName": company,
        "title": record.get("salutation"),
        "allEmail": [slot for slot in slots if slot],
        "allPhone": [phone for phone in phones if phone],
        "tagIds": tags,
        "companyIds": record.get("companyId"),
    }


def product(record: Record) -> Record:
    """A product in product-search."""
    channel = _first(record.get("salesChannels"))
    categories = product_categories(record)
    return {
        "productId": record.get("id"),
        "productName": _at(channel, "productName"),
        "SKU": _at(record, "identity", "sku"),
        "barcode": _at(record, "identity", "barcode"),
        "EAN": _at(record, "identity", "ean"),
        "UPC": _at(record, "identity", "upc"),
        "ISBN": _at(record, "identity", "isbn"),
        "MPN": _at(record, "identity", "mpn"),
        "stockTracked": _at(record, "stock", "stockTracked"),
        "salesChannelName": _at(channel, "salesChannelName"),
        "createdOn": record.get("createdOn"),
        "updatedOn": record.get("updatedOn"),
        "brightpearlCategoryCode": categories[0] if categories else None,
        "productGroupId": record.get("productGroupId"),
        "brandId": record.get("brandId"),
        "productTypeId": record.get("productTypeId"),
        "productStatus": record.get("status"),
        "primarySupplierId": None,
    }


def product_categories(record: Record) -> list[int]:
    """The categories of a product in its first sales channel."""
    found = _at(_first(record.get("salesChannels")), "categories") or []
    return [int(one["categoryCode"]) for one in found]


def goods_out(record: Record) -> Record:
    """A goods-out note in goods-out-search."""
    return {
        "goodsOutNoteId": record.get("goodsOutNoteId"),
        **{key: _at(record, "status", key) or False for key in ("printed", "picked", "packed", "shipped")},
        "shippedOn": _at(record, "status", "shippedOn"),
        "orderId": record.get("orderId"),
        "shippingMethodId": _at(record, "shipping", "shippingMethodId"),
        "warehouseId": record.get("warehouseId"),
        "priority": record.get("priority"),
        "createdOn": record.get("createdOn"),
        "releaseDate": record.get("releaseDate"),
        "createdBy": record.get("createdBy"),
        "labelUri": record.get("labelUri"),
        "channelId": record.get("channelId"),
        "transfer": record.get("transfer"),
    }


def brand(record: Record) -> Record:
    """A brand in brand-search."""
    return {
        "brandId": record.get("id"),
        "brandName": record.get("name"),
        "updatedOn": record.get("updatedOn"),
    }


def product_type(record: Record) -> Record:
    """A product type in product-type-search."""
    return {"productTypeId": record.get("id"), "productTypeName": record.get("name")}


def category(record: Record) -> Record:
    """A category in brightpearl-category-search."""
    return record | {"updatedBy": record.get("updatedById")}


def nominal_code(record: Record) -> Record:
    """A nominal code in nominal-code-search, which has its type as a number."""
    return record | {"type": _at(record, "type", "id")}


def warehouse(record: Record) -> Record:
    """A warehouse in warehouse-search."""
    return record | {"addressId": _at(record, "address", "addressId")}


def unchanged(record: Record) -> Record:
    """A record whose fields have the names of the search columns."""
    return record
