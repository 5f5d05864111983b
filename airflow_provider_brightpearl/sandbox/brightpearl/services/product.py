"""product-service: products, prices, bundles and the lists around them (reference, section 4.2)."""

from __future__ import annotations

from .. import json_patch, reference_data, search_columns, search_rows
from ..call import Call, Failure, answer, missing, ranges
from ..collection import Record
from ..money import number, places
from ..resources import custom_fields, existing, held, listed, searches, serves, several, uris, without_fields
from ..search import Search

S = "product-service/"
searches(S + "product-search", Search("product", search_columns.PRODUCT, search_rows.product))
searches(S + "brand-search", Search("brand", search_columns.BRAND, search_rows.brand))
searches(
    S + "product-type-search", Search("product-type", search_columns.PRODUCT_TYPE, search_rows.product_type)
)
searches(
    S + "brightpearl-category-search",
    Search("brightpearl-category", search_columns.CATEGORY, search_rows.as_it_is),
)


@serves("GET", S + "product/{}", "includeOptional")
def product_get(call: Call) -> Record:
    """Products by id set."""
    optional = call.optional("customFields", "nullCustomFields")
    found = several(call, "product", call.parts[0], 200)
    if not found:
        raise missing("No Product Found")
    return answer([_shown(record, optional) for record in found])


def _shown(record: Record, optional: set[str]) -> Record:
    found = without_fields(record, optional)
    if "nullCustomFields" in optional:
        filled = record.get("customFields") or {}
        found["nullCustomFields"] = [
            code for _, code, *_ in reference_data.PRODUCT_FIELDS if code not in filled
        ]
    return found


@serves("OPTIONS", S + "product")
def options_products(call: Call) -> Record:
    """Every product id."""
    return uris(call, "product", "/product")


@serves("OPTIONS", S + "product/{}")
def options_product(call: Call) -> Record:
    """Those of an id set that exist."""
    return uris(call, "product", "/product", call.parts[0])


@serves("POST", S + "product")
def post_product(call: Call) -> Record:
    """A new product."""
    body = call.record()
    _check_brand(call, body.get("brandId"))
    if not body.get("salesChannels"):
        raise Failure(400, "PRDC-030", "Sales channels are required")  # INFERRED code
    id = held(call, "product").add({})
    held(call, "product").put(id, _new_product(call, id, body))
    held(call, "product-price").put(
        id, {"productId": id, "priceLists": [_empty(row) for row in reference_data.PRICE_LISTS]}
    )
    return answer(id)


def _check_brand(call: Call, brand: object) -> None:
    if not isinstance(brand, int) or not held(call, "brand").has(brand):
        raise Failure(400, "PRDC-014", "A valid brand ID is required")


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
    json_patch.merge(base, body)
    for channel in base["salesChannels"]:
        for category in channel.get("categories") or []:
            category["categoryCode"] = str(category.get("categoryCode"))
    return base | {"createdOn": call.world.stamp(), "version": call.world.now() * 1000}


@serves("PUT", S + "product/{}")
def put_product(call: Call) -> Record:
    """Change a product; what is not in the body stays."""
    id = existing(call, "product", call.parts[0], "No Product Found")
    body = call.record()
    if "brandId" in body:
        _check_brand(call, body["brandId"])
    json_patch.merge(held(call, "product").edit(id), {k: v for k, v in body.items() if k != "id"})
    call.world.touch(held(call, "product").edit(id))
    return {}


@serves("GET", S + "product/{}/bundle")
def get_product_bundle(call: Call) -> Record:
    """The components of a bundle."""
    id = existing(call, "product", call.parts[0], "No Product Found")
    parts = (held(call, "product").get(id) or {})["composition"].get("bundleComponents")
    if not parts:
        raise missing("No Bundle Found")
    return answer(parts)


@serves("GET", S + "product/{}/custom-field")
def get_product_custom_field(call: Call) -> Record:
    """The custom fields of one product."""
    return custom_fields(call, "product", reference_data.PRODUCT_FIELDS)


@serves("PATCH", S + "product/{}/custom-field")
def patch_product_custom_field(call: Call) -> Record:
    """Set custom fields of one product."""
    return custom_fields(call, "product", reference_data.PRODUCT_FIELDS)


@serves("GET", S + "product-custom-field/{}")
def get_product_custom_fields(call: Call) -> Record:
    """The custom fields of many products, as a map by id."""
    found = several(call, "product", call.parts[0], 200)
    return answer({str(one["id"]): one.get("customFields") or {} for one in found})


@serves("GET", S + "product/custom-field-meta-data")
def get_product_custom_field_meta_data(call: Call) -> Record:
    """The custom fields products can have."""
    return answer(reference_data.field_metadata(reference_data.PRODUCT_FIELDS))


@serves("GET", S + "product-price/{}")
def product_price_get(call: Call) -> Record:
    """All price lists of products."""
    return _prices(call, None)


@serves("GET", S + "product-price/{}/price-list/{}")
def product_price_list_get(call: Call) -> Record:
    """Some price lists of products."""
    wanted = ranges(call.parts[1], None)
    known = [row[0] for row in reference_data.PRICE_LISTS]
    return _prices(call, {id for id in known if any(first <= id <= last for first, last in wanted)})


def _prices(call: Call, wanted: set[int] | None) -> Record:
    found = several(call, "product-price", call.parts[0], 200)
    if not found:
        raise missing("No Product Prices Found")
    if wanted is not None:
        found = [
            one | {"priceLists": [p for p in one["priceLists"] if p["priceListId"] in wanted]}
            for one in found
        ]
    return answer(found)


@serves("OPTIONS", S + "product-price")
def options_product_prices(call: Call) -> Record:
    """The products that have prices."""
    return uris(call, "product-price", "/product-price")


@serves("OPTIONS", S + "product-price/{}")
def options_product_price(call: Call) -> Record:
    """Those of an id set that have prices."""
    return uris(call, "product-price", "/product-price", call.parts[0])


@serves("PUT", S + "product-price/{}/price-list")
def put_product_price(call: Call) -> Record:
    """Set the price steps of some price lists of one product."""
    id = existing(call, "product-price", call.parts[0], "No Product Prices Found")
    body = call.record()
    record = held(call, "product-price").edit(id)
    slots = {one["priceListId"]: one for one in record["priceLists"]}
    for change in body.get("priceLists") or []:
        if change.get("priceListId") not in slots:
            raise Failure(
                400, "PRDC-050", f"Price list {change.get('priceListId')} does not exist"
            )  # INFERRED
        slots[change["priceListId"]]["quantityPrice"] = _steps(change.get("quantityPrice") or {})
    return {}


def _steps(given: Record) -> Record:
    amounts = {step: number(price) for step, price in given.items()}
    if any(amount is None or not step.isdigit() for step, amount in amounts.items()):
        raise Failure(400, "PRDC-051", "A price is a number, its quantity a whole one")  # INFERRED code
    return {step: places(amount, 4) for step, amount in amounts.items() if amount is not None}


@serves("POST", S + "brand")
def post_brand(call: Call) -> Record:
    """A new brand."""
    body = call.record()
    if not body.get("name"):
        raise Failure(400, "PRDC-024", "Brand name is required")
    return answer(
        held(call, "brand").add({"name": body["name"], "description": body.get("description") or ""})
    )


def _simple(name: str) -> None:
    def get_list(call: Call) -> Record:
        return listed(call, name)

    serves("GET", S + name)(get_list)
    serves("GET", S + name + "/{}")(get_list)


for _name in ("brand", "price-list", "channel", "product-type", "brightpearl-category"):
    _simple(_name)
