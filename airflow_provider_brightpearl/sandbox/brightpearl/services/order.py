"""order-service: reading orders and their reference lists (reference, sections 4.3 and 4.4)."""

from __future__ import annotations

import orjson

from .. import id_sets, reference_data, search_columns, search_rows
from ..call import Answer, Call, id_ranges, not_found, response
from ..collection import Record
from ..resources import (
    collection,
    existing_ids,
    id_set_uris,
    records_in_id_set,
    register_custom_field_metadata,
    register_reference_list,
    register_search,
    route,
    without_custom_fields,
)
from ..search import Search
from . import sales_orders

BASE = "order-service/"
_REFS = ("customerRef", "externalRef", "externalRefs")


def _is_sale(record: Record) -> bool:
    return record.get("orderTypeCode") == "SO"


register_search(BASE + "order-search", Search("order", search_columns.ORDER, search_rows.order, refs=_REFS))
register_search(
    BASE + "sales-order-search",
    Search(
        "order",
        search_columns.SALES_ORDER,
        search_rows.sales_order,
        _is_sale,
        {"orderTypeId": "1"},
        refs=_REFS,
    ),
)
register_search(
    BASE + "order-note-search", Search("order-note", search_columns.ORDER_NOTE, search_rows.unchanged)
)


@route("GET", BASE + "order/{}", "includeOptional")
def get_order(call: Call) -> Record:
    """Orders by id set; ids that do not exist are ignored, down to an empty list."""
    optional = call.optional_parts("customFields", "nullCustomFields")
    source, found = collection(call, "order"), []
    for id in existing_ids(call, "order", call.path_args[0], 200):
        text = source.text(id, optional)
        found.append(orjson.Fragment(text) if text else without_custom_fields(source.get(id) or {}, optional))
    return response(found)


@route("OPTIONS", BASE + "order")
def options_orders(call: Call) -> Record:
    """Every order id."""
    return id_set_uris(call, "order", "/order")


@route("OPTIONS", BASE + "order/{}")
def options_order(call: Call) -> Record:
    """The existing ids of an id set."""
    return id_set_uris(call, "order", "/order", call.path_args[0])


def _typed(kind: str, path: str) -> None:
    def options_typed(call: Call) -> Record:
        source = collection(call, "order")
        if call.path_args:
            ids = source.within(id_ranges(call.path_args[0], None))
        else:
            ids = source.ids()
        kept = [id for id in ids if (source.get(id) or {}).get("orderTypeCode") == kind]
        batches = [id_sets.compact(sorted(kept)[at : at + 200]) for at in range(0, len(kept), 200)]
        return response({"getUris": [f"/{path}/{batch}" for batch in batches]})

    def get_typed(call: Call) -> Record | Answer:
        """Orders of one type; 207 if some of the ids are not orders of that type."""
        wanted = id_ranges(call.path_args[0], 200)
        found = [
            one
            for one in records_in_id_set(call, "order", call.path_args[0], 200)
            if one.get("orderTypeCode") == kind
        ]
        if not found:
            raise not_found(f"No {path} found")
        body = response([sales_orders.shown(record) for record in found])
        return body if len(found) == sum(b - a + 1 for a, b in wanted) else Answer(207, body)

    route("GET", BASE + path + "/{}")(get_typed)
    route("OPTIONS", BASE + path)(options_typed)
    route("OPTIONS", BASE + path + "/{}")(options_typed)


_typed("SO", "sales-order")
_typed("SC", "sales-credit")


register_custom_field_metadata(BASE + "sale", reference_data.ORDER_FIELDS)
register_custom_field_metadata(BASE + "purchase", reference_data.PURCHASE_FIELDS)


for _name in ("order-status", "order-type", "order-stock-status", "order-shipping-status"):
    register_reference_list(BASE, _name)
