"""Stock of products by warehouse: the products whose stock may have changed, and the bundles their components allow.

``product-availability`` knows no changes, so goods movements show which products to read, and a sweep reads
all. Allocating stock to an order is no movement: only a movement of the same product or a sweep shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.window import Selection, Window
from airflow_provider_brightpearl.systems.brightpearl.columns import AVAILABILITY
from airflow_provider_brightpearl.systems.brightpearl.complete import Collected, is_number
from airflow_provider_brightpearl.systems.brightpearl.estimate import of_stock
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import (
    CHUNK,
    named_ids,
    not_found,
    number_in,
    rows_within,
)

_AVAILABILITY = "warehouse-service/product-availability"
_NOTHING = Decimal(0)


class _Figures(msgspec.Struct, rename="camel"):
    in_stock: Decimal = _NOTHING
    on_hand: Decimal = _NOTHING
    in_transit: Decimal = _NOTHING


class _Stock(msgspec.Struct):
    warehouses: dict[str, msgspec.Raw] = {}


class _Component(msgspec.Struct, rename="camel"):
    product_id: int
    product_quantity: Decimal


class _Composition(msgspec.Struct, rename="camel"):
    bundle: bool = False
    bundle_components: list[_Component] = []


class _Product(msgspec.Struct):
    id: int
    composition: _Composition = msgspec.field(default_factory=_Composition)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Products whose stock is wanted, and those that may be bundles; ``moved`` is None where all are.

    ``found`` are those of the products that a search found; ``untracked`` is empty where it is not known.
    """

    products: frozenset[int]
    moved: frozenset[int] | None
    maybe_bundles: tuple[int, ...]
    found: frozenset[int] = frozenset()
    untracked: frozenset[int] = frozenset()

    def touches(self, bundle: _Product) -> bool:
        parts = {part.product_id for part in bundle.composition.bundle_components}
        return self.moved is None or bundle.id in self.products or not parts.isdisjoint(self.moved)


class Availability:
    """Stock of every product that moved, or of all: tracked products first, then bundles.

    A product whose stock is not tracked, and that is no bundle, has no record.
    """

    schema = AVAILABILITY
    estimate = staticmethod(of_stock)
    events = ("product.modified.on-hand-modified",)

    def read(self, session: ReadSession, selection: Selection) -> Iterator[Read]:
        wanted = _wanted(session, selection)
        products = session.fetch("product-service/product", wanted.maybe_bundles, "id")
        bundles = [each for each in _bundles(products) if wanted.touches(each)]
        yield from ((str(number), why) for number, why in products.unread.items())
        parts = {part.product_id for bundle in bundles for part in bundle.composition.bundle_components}
        asked = sorted((wanted.products | parts) - {bundle.id for bundle in bundles} - wanted.untracked)
        held: dict[int, _Stock] = {}
        lost: dict[int, Unread] = {}
        found = {str(bundle.id) for bundle in bundles} | set(map(str, products.unread))
        for ids in chunked(asked, CHUNK):
            stocks = session.fetch_map(_AVAILABILITY, ids)
            for product, raw in stocks.records.items():
                stock = decoded_as(_Stock, raw)
                if stock is None or not _is_readable(stock, whole=product in parts):
                    stocks.unread[product] = Unread(f"the stock of product {product} has another shape", raw)
                    continue
                if product in parts:
                    held[product] = stock
                if product in wanted.products:
                    found.add(str(product))
                    yield str(product), _record(product, bundle=False, warehouses=_raw_figures(stock))
            lost |= stocks.unread
        for product in sorted(wanted.found.intersection(lost)):
            found.add(str(product))
            yield str(product), lost[product]
        # a component without a record has no stock; one that cannot be read is not the same
        unknown = parts.intersection(lost)
        if unknown and not wanted.untracked:
            unknown.difference_update(untracked(session))
        for bundle in bundles:
            yield str(bundle.id), _of_bundle(bundle, held, {each: lost[each] for each in unknown})
        yield from not_found(selection, found)

    def is_id(self, text: str) -> bool:
        return is_number(text)

    def count_later(self, session: ReadSession) -> None:
        untracked(session)


def _wanted(session: ReadSession, selection: Selection) -> _Wanted:
    named = frozenset(named_ids(selection))
    window = selection.window
    if selection.full_resync or (window is not None and window.start is None):
        return _all(session)
    moved = frozenset(_moved(session, window)) if window is not None and not window.empty else frozenset()
    others = untracked(session) if moved else ()
    found = moved.difference(others)
    return _Wanted(found | named, moved, tuple({*others, *named}), found, frozenset(others))


