"""warehouse-service: availability, corrections, goods-out notes and movements (reference, section 4.5)."""

from __future__ import annotations

from .. import search_columns, search_rows
from ..call import Call, Failure, answer, missing, ranges
from ..collection import Record
from ..money import number
from ..reference_data import STAFF
from ..resources import existing, held, listed, searches, serves, several
from ..search import Search
from ..stock_movements import move_stock, moved

S = "warehouse-service/"
searches(
    S + "goods-note/goods-out-search",
    Search("goods-out-note", search_columns.GOODS_OUT, search_rows.goods_out),
)
searches(
    S + "goods-movement-search", Search("goods-movement", search_columns.GOODS_MOVEMENT, search_rows.as_it_is)
)
searches(S + "warehouse-search", Search("warehouse", search_columns.WAREHOUSE, search_rows.warehouse))
searches(
    S + "shipping-method-search",
    Search("shipping-method", search_columns.SHIPPING_METHOD, search_rows.as_it_is),
)


@serves("GET", S + "product-availability/{}", "includeOptional")
def get_product_availability(call: Call) -> Record:
    """Stock per product and warehouse; products without tracked stock are silently absent."""
    call.optional("breakDownByLocation", "allocatedOrders", "allocatedTransfers", "onOrder")
    source = held(call, "product-availability")
    ids = source.within(ranges(call.parts[0], None))
    return answer({str(id): source.get(id) for id in ids})


@serves("GET", S + "bundle-availability/{}")
def get_bundle_availability(call: Call) -> Record:
    """Complete bundles per warehouse, the least over their components (shape INFERRED)."""
    id = existing(call, "product", call.parts[0], "No Product Found")
    parts = (held(call, "product").get(id) or {})["composition"].get("bundleComponents")
    if not parts:
        raise missing("No Bundle Found")
    found: dict[str, Record] = {}
    for warehouse in held(call, "warehouse"):
        key = str(warehouse["id"])
        complete = min(_on_hand(call, part["productId"], key) // part["productQuantity"] for part in parts)
        if complete:
            found[key] = {"onHand": complete}
    return answer(
        {str(id): {"total": {"onHand": sum(w["onHand"] for w in found.values())}, "warehouses": found}}
    )


def _on_hand(call: Call, product: int, warehouse: str) -> int:
    held_here = held(call, "product-availability").get(product) or {"warehouses": {}}
    return int(held_here["warehouses"].get(warehouse, {}).get("onHand", 0))


@serves("GET", S + "warehouse")
def get_warehouses(call: Call) -> Record:
    """All warehouses."""
    return listed(call, "warehouse")


@serves("GET", S + "warehouse/{}")
def get_warehouse(call: Call) -> Record:
    """Warehouses by id set."""
    return listed(call, "warehouse")


@serves("GET", S + "shipping-method")
def get_shipping_methods(call: Call) -> Record:
    """All shipping methods."""
    return listed(call, "shipping-method")


@serves("GET", S + "shipping-method/{}")
def get_shipping_method(call: Call) -> Record:
    """Shipping methods by id set."""
    return listed(call, "shipping-method")


@serves("POST", S + "warehouse/{}/stock-correction")
def post_stock_correction(call: Call) -> Record:
    """Correct stock; gives one note id per correction. All of them are checked first."""
    warehouse = existing(call, "warehouse", call.parts[0], "No warehouse found")
    corrections = call.record().get("corrections")
    if not isinstance(corrections, list) or not corrections:
        raise Failure(400, "WHSC-070", "Corrections are required")
    for given in corrections:
        _check(call, given)
    return answer([_correct(call, warehouse, given) for given in corrections])


def _check(call: Call, given: Record) -> None:
    quantity = given.get("quantity")
    if not held(call, "product-availability").has(given.get("productId") or 0):
        raise Failure(400, "WHSC-014", f"Product {given.get('productId')} is not valid")
    if not isinstance(quantity, int) or quantity == 0:
        raise Failure(400, "WHSC-071", "The quantity of a correction is a whole number")  # INFERRED code
    if quantity > 0 and number((given.get("cost") or {}).get("value")) is None:
        raise Failure(400, "WHSC-072", "A cost is required for a positive quantity")  # INFERRED code


def _correct(call: Call, warehouse: int, given: Record) -> int:
    product, quantity = given["productId"], given["quantity"]
    move_stock(call.world, product, str(warehouse), quantity)
    cost = given.get("cost") or {"currency": "GBP", "value": 0}
    goods = {
        "productId": product,
        "quantity": quantity,
        "destinationLocationId": given.get("locationId") or 2,
    }
    goods |= {
        "batchGoodsNoteId": 0,
        "productValue": cost,
        "createdOn": call.world.stamp(),
        "createdBy": STAFF,
    }
    note = {"warehouseId": warehouse, "reason": given.get("reason") or "", "goodsMoved": [goods]}
    id = held(call, "stock-correction").add(note)
    moved(call.world, id, product, warehouse, quantity, "SC", str(cost["value"]))
    return id


@serves("GET", S + "warehouse/{}/stock-correction/{}")
def get_stock_correction(call: Call) -> Record:
    """The corrections made through the API."""
    warehouse = existing(call, "warehouse", call.parts[0], "No warehouse found")
    found = [
        n for n in several(call, "stock-correction", call.parts[1], 200) if n["warehouseId"] == warehouse
    ]
    if not found:
        raise missing("No stock corrections found")
    return answer(found)
