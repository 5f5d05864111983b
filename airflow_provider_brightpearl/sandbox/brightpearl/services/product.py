"""product-service: products, prices, bundles and their reference lists (reference, section 4.2)."""

from __future__ import annotations

from .. import json_patch, reference_data, search_columns, search_rows
from ..call import Call, ServiceError, id_ranges, not_found, response
from ..collection import Record
from ..generated.products import total_availability
from ..money import fixed_decimals, parse_decimal
from ..resources import (
    collection,
    id_set_uris,
    records_in_id_set,
    register_custom_field_metadata,
    register_reference_list,
    register_search,
    require_id,
    route,
    serve_custom_fields,
    without_custom_fields,
)
from ..search import Search

BASE = "product-service/"
register_search(
    BASE + "product-search",
    Search("product", search_columns.PRODUCT, search_rows.product, members=search_rows.product_categories),
)
register_search(BASE + "brand-search", Search("brand", search_columns.BRAND, search_rows.brand))
register_search(
    BASE + "product-type-search",
    Search("product-type", search_columns.PRODUCT_TYPE, search_rows.product_type),
)
register_search(
    BASE + "brightpearl-category-search",
    Search("brightpearl-category", search_columns.CATEGORY, search_rows.category),
)


@route("GET", BASE + "product/{}", "includeOptional")
def product_get(call: Call) -> Record:
    """Products by id set."""
    optional = call.optional_parts("customFields", "nullCustomFields")
    found = records_in_id_set(call, "product", call.path_args[0], 200)
    if not found:
        raise not_found("No Product Found")
    return response([_shown(record, optional) for record in found])


def _shown(record: Record, optional: set[str]) -> Record:
    found = without_custom_fields(record, optional)
    if "nullCustomFields" in optional:
        filled = record.get("customFields") or {}
        found["nullCustomFields"] = [
            code for _, code, *_ in reference_data.PRODUCT_FIELDS if code not in filled
        ]
    return found


@route("OPTIONS", BASE + "product")
def options_products(call: Call) -> Record:
    """Every product id."""
    return id_set_uris(call, "product", "/product")


@route("OPTIONS", BASE + "product/{}")
def options_product(call: Call) -> Record:
    """The existing ids of an id set."""
    return id_set_uris(call, "product", "/product", call.path_args[0])


@route("POST", BASE + "product")
def post_product(call: Call) -> Record:
    """Create a product."""
    body = call.json_object()
    _check_brand(call, body.get("brandId"))
    if not body.get("salesChannels"):
        raise ServiceError(400, "PRDC-030", "Sales channels are required")  # INFERRED code
    id = collection(call, "product").add({})
    collection(call, "product").put(id, _new_product(call, id, body))
    collection(call, "product-price").put(
        id, {"productId": id, "priceLists": [_empty(row) for row in reference_data.PRICE_LISTS]}
    )
    record = collection(call, "product").get(id) or {}
    # every product whose stock is tracked has figures, also one that never had stock
    if record["stock"]["stockTracked"]:
        collection(call, "product-availability").put(
            id, {"id": id, "total": total_availability({}), "warehouses": {}}
        )
    call.account.webhooks.raise_event("product.created", id)
    return response(id)


def _check_brand(call: Call, brand: object) -> None:
    if not isinstance(brand, int) or not collection(call, "brand").has(brand):
        raise ServiceError(400, "PRDC-014", "A valid brand ID is required")


def _empty(row: tuple[int, str, str, str, str, bool]) -> Record:
    currency = row[3]
    shown = {
        "priceListId": row[0],
        "currencyCode": currency,
        "currencyId": reference_data.CURRENCY_IDS[currency],
    }
    return shown | {"quantityPrice": {}}


def _new_product(call: Call, id: int, body: Record) -> Record:
    stock = {"stockTracked": False, "weight": {"magnitude": 0.0}}
    sizes = {"length": 0.0, "height": 0.0, "width": 0.0, "volume": 0.0}
    base: Record = {"id": id, "brandId": body["brandId"], "productTypeId": 1, "featured": False}
    base |= {
        "identity": {"sku": "", "barcode": "", "ean": "", "upc": "", "isbn": "", "mpn": ""},
        "stock": stock | {"dimensions": sizes},
        "financialDetails": {"taxable": True, "taxCode": {"id": 2, "code": "T20"}},
        "composition": {"bundle": False},
        "variations": [],
        "customFields": {},
        "warehouses": {},
        "nominalCodeStock": "1001",
        "nominalCodePurchases": "5000",
        "nominalCodeSales": "4000",
        "seasonIds": [],
        "reporting": {},
        "status": "LIVE",
    }
    json_patch.merge_patch(base, body)
    for channel in base["salesChannels"]:
        for category in channel.get("categories") or []:
            category["categoryCode"] = str(category.get("categoryCode"))
    return base | {"createdOn": call.account.stamp(), "version": call.account.now() * 1000}