def _all(session: ReadSession) -> _Wanted:
    tracked, others = set(), []
    for row in session.search("product-service/product-search", ("productId", "stockTracked")):
        if row["stockTracked"]:
            tracked.add(number_in(row, "productId"))
        else:
            others.append(number_in(row, "productId"))
    return _Wanted(frozenset(tracked), None, tuple(others), frozenset(tracked), frozenset(others))


def _moved(session: ReadSession, window: Window) -> Iterator[int]:
    columns = ("goodsMovementId", "productId", "updatedOn")
    for row in rows_within(
        session, "warehouse-service/goods-movement-search", columns, {}, "updatedOn", window
    ):
        yield number_in(row, "productId")


def untracked(session: ReadSession) -> tuple[int, ...]:
    """Products without a stock of their own, bundles among them."""
    # bundles hold no stock of their own, and no search can ask for them by composition
    rows = session.search("product-service/product-search", ("productId",), {"stockTracked": "false"})
    return tuple(number_in(row, "productId") for row in rows)


def _bundles(products: Collected) -> Iterator[_Product]:
    """The bundles; a product that cannot be read, and may be one, becomes unread."""
    for number, raw in products.records.items():
        product = decoded_as(_Product, raw)
        if product is None:
            products.unread[number] = Unread(f"product {number}, maybe a bundle, has another shape", raw)
            continue
        made_of = product.composition
        made_of.bundle_components = [part for part in made_of.bundle_components if part.product_quantity > 0]
        if made_of.bundle and made_of.bundle_components:
            yield product


def _is_readable(stock: _Stock, *, whole: bool) -> bool:
    """Whether warehouses are named by number, and, where bundles are made of it, what lies in each is numbers."""
    figures = stock.warehouses.values() if whole else ()
    return all(map(is_number, stock.warehouses)) and all(decoded_as(_Figures, each) for each in figures)


def _of_bundle(bundle: _Product, held: Mapping[int, _Stock], unknown: Mapping[int, Unread]) -> bytes | Unread:
    for part in bundle.composition.bundle_components:
        if part.product_id in unknown:
            return Unread(f"component {part.product_id}: {unknown[part.product_id].reason}")
    return _record(bundle.id, bundle=True, warehouses=_complete(bundle, held))


def _record(product: int, *, bundle: bool, warehouses: Iterable[bytes]) -> bytes:
    kind = b"true" if bundle else b"false"
    return b'{"productId":%d,"bundle":%b,"warehouses":[%b]}' % (product, kind, b",".join(warehouses))


def _raw_figures(stock: _Stock) -> Iterator[bytes]:
    for warehouse, figures in sorted(stock.warehouses.items(), key=lambda pair: int(pair[0])):
        yield with_members(bytes(figures), warehouseId=warehouse.encode())


def _complete(bundle: _Product, held: Mapping[int, _Stock]) -> Iterator[bytes]:
    """Complete bundles per warehouse, only those where every component lies."""
    parts = bundle.composition.bundle_components
    stocks = [held.get(part.product_id, _Stock()).warehouses for part in parts]
    for warehouse in sorted(set(stocks[0]).intersection(*stocks[1:]), key=int):
        figures = [msgspec.json.decode(stock[warehouse], type=_Figures) for stock in stocks]
        yield msgspec.json.encode(_made_of(int(warehouse), parts, figures))


def _made_of(warehouse: int, parts: Sequence[_Component], figures: Sequence[_Figures]) -> dict[str, Any]:
    pairs = list(zip(parts, figures, strict=True))
    on_hand = min(each.on_hand // part.product_quantity for part, each in pairs)
    in_stock = min(each.in_stock // part.product_quantity for part, each in pairs)
    arrived = min((each.on_hand + each.in_transit) // part.product_quantity for part, each in pairs)
    scarcest = min(pairs, key=lambda pair: pair[1].on_hand / pair[0].product_quantity)[0]
    return {
        "inStock": int(in_stock),
        "onHand": int(on_hand),
        "allocated": int(in_stock - on_hand),
        "inTransit": int(arrived - on_hand),
        "limitedBy": scarcest.product_id,
        "warehouseId": warehouse,
    }
