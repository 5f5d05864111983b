"""warehouse-service: availability, corrections, goods-out notes and movements (reference, section 4.5)."""

from __future__ import annotations

from .. import search_columns, search_rows
from ..call import Call, ServiceError, id_ranges, not_found, response
from ..collection import Record
from ..money import parse_decimal
from ..reference_data import STAFF
from ..resources import collection, records_in_id_set, reference_list, register_search, require_id, route
from ..search import Search
from ..stock_movements import move_stock, record_movement

BASE = "warehouse-service/"
register_search(
    BASE + "goods-note/goods-out-search",
    Search("goods-out-note", search_columns.GOODS_OUT, search_rows.goods_out),
)
register_search(
    BASE + "goods-movement-search",
    Search("goods-movement", search_columns.GOODS_MOVEMENT, search_rows.unchanged),
)
register_search(
    BASE + "warehouse-search", Search("warehouse", search_columns.WAREHOUSE, search_rows.warehouse)
)
register_search(
    BASE + "shipping-method-search",
    Search("shipping-method", search_columns.SHIPPING_METHOD, search_rows.unchanged),
)


@route("GET", BASE + "product-availability/{}", "includeOptional")
def get_product_availability(call: Call) -> Record:
    """Stock per product and warehouse, without products whose stock is not tracked."""
    call.optional_parts("breakDownByLocation", "allocatedOrders", "allocatedTransfers", "onOrder")
    source = collection(call, "product-availability")
    ids = source.within(id_ranges(call.path_args[0], None))
    return response({str(id): source.get(id) for id in ids})


@route("GET", BASE + "bundle-availability/{}")
def get_bundle_availability(call: Call) -> Record:
    """Complete bundles per warehouse, limited by the scarcest component (shape INFERRED)."""
    id = require_id(call, "product", call.path_args[0], "No Product Found")
    parts = (collection(call, "product").get(id) or {})["composition"].get("bundleComponents")
    if not parts:
        raise not_found("No Bundle Found")
    found: dict[str, Record] = {}
    for warehouse in collection(call, "warehouse"):
        key = str(warehouse["id"])
        complete = min(_on_hand(call, part["productId"], key) // part["productQuantity"] for part in parts)
        if complete:
            found[key] = {"onHand": complete}
    return response(
        {str(id): {"total": {"onHand": sum(w["onHand"] for w in found.values())}, "warehouses": found}}
    )


def _on_hand(call: Call, product: int, warehouse: str) -> int:
    composition = (collection(call, "product").get(product) or {}).get("composition", {})
    if composition.get("bundle"):  # INFERRED: a bundle in a bundle counts as often as it can be made
        parts: list[dict[str, int]] = composition["bundleComponents"]
        return min(_on_hand(call, part["productId"], warehouse) // part["productQuantity"] for part in parts)
    held_here = collection(call, "product-availability").get(product) or {"warehouses": {}}
    return int(held_here["warehouses"].get(warehouse, {}).get("onHand", 0))


@route("GET", BASE + "warehouse")
def get_warehouses(call: Call) -> Record:
    """All warehouses."""
    return reference_list(call, "warehouse")


@route("GET", BASE + "warehouse/{}")
def get_warehouse(call: Call) -> Record:
    """Warehouses by id set."""
    return reference_list(call, "warehouse")


@route("GET", BASE + "shipping-method")
def get_shipping_methods(call: Call) -> Record:
    """All shipping methods."""
    return reference_list(call, "shipping-method")


@route("GET", BASE + "shipping-method/{}")
def get_shipping_method(call: Call) -> Record:
    """Shipping methods by id set."""
    return reference_list(call, "shipping-method")


@route("POST", BASE + "warehouse/{}/stock-correction")
def post_stock_correction(call: Call) -> Record:
    """Correct stock and return one note id per correction; all are validated before the first one."""
    warehouse = require_id(call, "warehouse", call.path_args[0], "No warehouse found")
    corrections = call.json_object().get("corrections")
    if not isinstance(corrections, list) or not corrections:
        raise ServiceError(400, "WHSC-070", "Corrections are required")
    for given in corrections:
        _check(call, given)
    return response([_correct(call, warehouse, given) for given in corrections])


def _check(call: Call, given: Record) -> None:
    quantity = given.get("quantity")
    if not collection(call, "product-availability").has(given.get("productId") or 0):
        raise ServiceError(400, "WHSC-014", f"Product {given.get('productId')} is not valid")
    if not isinstance(quantity, int) or quantity == 0:
        raise ServiceError(
            400, "WHSC-071", "The quantity of a correction must be a non-zero integer"
        )  # INFERRED code
    if quantity > 0 and parse_decimal((given.get("cost") or {}).get("value")) is None:
        raise ServiceError(400, "WHSC-072", "A cost is required for a positive quantity")  # INFERRED code


def _correct(call: Call, warehouse: int, given: Record) -> int:
    product, quantity = given["productId"], given["quantity"]
    move_stock(call.account, product, str(warehouse), quantity)
    cost = given.get("cost") or {"currency": "GBP", "value": 0}
    goods = {
        "productId": product,
        "quantity": quantity,
        "destinationLocationId": given.get("locationId") or 2,
    }
    goods |= {
        "batchGoodsNoteId": 0,
        "productValue": cost,
        "createdOn": call.account.stamp(),
        "createdBy": STAFF,
    }
    note = {"warehouseId": warehouse, "reason": given.get("reason") or "", "goodsMoved": [goods]}
    id = collection(call, "stock-correction").add(note)
    record_movement(call.account, id, product, warehouse, quantity, "SC", str(cost["value"]))
    return id


@route("GET", BASE + "warehouse/{}/stock-correction/{}")
def get_stock_correction(call: Call) -> Record:
    """The corrections made through the API."""
    warehouse = require_id(call, "warehouse", call.path_args[0], "No warehouse found")
    found = [
        n
        for n in records_in_id_set(call, "stock-correction", call.path_args[1], 200)
        if n["warehouseId"] == warehouse
    ]
    if not found:
        raise not_found("No stock corrections found")
    return response(found)
