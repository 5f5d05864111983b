"""warehouse-service: what goods-out and drop-ship notes have in common."""

from __future__ import annotations

from collections.abc import Iterable

from ..call import Call, ServiceError, id_ranges, not_found, response
from ..collection import Record
from ..resources import collection


def notes_of_orders(
    call: Call, name: str, ids: Iterable[int], hidden: tuple[str, ...], missing: str
) -> Record:
    """The notes with some ids as a map by id, if they belong to the orders in the path (`*` for any).

    Args:
        call: the request; its first path argument is the id set of orders.
        name: the collection of notes.
        ids: the ids of the notes.
        hidden: stored fields that the response omits.
        missing: the message of the 404 if there are no such notes.
    """
    orders = None if call.path_args[0] == "*" else id_ranges(call.path_args[0], 200)
    found = {}
    for id in dict.fromkeys(ids):
        note = collection(call, name).get(id)
        if note and (orders is None or any(a <= note["orderId"] <= b for a, b in orders)):
            found[str(id)] = {key: value for key, value in note.items() if key not in hidden}
    if not found:
        raise not_found(missing)
    return response(found)


def parts_by_order_row(
    given: Record, order: Record, location: dict[str, int], left: dict[str, int]
) -> dict[str, list[Record]]:
    """The parts of a new note by order row, taken from what is `left` of the rows.

    Raises:
        ServiceError: a row does not belong to the order, or a quantity is no positive integer or too much.
    """
    parts: dict[str, list[Record]] = {}
    for item in given.get("products") or []:
        row = str(item.get("salesOrderRowId"))
        if row not in order["orderRows"]:
            raise ServiceError(400, "WHSC-080", f"Row {row} does not belong to this order")  # INFERRED
        quantity = item.get("quantity")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            raise ServiceError(400, "WHSC-083", "A quantity must be a positive integer")  # INFERRED code
        left[row] = left.get(row, 0) - quantity
        if left[row] < 0:
            message = f"Quantity {quantity} is more than what remains of row {row}"
            raise ServiceError(400, "WHSC-084", message)  # INFERRED code
        part = {"productId": item["productId"], "quantity": item["quantity"], **location}
        parts.setdefault(row, []).append(part)
    return parts


def require_order_ids(call: Call) -> None:
    """Raise ServiceError if the path asks for the notes of all orders."""
    if call.path_args[0] == "*":
        raise ServiceError(400, "CMNC-011", "An ID set is required")
