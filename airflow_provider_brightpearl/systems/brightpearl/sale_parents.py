"""What a credit takes back of its order: never more than was sold, all credits of that order together.

Brightpearl itself takes any credit. So the order of a credit that is to be written is read in the same run, with every
other credit of it, whoever made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil
from typing import Any

import msgspec

from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.messages import min_calls, read, rows_of
from airflow_provider_brightpearl.systems.brightpearl.reading import Odd, refused_search
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Row, Whole
from airflow_provider_brightpearl.systems.brightpearl.sale_changes import NO_PRODUCT, stored_row

_SEARCH = "order-service/order-search?orderTypeId=3&columns=orderId,parentOrderId&parentOrderId="
_ORDER, _CREDIT = "order-service/sales-order", "order-service/sales-credit"
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
Sale = Mapping[str, Any]


@dataclass(slots=True)
class _Sold:
    """What an order holds, or what of it is taken back: pieces by product, and totals."""

    pieces: dict[str, Decimal] = field(default_factory=dict)
    net: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)

    def add(self, product: object, quantity: object) -> None:
        name = str(product or "")
        self.pieces[name] = self.pieces.get(name, Decimal(0)) + Decimal(str(quantity or 0))

    def add_sale(self, sale: Sale, sign: int = 1) -> None:
        for row in sale.get("rows", ()):
            if not row.get("bundleChild"):
                self.add(row.get("productId"), sign * Decimal(str(row.get("quantity") or 0)))
        self.net += sign * Decimal(str(sale["total"]["net"]))
        self.gross += sign * Decimal(str(sale["total"]["gross"]))


class Parents:
    """The orders of credits: gives rows the tax code of the order's, and refuses what takes back too much.

    Args:
        client: calls; one search message for each order, one call for 200 orders and for 200 credits.
    """

    def __init__(self, client: BrightpearlClient) -> None:
        self.client = client
        self._orders: Mapping[str, Sale] = {}
        self._known: list[Whole] = []
        self._others: Mapping[str, list[Sale]] = {}

    def min_calls(self, sales: Sequence[Whole]) -> int:
        """The fewest calls for credits that are all new."""
        parents = {found for sale in sales if (found := _parent(sale))}
        return min_calls(len(parents)) + ceil(len(parents) / MAX_IDS)

    def complete(self, sales: Sequence[Whole]) -> None:
        """Reads the orders of credits whose figures are to change, and gives rows their tax codes."""
        mine = [sale for sale in sales if sale.open and _parent(sale) and (sale.parts or sale.gone)]
        self._orders = self._read(_ORDER, mine, [_parent(sale) for sale in mine])
        self._known = [sale for sale in mine if self._has(sale, self._orders)]
        self._others = self._credits(self._known)
        for sale in self._known:
            order = self._orders[_parent(sale)]
            sale.parts = [_with_tax_code(row, order) for row in sale.parts]

    def judge(self) -> None:
        """Refuses what takes back more than was sold; of several credits of one order the first ones count.

        A credit that Brightpearl has counts as it is there until its change is accepted, so existing ones come first.
        """
        taken: dict[str, _Sold] = {}
        stored: dict[str, Sale] = {}
        for parent, credits_ in self._others.items():
            taken[parent] = _Sold()
            for each in credits_:
                if not each.get("isCanceled"):
                    taken[parent].add_sale(each)
                    stored[str(each["id"])] = each
        for sale in sorted(self._known, key=lambda sale: not sale.id):
            if not sale.open:
                continue
            parent, own = _parent(sale), stored.get(sale.id)
            if own:
                taken[parent].add_sale(own, -1)
            accepted = _judge(sale, self._orders[parent], taken[parent], _ids(self._others[parent], sale.id))
            if own and not accepted:
                taken[parent].add_sale(own)

    def _has(self, sale: Whole, orders: Mapping[str, Sale]) -> bool:
        if not sale.open:
            return False
        order, parent = orders.get(_parent(sale)), _parent(sale)
        if order is None:
            sale.refuse(f"Brightpearl has no sales order {parent}", sale.head, "parentId")
        return order is not None

    def _credits(self, sales: Sequence[Whole]) -> dict[str, list[Sale]]:
        """All credits of the orders of these sales, by order."""
        parents = list(dict.fromkeys(map(_parent, sales)))
        answers = dict(zip(parents, read(self.client, [_SEARCH + each for each in parents]), strict=True))
        for sale in sales:
            refused_search(sale, answers[_parent(sale)], "parentId")
        ids = {
            each: [str(row["orderId"]) for row in rows_of(answers[each]) if str(row["parentOrderId"]) == each]
            for each in parents
        }
        credits_ = self._read(_CREDIT, sales, [one for some in ids.values() for one in some])
        return {each: [credits_[one] for one in ids[each] if one in credits_] for each in parents}

    def _read(self, path: str, sales: Sequence[Whole], ids: Sequence[str]) -> dict[str, Sale]:
        """Sales by id. Where Brightpearl does not answer for one, nothing is judged: all wait for the next run."""
        odd = Odd()
        numbers = sorted({int(each) for each in ids})
        found = [_decode(raw) for _, raw in self.client.get_map(path, numbers, set_aside=odd)]
        for sale in sales:
            for number in odd.reasons:
                odd.refuse(sale, number)
        return {str(each["id"]): each for each in found}


def _parent(sale: Whole) -> str:
    """The order that a credit takes back, empty where there is none."""
    value = sale.head.values.get("parentId") if sale.head else (sale.there or {}).get("parentId")
    return str(value) if value else ""


def _ids(credits_: Sequence[Sale], but: str) -> str:
    ids = sorted(str(each["id"]) for each in credits_ if str(each["id"]) != but)
    return f" ({', '.join(ids[:10])})" if ids else ""


def _with_tax_code(row: Row, order: Sale) -> Row:
    """A row without a tax code has that of the order's row of its product."""
    if row.kind != "OrderRow" or row.values.get("taxCode"):
        return row
    codes: Iterator[str] = (
        each["taxCode"]
        for each in order.get("rows", ())
        if str(each.get("productId")) == str(row.values.get("productId"))
    )
    return replace(row, values={**row.values, "taxCode": next(codes, None)})


