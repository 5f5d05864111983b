"""warehouse-service: stock reserved (allocated) for the rows of an order (reference, section 4.5)."""

from __future__ import annotations

from ..call import Call, ServiceError, not_found, response, single_id
from ..collection import Record
from ..resources import collection, require_id, route
from ..stock_movements import RESERVATIONS, reserve
from .warehouse import BASE

_PATH = BASE + "order/{}/reservation/warehouse/{}"


@route("POST", _PATH)
def post_reservation(call: Call) -> Record:
    """Reserve what the warehouse has of each product, up to what the rows still need; less is no error."""
    id = require_id(call, "order", call.path_args[0], "No Order Found")
    warehouse = require_id(call, "warehouse", call.path_args[1], "No warehouse found")
    products = call.json_object().get("products")
    if not isinstance(products, list) or not products:
        raise ServiceError(400, "WHSC-090", "Products are required")  # INFERRED code
    order = collection(call, "order").edit(id)
    for item in products:
        if str(item.get("salesOrderRowId")) not in order["orderRows"]:
            raise ServiceError(
                400, "WHSC-080", f"Row {item.get('salesOrderRowId')} does not belong to this order"
            )
        if not isinstance(item.get("quantity"), int) or item["quantity"] < 1:
            raise ServiceError(400, "WHSC-083", "A quantity must be a positive integer")  # INFERRED code
    for item in products:
        reserve(call.account, order, str(warehouse), str(item["salesOrderRowId"]), item["quantity"])
    call.account.touch(order)
    return {}


@route("GET", _PATH)
def get_reservation(call: Call) -> Record:
    """What is reserved for an order in a warehouse (shape INFERRED)."""
    found = collection(call, RESERVATIONS).get(single_id(call.path_args[0])) or {}
    rows = (found.get("warehouses") or {}).get(call.path_args[1])
    if not rows:
        raise not_found("No reservation found")
    return response({"orderRows": rows})
