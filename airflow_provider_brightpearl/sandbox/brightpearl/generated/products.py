"""Products with their prices, bundles and stock, each made from its place in the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import orjson

from ..collection import Base, Record, spaced
from ..money import four
from ..reference_data import BRANDS, CATEGORIES, CURRENCY_IDS, PRICE_LISTS, PRODUCT_TYPES, RATES, WAREHOUSES
from ..timestamps import Zone
from . import random_bits
from .customers import history

FIRST_PRODUCT = 1001
_GOODS = (
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
class Article:
    """What order rows, prices and stock need to know of a product."""

    place: int
    id: int
    bits: int
    sku: str
    name: str
    tax_class: int
    tracked: bool
    components: tuple[tuple[int, int], ...]  # place, quantity
    prices: dict[int, int]  # price list id to hundredths
    options: dict[str, str]

    def label(self) -> str:
        """The product as a row of an order names it, as JSON without braces."""
        shown = {"productId": self.id, "productName": self.name, "productSku": self.sku}
        cost = {"itemCost": {"currencyCode": "GBP", "value": four(self.prices[1])}}
        return orjson.dumps(shown | cost).decode()[1:-1]

    def choices(self) -> str:
        """The options of the product in a row of an order, as JSON that a comma ends."""
        return f'"productOptions":{orjson.dumps(self.options).decode()},' if self.options else ""


class Catalogue:
    """Makes products, prices and availability from their places."""

    def __init__(self, seed: int, count: int, zone: Zone, first: int, last: int) -> None:
        self.seed, self.count, self.zone = seed, count, zone
        self.ids = spaced(FIRST_PRODUCT, count, 40)
        self.created, self.updated = history(seed, random_bits.PRODUCT, count, first, last)
        self.article = lru_cache(200_000)(self._article)
        self.label = lru_cache(200_000)(lambda item_id, place: self.article(place).label())
        self.choices = lru_cache(200_000)(lambda item_id, place: self.article(place).choices())

    def products(self) -> Base:
        """The products with the columns product searches use most."""
        columns = {"productId": self.ids, "createdOn": self.created, "updatedOn": self.updated}
        return Base(self.ids, columns, self.product)

    def prices(self) -> Base:
        """The price lists of every product."""
        return Base(self.ids, {}, self.price)

    def stock(self) -> Base:
        """What lies in the warehouses of the products whose stock is tracked."""
        tracked = [place for place in range(self.count) if self.article(place).tracked]
        return Base(self.ids[tracked], {}, lambda at: self.availability(tracked[at]))

    def product(self, place: int) -> Record:
        """The product as its GET shows it, custom fields included."""
        item, updated = self.article(place), self.updated.item(place)
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
            "productGroupId": 1 + place // 4,
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
            "createdOn": self.zone.text(self.created.item(place)),
        }
        if updated:
            found["updatedOn"] = self.zone.text(updated)
        home = {"defaultLocationId": 0, "overflowLocationId": 0, "reorderLevel": 0, "reorderQuantity": 0}
        found |= {"warehouses": {"2": home}, "nominalCodeStock": "1001", "nominalCodePurchases": "5000"}
        found |= {"nominalCodeSales": "4000", "seasonIds": [], "reporting": {}, "status": _status(bits)}
        found |= {"salesPopupMessage": "", "warehousePopupMessage": ""}
        return found | {"version": (updated or self.created.item(place)) * 1000}

    def price(self, place: int) -> Record:
        """The price lists of one product; a list without a price has an empty map."""
        item = self.article(place)
        lists = []
        for id, _, _, currency, _, _ in PRICE_LISTS:
            amount = item.prices.get(id)
            steps = {} if amount is None else {"1": four(amount)}
            if amount is not None and id == 3 and item.bits & 7 == 0:
                steps["10"] = four(amount * 9 // 10)
            lists.append(
                {
                    "priceListId": id,
                    "currencyCode": currency,
                    "currencyId": CURRENCY_IDS[currency],
                    "quantityPrice": steps,
                }
            )
        return {"productId": item.id, "sku": item.sku, "priceLists": lists}

    def availability(self, place: int) -> Record:
        """Stock per warehouse; a warehouse that does not hold the product is missing."""
        bits = random_bits.draw(self.seed, random_bits.STOCK, place)
        warehouses = {}
        for number, (id, *_) in enumerate(WAREHOUSES):
            share = bits >> (8 * number)
            if number == 0 or share & 3:
                stock = share % 90
                taken = min(stock, (share >> 3) % 12)
                warehouses[str(id)] = counts(stock, taken, 0)
        return {"total": total(warehouses), "warehouses": warehouses}

    def _composition(self, item: Article) -> Record:
        if not item.components:
            return {"bundle": False}
        parts = [{"productId": self.ids.item(at), "productQuantity": n} for at, n in item.components]
        return {"bundle": True, "bundleComponents": parts}

    def _article(self, place: int) -> Article:
        bits = random_bits.draw(self.seed, random_bits.PRODUCT, place)
        id = self.ids.item(place)
        short, name, tax_class = _GOODS[bits % len(_GOODS)]
        colour, shade = _COLOURS[(bits >> 4) % 4]
        size = _SIZES[place % 4]
        bundle = place % 20 == 19
        sku = f"{id:08d}" if place % 17 == 16 else f"{short}-{colour}-{size}-{id}"
        return Article(
            place,
            id,
            bits,
            f"SET-{id}" if bundle else sku,
            f"{name} {shade} set" if bundle else f"{name} {shade} {size}",
            tax_class,
            not bundle and bits >> 9 & 15 != 0,
            ((place - 1, 1), (place - 2, 2)) if bundle else (),
            _prices(bits >> 13),
            {"Size": size, "Colour": shade} if short == "TEE" else {},
        )


def counts(stock: int, allocated: int, transit: int) -> Record:
    """The four figures of availability, on hand being what can still be sold."""
    return {"inStock": stock, "onHand": stock - allocated, "allocated": allocated, "inTransit": transit}


def total(warehouses: dict[str, Record]) -> Record:
    """The figures of all warehouses together."""
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


def _stock(item: Article) -> Record:
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


def _variations(item: Article) -> list[Record]:
    return [
        {"optionId": at, "optionName": name, "optionValueId": at * 10 + len(value), "optionValue": value}
        for at, (name, value) in enumerate(item.options.items(), 1)
    ]