def _judge(sale: Whole, order: Sale, taken: _Sold, by: str) -> bool:
    """Refuses a credit with which more is taken back than was sold; otherwise it counts as taken, and gives true."""
    place, sold, mine = f"order {order['id']}", _Sold(), _Sold()
    sold.add_sale(order)
    currency = order["currency"]["code"]
    ours = sale.head.values.get("currencyCode") if sale.head else None
    if ours and ours != currency:
        sale.refuse(f"{place} is in {currency}", sale.head, "currencyCode")
    for row, values in _rows(sale):
        net = Decimal(str(values["net"]))
        mine.net, mine.gross = mine.net + net, mine.gross + net + Decimal(str(values.get("tax") or 0))
        mine.add(product := values.get("productId"), values["quantity"])
        name = str(product or "")
        before, had = taken.pieces.get(name, Decimal(0)), sold.pieces.get(name, Decimal(0))
        # rows of free text have no product to be counted by
        if product not in (None, NO_PRODUCT) and mine.pieces[name] + before > had:
            reason = _excess(f"pieces of product {product}", mine.pieces[name], place, had, before, by)
            sale.refuse(reason, row, "quantity" if row else "")
    for what in ("net", "gross"):
        wanted, before, had = getattr(mine, what), getattr(taken, what), getattr(sold, what)
        if wanted + before > had:
            sale.refuse(_excess(f"{currency} {what}", wanted, place, had, before, by), sale.head, what)
    if sale.open:
        for name, quantity in mine.pieces.items():
            taken.add(name, quantity)
        taken.net, taken.gross = taken.net + mine.net, taken.gross + mine.gross
    return sale.open


def _rows(sale: Whole) -> Iterator[tuple[Row | None, Mapping[str, Any]]]:
    """The rows of a credit as they are going to be, with those of ours: an existing one keeps what does not change."""
    ours = sale.of_kind("OrderRow")
    stored = {str(found["id"]) for row in ours if (found := stored_row(sale, row))}
    gone = {each.target_id.partition(SEPARATOR)[2] for each in sale.gone}
    yield from ((row, row.values) for row in ours)
    for each in (sale.there or {}).get("rows", ()):
        if str(each["id"]) not in stored | gone and not each.get("bundleChild"):
            yield None, each


def _excess(what: str, wanted: Decimal, place: str, had: Decimal, before: Decimal, by: str) -> str:
    return (
        f"takes back {_plain(wanted)} {what}, and of the {_plain(had)} that {place} sold {_plain(before)} are credited "
        f"already{by}; nothing was sent"
    )


def _plain(number: Decimal) -> str:
    """The number without zeros that say nothing."""
    short = number.normalize()
    return f"{short:f}"
