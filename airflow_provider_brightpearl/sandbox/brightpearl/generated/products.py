"""Generates products with prices, bundles and stock from their index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import orjson

from ..collection import GeneratedRecords, Record, ids_with_gaps
from ..money import four_decimals
from ..reference_data import BRANDS, CATEGORIES, CURRENCY_IDS, PRICE_LISTS, PRODUCT_TYPES, RATES, WAREHOUSES
from ..timestamps import AccountTimeZone
from . import random_bits
from .customers import created_and_updated

FIRST_PRODUCT = 1001
_PRODUCT_KINDS = (
    ("TEE", "Tee", 2),
    ("MUG", "Enamel mug", 2),
    ("BEAN", "Coffee beans 250 g", 1),
    ("BOOK", "Notebook A5", 1),
    ("LAMP", "Desk lamp “Lumière”", 2),
    ("SEAT", "Child car seat", 3),
    ("SOAP", "Olive soap", 2),
    ("KAFE", "Crème brûlée set", 2),
)
_COLOURS = (("RED", "red"), ("BLU", "blue"), ("GRN", "green"), ("BLK", "black"))
_SIZES = ("S", "M", "L", "XL")
_TAX_CODES = {1: "Z", 2: "T20", 3: "T5"}


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """A product, the source of its record, prices, stock and order rows."""

    index: int
    id: int
    bits: int
    sku: str
    name: str
    tax_class: int
    tracked: bool
    components: tuple[tuple[int, int], ...]  # index, quantity
    prices: dict[int, int]  # price list id to hundredths
    options: dict[str, str]

    def row_identity(self) -> str:
        """The product fields of an order row, as JSON without braces."""
        shown = {"productId": self.id, "productName": self.name, "productSku": self.sku}
        cost = {"itemCost": {"currencyCode": "GBP", "value": four_decimals(self.prices[1])}}
        return orjson.dumps(shown | cost).decode()[1:-1]

    def row_options(self) -> str:
        """The product options of an order row, as JSON with a trailing comma; empty without options."""
        return f'"productOptions":{orjson.dumps(self.options).decode()},' if self.options else ""


class ProductGenerator:
    """Generates products, prices and availability."""

    def __init__(self, seed: int, count: int, zone: AccountTimeZone, first: int, last: int) -> None:
        self.seed, self.count, self.zone = seed, count, zone
        self.ids = ids_with_gaps(FIRST_PRODUCT, count, 40)
        self.created, self.updated = created_and_updated(seed, random_bits.PRODUCT, count, first, last)
        self.item = lru_cache(200_000)(self._item)
        self.row_identity = lru_cache(200_000)(lambda item_id, index: self.item(index).row_identity())
        self.row_options = lru_cache(200_000)(lambda item_id, index: self.item(index).row_options())

    def products(self) -> GeneratedRecords:
        """The products, with the columns that searches use most."""
        columns = {"productId": self.ids, "createdOn": self.created, "updatedOn": self.updated}
        return GeneratedRecords(self.ids, columns, self.product)

    def prices(self) -> GeneratedRecords:
        """The price lists of every product."""
        return GeneratedRecords(self.ids, {}, self.price)

    def stock(self) -> GeneratedRecords:
        """The availability of products whose stock is tracked."""
        tracked = [index for index in range(self.count) if self.item(index).tracked]
        return GeneratedRecords(self.ids[tracked], {}, lambda at: self.availability(tracked[at]))

    def product(self, index: int) -> Record:
        """A product as GET returns it, with custom fields."""
        item, updated = self.item(index), self.updated.item(index)
        bits = item.bits >> 24
        found: Record = {
            "id": item.id,
            "brandId": BRANDS[bits % len(BRANDS)][0],
            "productTypeId": PRODUCT_TYPES[bits % len(PRODUCT_TYPES)][0],
            "identity": {
                "sku": item.sku,
                "barcode": "",
                "ean": _ean(item.id),
                "upc": "",
                "isbn": "",
                "mpn": "",
            },
            "productGroupId": 1 + index // 4,
            "featured": False,
            "stock": _stock(item),
            "financialDetails": {
                "taxable": True,
                "taxCode": {"id": item.tax_class, "code": _TAX_CODES[item.tax_class]},
            },
            "salesChannels": [_sales_channel(item.name, CATEGORIES[bits % len(CATEGORIES)][0])],
            "composition": self._composition(item),
            "variations": _variations(item),
            "customFields": {"PCF_FRAGILE": bool(bits & 1)} if bits % 5 == 0 else {},
            "createdOn": self.zone.format(self.created.item(index)),
        }
        if updated:
            found["updatedOn"] = self.zone.format(updated)
        home = {"defaultLocationId": 0, "overflowLocationId": 0, "reorderLevel": 0, "reorderQuantity": 0}
        found |= {"warehouses": {"2": home}, "nominalCodeStock": "1001", "nominalCodePurchases": "5000"}
        found |= {"nominalCodeSales": "4000", "seasonIds": [], "reporting": {}, "status": _status(bits)}
        found |= {"salesPopupMessage": "", "warehousePopupMessage": ""}
        return found | {"version": (updated or self.created.item(index)) * 1000}

    def price(self, index: int) -> Record:
        """The price lists of a product; a list without a price has an empty map."""
        item = self.item(index)
        lists = []
        for id, _, _, currency, _, _ in PRICE_LISTS:
            amount = item.prices.get(id)
            steps = {} if amount is None else {"1": four_decimals(amount)}
            if amount is not None and id == 3 and item.bits & 7 == 0:
                steps["10"] = four_decimals(amount * 9 // 10)
            lists.append(
                {
                    "priceListId": id,
                    "currencyCode": currency,
                    "currencyId": CURRENCY_IDS[currency],
                    "quantityPrice": steps,
                }
            )
        return {"productId": item.id, "sku": item.sku, "priceLists": lists}

    def availability(self, index: int) -> Record:
        """Stock per warehouse that holds the product."""
        bits = random_bits.draw(self.seed, random_bits.STOCK, index)
        warehouses = {}
        for number, (id, *_) in enumerate(WAREHOUSES):
            share = bits >> (8 * number)
            if number == 0 or share & 3:
                stock = share % 90
                taken = min(stock, (share >> 3) % 12)
                warehouses[str(id)] = availability_counts(stock, taken, 0)
        return {"total": total_availability(warehouses), "warehouses": warehouses}

    def _composition(self, item: CatalogueItem) -> Record:
        if not item.components:
            return {"bundle": False}
        parts = [{"productId": self.ids.item(at), "productQuantity": n} for at, n in item.components]
        return {"bundle": True, "bundleComponents": parts}

    def _item(self, index: int) -> CatalogueItem:
        bits = random_bits.draw(self.seed, random_bits.PRODUCT, index)
        id = self.ids.item(index)
        short, name, tax_class = _PRODUCT_KINDS[bits % len(_PRODUCT_KINDS)]
        colour, shade = _COLOURS[(bits >> 4) % 4]
        size = _SIZES[index % 4]
        bundle = index % 20 == 19
        sku = f"{id:08d}" if index % 17 == 16 else f"{short}-{colour}-{size}-{id}"
        return CatalogueItem(
            index,
            id,
            bits,
            f"SET-{id}" if bundle else sku,
            f"{name} {shade} set" if bundle else f"{name} {shade} {size}",
            tax_class,
            not bundle and bits >> 9 & 15 != 0,
            ((index - 1, 1), (index - 2, 2)) if bundle else (),
            _prices(bits >> 13),
            {"Size": size, "Colour": shade} if short == "TEE" else {},
        )


def availability_counts(stock: int, allocated: int, transit: int) -> Record:
    """The figures of one warehouse; `onHand` is what can still be sold."""
    return {"inStock": stock, "onHand": stock - allocated, "allocated": allocated, "inTransit": transit}


def total_availability(warehouses: dict[str, Record]) -> Record:
    """The totals over all warehouses."""
    return {
        key: sum(one[key] for one in warehouses.values())
        for key in ("inStock", "onHand", "allocated", "inTransit")
    }


def _prices(bits: int) -> dict[int, int]:
    retail = (3 + bits % 97) * 100 + (99, 50, 0, 95)[bits >> 7 & 3]
    found = {1: retail * 2 // 5, 2: retail, 3: retail * 7 // 10}
    for id, _, _, currency, kind, _ in PRICE_LISTS[3:]:
        amount = (found[1] if kind == "BUY" else retail) * RATES[currency] // 1_000_000
        found[id] = max(100, amount // 100 * 100) if currency == "JPY" else max(1, amount)
    if bits >> 9 & 31 == 0:
        del found[10], found[7]
    return found


def _status(bits: int) -> str:
    return {0: "DISCONTINUED", 1: "ARCHIVED"}.get(bits >> 3 & 31, "LIVE")


def _ean(id: int) -> str:
    digits = f"50000{id:07d}"[:12]
    check = -sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10
    return f"{digits}{check}"


def _stock(item: CatalogueItem) -> Record:
    sizes = {"length": 0.0, "height": 0.0, "width": 0.0, "volume": 0.0}
    return {
        "stockTracked": item.tracked,
        "weight": {"magnitude": (item.bits % 40 + 1) / 20},
        "dimensions": sizes,
    }


def _sales_channel(name: str, category: int) -> Record:
    text = {"languageCode": "en", "text": "", "format": "HTML_FRAGMENT"}
    found = {"salesChannelName": "Brightpearl", "productName": name, "productCondition": "new"}
    described = {"description": {**text, "text": f"<p>{name} &amp; more</p>"}, "shortDescription": text}
    return found | {"categories": [{"categoryCode": str(category)}]} | described


def _variations(item: CatalogueItem) -> list[Record]:
    return [
        {"optionId": at, "optionName": name, "optionValueId": at * 10 + len(value), "optionValue": value}
        for at, (name, value) in enumerate(item.options.items(), 1)
    ]
