"""order-service: reading orders, and the lists around them (reference, sections 4.3 and 4.4)."""

from __future__ import annotations

import orjson

from .. import id_sets, reference_data, search_columns, search_rows
from ..call import Answer, Call, answer, missing, ranges
from ..collection import Record
from ..resources import held, listed, named, searches, serves, several, uris, without_fields
from ..search import Search
from . import sales_orders

S = "order-service/"
_REFS = ("customerRef", "externalRef", "externalRefs")


def _is_sale(record: Record) -> bool:
    return record.get("orderTypeCode") == "SO"


searches(S + "order-search", Search("order", search_columns.ORDER, search_rows.order, refs=_REFS))
searches(
    S + "sales-order-search",
    Search(
        "order", search_columns.SALES_ORDER, search_rows.sales_order, _is_sale, {"orderTypeId": "1"}, _REFS
    ),
)
searches(S + "order-note-search", Search("order-note", search_columns.ORDER_NOTE, search_rows.as_it_is))


@serves("GET", S + "order/{}", "includeOptional")
def get_order(call: Call) -> Record:
    """Orders by id set; ids that do not exist are passed over, and none at all is an empty list."""
    optional = call.optional("customFields", "nullCustomFields")
    source, found = held(call, "order"), []
    for id in named(call, "order", call.parts[0], 200):
        text = source.text(id, optional)
        found.append(orjson.Fragment(text) if text else without_fields(source.get(id) or {}, optional))
    return answer(found)


@serves("OPTIONS", S + "order")
def options_orders(call: Call) -> Record:
    """Every order id."""
    return uris(call, "order", "/order")


@serves("OPTIONS", S + "order/{}")
def options_order(call: Call) -> Record:
    """Those of an id set that exist."""
    return uris(call, "order", "/order", call.parts[0])


def _typed(kind: str, path: str) -> None:
    def options_typed(call: Call) -> Record:
        source = held(call, "order")
        if call.parts:
            ids = source.within(ranges(call.parts[0], None))
        else:
            ids = source.ids()
        kept = [id for id in ids if (source.get(id) or {}).get("orderTypeCode") == kind]
        batches = [id_sets.compact(sorted(kept)[at : at + 200]) for at in range(0, len(kept), 200)]
        return answer({"getUris": [f"/{path}/{batch}" for batch in batches]})

    def get_typed(call: Call) -> Record | Answer:
        """Orders of one type; 207 when some of the ids are of no such order."""
        wanted = ranges(call.parts[0], 200)
        found = [
            one for one in several(call, "order", call.parts[0], 200) if one.get("orderTypeCode") == kind
        ]
        if not found:
            raise missing(f"No {path} found")
        body = answer([sales_orders.shown(record) for record in found])
        return body if len(found) == sum(b - a + 1 for a, b in wanted) else Answer(207, body)

    serves("GET", S + path + "/{}")(get_typed)
    serves("OPTIONS", S + path)(options_typed)
    serves("OPTIONS", S + path + "/{}")(options_typed)


_typed("SO", "sales-order")
_typed("SC", "sales-credit")


@serves("GET", S + "sale/custom-field-meta-data")
def get_sale_custom_field_meta_data(call: Call) -> Record:
    """The custom fields sales can have."""
    return answer(reference_data.field_metadata(reference_data.ORDER_FIELDS))


@serves("GET", S + "sale/custom-field-meta-data/{}")
def get_sale_custom_field_meta_data_of(call: Call) -> Record:
    """Some of the custom fields sales can have."""
    wanted = ranges(call.parts[0], 200)
    found = reference_data.field_metadata(reference_data.ORDER_FIELDS)
    return answer([one for one in found if any(a <= one["id"] <= b for a, b in wanted)])


def _simple(name: str) -> None:
    def get_list(call: Call) -> Record:
        return listed(call, name)

    serves("GET", S + name)(get_list)
    serves("GET", S + name + "/{}")(get_list)


for _name in ("order-status", "order-type", "order-stock-status", "order-shipping-status"):
    _simple(_name)