@route("PUT", BASE + "product/{}")
def put_product(call: Call) -> Record:
    """Change a product; fields that are not in the body keep their values."""
    id = require_id(call, "product", call.path_args[0], "No Product Found")
    body = call.json_object()
    if "brandId" in body:
        _check_brand(call, body["brandId"])
    json_patch.merge_patch(collection(call, "product").edit(id), {k: v for k, v in body.items() if k != "id"})
    call.account.touch(collection(call, "product").edit(id))
    call.account.webhooks.raise_event("product.modified", id)
    return {}


@route("GET", BASE + "product/{}/bundle")
def get_product_bundle(call: Call) -> Record:
    """The components of a bundle."""
    id = require_id(call, "product", call.path_args[0], "No Product Found")
    parts = (collection(call, "product").get(id) or {})["composition"].get("bundleComponents")
    if not parts:
        raise not_found("No Bundle Found")
    return response(parts)


@route("GET", BASE + "product/{}/custom-field")
def get_product_custom_field(call: Call) -> Record:
    """The custom fields of one product."""
    return serve_custom_fields(call, "product", reference_data.PRODUCT_FIELDS)


@route("PATCH", BASE + "product/{}/custom-field")
def patch_product_custom_field(call: Call) -> Record:
    """Set custom fields of one product."""
    return serve_custom_fields(call, "product", reference_data.PRODUCT_FIELDS)


@route("GET", BASE + "product-custom-field/{}")
def get_product_custom_fields(call: Call) -> Record:
    """The custom fields of many products, as a map by id."""
    found = records_in_id_set(call, "product", call.path_args[0], 200)
    return response({str(one["id"]): one.get("customFields") or {} for one in found})


register_custom_field_metadata(BASE + "product", reference_data.PRODUCT_FIELDS)


@route("GET", BASE + "product-price/{}")
def product_price_get(call: Call) -> Record:
    """All price lists of products."""
    return _prices(call, None)


@route("GET", BASE + "product-price/{}/price-list/{}")
def product_price_list_get(call: Call) -> Record:
    """Some price lists of products."""
    wanted = id_ranges(call.path_args[1], None)
    known = [row[0] for row in reference_data.PRICE_LISTS]
    return _prices(call, {id for id in known if any(first <= id <= last for first, last in wanted)})


def _prices(call: Call, wanted: set[int] | None) -> Record:
    found = records_in_id_set(call, "product-price", call.path_args[0], 200)
    if not found:
        raise not_found("No Product Prices Found")
    if wanted is not None:
        found = [
            one | {"priceLists": [p for p in one["priceLists"] if p["priceListId"] in wanted]}
            for one in found
        ]
    return response(found)


@route("OPTIONS", BASE + "product-price")
def options_product_prices(call: Call) -> Record:
    """The products that have prices."""
    return id_set_uris(call, "product-price", "/product-price")


@route("OPTIONS", BASE + "product-price/{}")
def options_product_price(call: Call) -> Record:
    """The ids of an id set that have prices."""
    return id_set_uris(call, "product-price", "/product-price", call.path_args[0])


@route("PUT", BASE + "product-price/{}/price-list")
def put_product_price(call: Call) -> Record:
    """Set the price steps of some price lists of one product."""
    id = require_id(call, "product-price", call.path_args[0], "No Product Prices Found")
    body = call.json_object()
    record = collection(call, "product-price").edit(id)
    slots = {one["priceListId"]: one for one in record["priceLists"]}
    for change in body.get("priceLists") or []:
        if change.get("priceListId") not in slots:
            raise ServiceError(
                400, "PRDC-050", f"Price list {change.get('priceListId')} does not exist"
            )  # INFERRED
        slots[change["priceListId"]]["quantityPrice"] = _steps(change.get("quantityPrice") or {})
    return {}


def _steps(given: Record) -> Record:
    amounts = {step: parse_decimal(price) for step, price in given.items()}
    if any(amount is None or not step.isdigit() for step, amount in amounts.items()):
        raise ServiceError(
            400, "PRDC-051", "Prices must be numbers, and their quantities integers"
        )  # INFERRED code
    return {step: fixed_decimals(amount, 4) for step, amount in amounts.items() if amount is not None}


@route("POST", BASE + "brand")
def post_brand(call: Call) -> Record:
    """Create a brand."""
    body = call.json_object()
    if not body.get("name"):
        raise ServiceError(400, "PRDC-024", "Brand name is required")
    return response(
        collection(call, "brand").add({"name": body["name"], "description": body.get("description") or ""})
    )


for _name in ("brand", "price-list", "channel", "product-type", "brightpearl-category"):
    register_reference_list(BASE, _name)
