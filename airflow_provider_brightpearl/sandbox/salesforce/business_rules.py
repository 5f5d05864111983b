"""Rules across fields and records: price books, orders, duplicates (reference, sections 4.2-4.4, 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from .computed_fields import category
from .errors import ApiError
from .org import DmlContext, Org
from .reduction_orders import check_reduction, check_reduction_item
from .store import Row

Children = Iterable[tuple[str, Row]]


def _integrity_error(message: str, *fields: str) -> ApiError:
    return ApiError("FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {message}", fields)


# --- price books -------------------------------------------------------------------------------------


def _create_entry(org: Org, row: Row, dml: DmlContext) -> None:
    entries = org.store["PricebookEntry"]
    same_money = [
        entry
        for other in entries.find("Product2Id", row["Product2Id"])
        if (entry := entries.rows[other]).get("CurrencyIsoCode") == row.get("CurrencyIsoCode")
    ]
    if any(entry["Pricebook2Id"] == row["Pricebook2Id"] for entry in same_money):
        raise ApiError("DUPLICATE_VALUE", "This price definition already exists in this price book")
    if row["Pricebook2Id"] == org.standard_pricebook:
        return
    standard = next((entry for entry in same_money if entry["Pricebook2Id"] == org.standard_pricebook), None)
    too_new = standard and standard["Id"] in dml.created_ids and not org.settings["standard_price_same_call"]
    if standard is None or too_new:
        raise ApiError(
            "STANDARD_PRICE_NOT_DEFINED",
            "Before creating a custom price, create a standard price.",
            ["Product2Id"],
        )
    if row.get("UseStandardPrice"):
        row["UnitPrice"] = standard["UnitPrice"]


def _update_entry(org: Org, row: Row, changes: Row, named: set[str], dml: DmlContext) -> None:
    if changes.get("UseStandardPrice", row.get("UseStandardPrice")) and "UnitPrice" in changes:
        raise _integrity_error("UnitPrice (the entry uses the standard price)", "UnitPrice")


def _delete_entry(org: Org, row: Row, dml: DmlContext) -> None:
    if any(item.get("PricebookEntryId") == row["Id"] for item in org.store["OrderItem"].rows.values()):
        raise _in_use_error("price book entry", "order products")


def _delete_book(org: Org, row: Row, dml: DmlContext) -> None:
    if row["Id"] == org.standard_pricebook:
        raise ApiError("DELETE_FAILED", "the standard price book cannot be deleted")
    if any(order.get("Pricebook2Id") == row["Id"] for order in org.store["Order"].rows.values()):
        raise _in_use_error("price book", "orders")


def _entries_of_book(org: Org, row: Row) -> Children:
    rows = org.store["PricebookEntry"].rows.values()
    return [("PricebookEntry", entry) for entry in list(rows) if entry["Pricebook2Id"] == row["Id"]]


def _entries_of_product(org: Org, row: Row) -> Children:
    entries = org.store["PricebookEntry"]
    return [("PricebookEntry", entries.rows[one]) for one in entries.find("Product2Id", row["Id"])]


def _delete_product(org: Org, row: Row, dml: DmlContext) -> None:
    entries = set(org.store["PricebookEntry"].find("Product2Id", row["Id"]))
    if any(item.get("PricebookEntryId") in entries for item in org.store["OrderItem"].rows.values()):
        raise _in_use_error("product", "order products")


# --- orders ------------------------------------------------------------------------------------------


def _create_order(org: Org, row: Row, dml: DmlContext) -> None:
    if category(row["Status"]) != "Draft":
        raise ApiError(
            str(org.settings["create_status_code"]),
            "an order must be created in a status of the Draft category",
            ["Status"],
        )
    check_reduction(org, row)
    _check_pricebook_active(org, row)


def _check_pricebook_active(org: Org, row: Row) -> None:
    book = org.store.row("Pricebook2", row.get("Pricebook2Id"))
    if book is not None and not book.get("IsActive"):
        raise _integrity_error("Pricebook2Id (the price book is not active)", "Pricebook2Id")


_LOCKED = ("AccountId", "Pricebook2Id", "CurrencyIsoCode")


def _update_order(org: Org, row: Row, changes: Row, named: set[str], dml: DmlContext) -> None:
    before = category(row["Status"])
    after = category(changes.get("Status", row["Status"]))
    if before == "Draft" and after == "Activated":
        _activate(org, row, changes, named, dml)
        return
    if before == "Activated" and org.store["Order"].find("OriginalOrderId", row["Id"]):
        raise ApiError("FAILED_ACTIVATION", "An order with reduction orders cannot be changed.", ["Status"])
    if before == "Activated" and after == "Activated":
        _check_activated(org, changes)
    if before == "Draft" and org.store["OrderItem"].find("OrderId", row["Id"]):
        frozen = [name for name in ("Pricebook2Id", "CurrencyIsoCode") if name in changes]
        if frozen:
            raise _integrity_error(f"{', '.join(frozen)} (the order has products)", *frozen)
    if "Pricebook2Id" in changes:
        _check_pricebook_active(org, changes)


def _activate(org: Org, row: Row, changes: Row, named: set[str], dml: DmlContext) -> None:
    # named rather than changed: the platform checks the fields in the request
    if org.settings["activation_only_status"] and named - {"Status", "Id"}:
        raise ApiError(
            "FAILED_ACTIVATION",
            "an order must be activated by a request that changes only its Status",
            ["Status"],
        )
    if not org.store["OrderItem"].find("OrderId", row["Id"]):
        raise ApiError("FAILED_ACTIVATION", "An order must have at least one product.")
    changes["ActivatedDate"], changes["ActivatedById"] = dml.stamp, dml.user


def _check_activated(org: Org, changes: Row) -> None:
    locked = [name for name in _LOCKED if name in changes]
    if locked:
        raise ApiError(
            str(org.settings["activated_order_code"]),
            f"{', '.join(locked)} cannot be changed on an activated order",
            locked,
        )
    if not org.settings["edit_activated_orders"]:
        raise ApiError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")


def _delete_order(org: Org, row: Row, dml: DmlContext) -> None:
    if category(row["Status"]) != "Draft":
        raise ApiError(str(org.settings["order_delete_code"]), "an activated order cannot be deleted")


def _items_of_order(org: Org, row: Row) -> Children:
    items = org.store["OrderItem"]
    return [("OrderItem", items.rows[one]) for one in items.find("OrderId", row["Id"])]


def _require_draft_order(org: Org, row: Row, what: str) -> Row:
    order = org.store["Order"].rows[row["OrderId"]]
    if category(order["Status"]) != "Draft":
        raise ApiError(
            str(org.settings["activated_order_code"]),
            f"{what} an activated order is not possible",
            ["OrderId"],
        )
    return order


def _create_item(org: Org, row: Row, dml: DmlContext) -> None:
    order = _require_draft_order(org, row, "adding a product to")
    entry = org.store["PricebookEntry"].rows[row["PricebookEntryId"]]
    book = order.get("Pricebook2Id")
    if book is None and not org.settings["optional_pricebook"]:
        raise _integrity_error("unknown (the order has no price book)", "OrderId")
    if book is not None and entry["Pricebook2Id"] != book:
        raise _integrity_error(
            "PricebookEntryId (pricebook entry is in a different pricebook than the order)",
            "PricebookEntryId",
        )
    if entry.get("CurrencyIsoCode") != order.get("CurrencyIsoCode"):
        raise _integrity_error(
            "PricebookEntryId (pricebook entry currency code does not match the order's)", "PricebookEntryId"
        )
    if not entry.get("IsActive"):
        raise _integrity_error("PricebookEntryId (pricebook entry is inactive)", "PricebookEntryId")
    if order.get("IsReductionOrder"):
        check_reduction_item(org, order, row)
    else:
        _check_quantity(org, row)


def _check_quantity(org: Org, row: Row) -> None:
    quantity = row.get("Quantity", Decimal(1))
    if quantity < 0 and not org.settings["negative_quantity"]:
        raise _integrity_error("Quantity (negative quantities are not enabled)", "Quantity")
    if quantity == 0 and not org.settings["zero_quantity"]:
        raise _integrity_error("Quantity (zero quantities are not enabled)", "Quantity")


def _update_item(org: Org, row: Row, changes: Row, named: set[str], dml: DmlContext) -> None:
    order = org.store["Order"].rows[row["OrderId"]]
    if category(order["Status"]) != "Draft" and not org.settings["edit_activated_orders"]:
        raise ApiError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
    if "Quantity" in changes:
        _check_quantity(org, changes)


def _delete_item(org: Org, row: Row, dml: DmlContext) -> None:
    _require_draft_order(org, row, "taking a product off")


# --- accounts and contacts ------------------------------------------------------------------------------------------


def _in_use_error(what: str, by: str) -> ApiError:
    return ApiError(
        "DELETE_FAILED",
        f"Your attempt to delete this {what} could not be completed because it is associated with {by}.",
    )


def _delete_account(org: Org, row: Row, dml: DmlContext) -> None:
    if org.store["Order"].find("AccountId", row["Id"]):
        raise _in_use_error("account", "orders")


def _contacts_of_account(org: Org, row: Row) -> Children:
    contacts = org.store["Contact"]
    return [("Contact", contacts.rows[one]) for one in contacts.find("AccountId", row["Id"])]


def _duplicate_rule(object_name: str, field: str) -> Callable[[Org, Row, DmlContext], None]:
    def check(org: Org, row: Row, dml: DmlContext) -> None:
        rules = org.settings["duplicate_rules"]
        action = rules.get(object_name) if isinstance(rules, dict) else None
        value = str(row.get(field) or "").casefold()
        if not action or not value or (action == "alert" and dml.allow_duplicates):
            return
        rows = org.store[object_name].rows.values()
        found = [other for other in rows if str(other.get(field) or "").casefold() == value]
        if found:
            raise _duplicate_error(org, object_name, found, action == "alert", dml)

    return check


def _duplicate_error(org: Org, name: str, found: list[Row], may_save: bool, dml: DmlContext) -> ApiError:
    """The nested error of section 7, under the key that real orgs misspell."""
    records = []
    for row in found:
        record = {"attributes": {"type": name, "url": f"/services/data/v62.0/sobjects/{name}/{row['Id']}"}}
        records.append(
            {
                "additionalInformation": [],
                "fieldDiffs": [],
                "matchConfidence": 100.0,
                "record": {**record, "Id": row["Id"]},
            }
        )
    result = {
        "allowSave": may_save,
        "duplicateRule": f"Standard_{name}_Duplicate_Rule",
        "duplicateRuleEntityType": name,
        "errorMessage": "Use one of these records?",
        "matchResults": [
            {
                "entityType": name,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": records,
                "rule": f"Standard_{name}_Match_Rule_v1_0",
                "size": len(records),
                "success": True,
            }
        ],
    }
    return ApiError(
        "DUPLICATES_DETECTED",
        "Use one of these records?",
        details={str(org.settings["duplicate_result_key"]): result},
    )


BEFORE_CREATE: dict[str, Callable[[Org, Row, DmlContext], None]] = {
    "PricebookEntry": _create_entry,
    "Order": _create_order,
    "OrderItem": _create_item,
    "Account": _duplicate_rule("Account", "Name"),
    "Contact": _duplicate_rule("Contact", "Email"),
}
BEFORE_UPDATE: dict[str, Callable[[Org, Row, Row, set[str], DmlContext], None]] = {
    "PricebookEntry": _update_entry,
    "Order": _update_order,
    "OrderItem": _update_item,
}
BEFORE_DELETE: dict[str, Callable[[Org, Row, DmlContext], None]] = {
    "PricebookEntry": _delete_entry,
    "Pricebook2": _delete_book,
    "Product2": _delete_product,
    "Order": _delete_order,
    "OrderItem": _delete_item,
    "Account": _delete_account,
}
AFTER_DELETE: dict[str, Callable[[Org, Row], Children]] = {
    "Pricebook2": _entries_of_book,
    "Product2": _entries_of_product,
    "Order": _items_of_order,
    "Account": _contacts_of_account,
}
